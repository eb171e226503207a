/** A port that a node can keep when it is started again. */
import { randomInt } from "node:crypto"
import { createServer } from "node:net"

/** Below the ports that systems give to outgoing connections. */
const PORTS = { from: 20_000, to: 32_000 }
/** Processes that run tests at a time at most, and one that runs none. */
const POOLS = 9

/**
 * A process that runs tests has ports of its own: a port is free until somebody listens there, and while a server that is to keep it
 * is down, which another process must not take for its chance.
 */
const ownPorts = () => {
  const share = Math.floor((PORTS.to - PORTS.from) / POOLS)
  const from = PORTS.from + (Number(process.env.VITEST_POOL_ID ?? 0) % POOLS) * share
  return { from, to: from + share }
}

/** Those that this process has been given. */
const given = new Set<number>()

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once("error", () => resolve(false))
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => server.close(() => resolve(true)))
  })

/** So many different ones. */
export const freePorts = async (count: number): Promise<ReadonlyArray<number>> => {
  const ports = new Set<number>()
  while (ports.size < count) ports.add(await freePort())
  return [...ports]
}

export const freePort = async (): Promise<number> => {
  const { from, to } = ownPorts()
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = randomInt(from, to)
    if (given.has(port)) continue
    given.add(port)
    if (await isFree(port)) return port
  }
  throw new Error("no free port was found")
}
