/** Ports for the embedded stores. */
import { randomInt } from "node:crypto"
import { createServer } from "node:net"

/**
 * Below the ports that systems assign to outgoing connections (32768 on Linux, 49152 elsewhere): a client that reconnects to a
 * store that is down can be assigned the very port that it is calling, talk to itself, and keep the store from restarting.
 */
const PORTS = { from: 16_000, to: 32_000 }
const PORT_ATTEMPTS = 50

/** A port of 127.0.0.1 on which nobody listens: `preferred` if it is free, else any. Rejects when none is found. */
export const freePort = async (preferred: number | undefined): Promise<number> => {
  for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
    const port = attempt === 0 && preferred !== undefined ? preferred : randomInt(PORTS.from, PORTS.to)
    if (await isFree(port)) return port
  }
  throw new Error(`no free port was found between ${PORTS.from} and ${PORTS.to}`)
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once("error", () => resolve(false))
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => server.close(() => resolve(true)))
  })
