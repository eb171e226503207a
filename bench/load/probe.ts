/** Requests paths in turn at a fixed rate, from the bench's own process. Latency counts from when a request was due. */
import { setTimeout as sleep } from "node:timers/promises"
import { Connection } from "./connection.ts"
import { type Percentiles, percentilesOfValues } from "./percentiles.ts"

export interface Probed {
  readonly path: string
  readonly latency: Percentiles
  /** Answers other than 200. */
  readonly failed: number
}

const CONNECTIONS = 8

/** Sends requests until `until` resolves. Returns percentiles by path, and of all requests under the path `all`. */
export const probe = async (
  port: number,
  paths: ReadonlyArray<string>,
  perSecond: number,
  until: Promise<unknown>,
): Promise<ReadonlyArray<Probed>> => {
  const idle = Array.from({ length: CONNECTIONS }, () => new Connection(port))
  const all = [...idle]
  const taken = paths.map((path) => ({ path, values: [] as number[], failed: 0 }))
  let ended = false
  void until.then(() => {
    ended = true
  })
  const began = performance.now()
  let open = 0
  for (let asked = 0; !ended; ) {
    const due = began + (asked * 1000) / perSecond
    const now = performance.now()
    const connection = due <= now ? idle.pop() : undefined
    if (connection === undefined) {
      // Wakes up rarely, because the CPU time this takes is missing from the server.
      await sleep(Math.max(1, due - now))
      continue
    }
    const path = taken[asked++ % taken.length]
    if (path === undefined) break
    open++
    connection.send(`GET ${path.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`, (status) => {
      path.values.push(performance.now() - due)
      if (status !== 200) path.failed++
      open--
      idle.push(connection)
    })
  }
  while (open > 0) await sleep(5)
  for (const connection of all) connection.close()
  const byPath = taken.map(({ path, values, failed }) => ({
    path,
    latency: percentilesOfValues(values),
    failed,
  }))
  return [
    ...byPath,
    {
      path: "all",
      latency: percentilesOfValues(taken.flatMap(({ values }) => values)),
      failed: taken.reduce((sum, { failed }) => sum + failed, 0),
    },
  ]
}
