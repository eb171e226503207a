/** Programs that a machine may lack, for tests that are skipped there; and a port for one to listen on. */
import { type SpawnSyncReturns, spawnSync } from "node:child_process"
import { createServer } from "node:net"

/** Milliseconds; an image takes longest. */
const MOST_MS = 180_000

/** Runs a program to its end. */
export const run = (program: string, ...args: ReadonlyArray<string>): SpawnSyncReturns<string> =>
  spawnSync(program, [...args], { encoding: "utf8", timeout: MOST_MS })

/** Whether a program is installed and runs with these arguments. */
export const runs = (program: string, ...args: ReadonlyArray<string>): boolean =>
  run(program, ...args).status === 0

/** A port of the loopback that nothing listens on now. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })
