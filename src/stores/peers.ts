/** Where the other servers of a deployment's Redis are: a cluster's nodes, or a master and the replicas that Sentinels know of. */
import type { Redis } from "ioredis"
import type { HostAndPort } from "../config/redisUrl.ts"
import { nameOf } from "./clusterNames.ts"
import { converse, type Destination } from "./redisClient.ts"

const listOf = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

/** The servers of a cluster, masters and replicas, without the one at `asked`, which lists them. */
export const nodesOf = async (
  redis: Redis,
  asked: HostAndPort,
  { tls }: Destination,
): Promise<ReadonlyArray<HostAndPort>> => {
  // It may have been asked by another name than its own.
  const itself = [asked.host, redis.stream.remoteAddress?.replace(/^::ffff:/, "")]
  const nodes = new Map<string, HostAndPort>()
  // Per range of slots its ends, then its nodes as address, port, id and more. One that does not know its own address leaves it out.
  for (const range of listOf(await redis.cluster("SLOTS")))
    for (const node of listOf(range).slice(2)) {
      const [host, portText] = listOf(node)
      const port = Number(portText)
      if (typeof host !== "string" || host === "" || (itself.includes(host) && port === asked.port)) continue
      nodes.set(`${host}:${port}`, (tls ? nameOf(`${host}:${port}`) : null) ?? { host, port })
    }
  return [...nodes.values()].filter(({ host, port }) => host !== asked.host || port !== asked.port)
}

/** The master that a Sentinel names. */
export const masterBy = async (url: Destination, sentinel: HostAndPort): Promise<HostAndPort> => {
  const reply = await converse(url, sentinel, "sentinel", (redis) =>
    redis.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", url.masterName ?? ""),
  ).catch((error: Error) => {
    const { message } = error
    if (/^NOAUTH/.test(message))
      throw new Error("the Sentinel asks for a password: add ?sentinel_password=… to the URL")
    throw /unknown command/.test(message) ? new Error("it is no Sentinel") : error
  })
  const [host, port] = listOf(reply)
  if (typeof host !== "string") throw new Error(`the Sentinel knows no master by the name ${url.masterName}`)
  return { host, port: Number(port) }
}

/** The replicas that a Sentinel would make masters; none where its user may not ask. */
export const replicasBy = async (
  url: Destination,
  sentinel: HostAndPort,
): Promise<ReadonlyArray<HostAndPort>> => {
  const reply = await converse(url, sentinel, "sentinel", (redis) =>
    redis.call("SENTINEL", "REPLICAS", url.masterName ?? ""),
  ).catch(() => [])
  return listOf(reply).flatMap((replica) => {
    const pairs = listOf(replica).map(String)
    const field = (name: string) => pairs[pairs.indexOf(name) + 1] ?? ""
    // One that the Sentinel has no connection to may be about to have one.
    return /down/.test(field("flags")) ? [] : [{ host: field("ip"), port: Number(field("port")) }]
  })
}
