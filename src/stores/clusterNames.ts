/**
 * Names of a cluster's nodes, since certificates often have no addresses. A cluster that has names but gives addresses
 * (`cluster-announce-hostname` with the default `cluster-preferred-endpoint-type`) tells the names beside them.
 */
import { Command } from "ioredis"
import type { HostAndPort } from "../config/redisUrl.ts"

/** By address and port as ioredis joins them, and as MOVED has them. */
const names = new Map<string, HostAndPort>()

const isList = (value: unknown): value is ReadonlyArray<unknown> => Array.isArray(value)

/** Notes the names in a reply to CLUSTER SLOTS: per range of slots its ends, then nodes as address, port, id, and a list of further facts. */
const noteNames = (reply: unknown): void => {
  for (const range of isList(reply) ? reply : [])
    for (const node of isList(range) ? range.slice(2) : []) {
      const [address, port, , facts]: ReadonlyArray<unknown> = isList(node) ? node : []
      const list = isList(facts) ? facts : []
      const at = list.indexOf("hostname")
      const host = at < 0 ? undefined : list[at + 1]
      if (typeof host === "string" && host !== "" && host !== address)
        names.set(`${address}:${port}`, { host, port: Number(port) })
    }
}

// ioredis asks for the slots itself, and reads only addresses in the reply.
Command.setReplyTransformer("cluster", (reply: unknown) => {
  noteNames(reply)
  return reply
})

/** The name and port of a node by its address and port, joined by a colon; `null` when it has no name besides. */
export const nameOf = (address: string): HostAndPort | null => names.get(address) ?? null
