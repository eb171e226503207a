/** Servers that a test makes itself, on a free port of the loopback. */
import type { Server } from "node:http"
import type { AddressInfo } from "node:net"
import { onTestFinished } from "vitest"

/** The URL of a server that listens. */
export const urlOf = (server: Pick<Server, "address">): string => {
  // listen() on a port gives an AddressInfo (https://nodejs.org/api/net.html#serveraddress).
  const { port } = server.address() as AddressInfo
  return `http://127.0.0.1:${port}`
}

/** Lets a server listen until the test has ended; resolves to its URL. */
export const listen = async (server: Server): Promise<string> => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return urlOf(server)
}
