/** Opens the sockets to servers that hold data. */
import { createConnection, isIP, type Socket } from "node:net"
import { type ConnectionOptions, connect } from "node:tls"
import { AbstractConnector, type Redis, SentinelConnector } from "ioredis"
import type { HostAndPort } from "../config/redisUrl.ts"
import type { ClusterSeeds } from "./clusterSeeds.ts"

/** How long a socket that was ended may take to close, milliseconds. */
const DISCONNECT_MS = 2000

const placeIn = (options: unknown): HostAndPort => {
  const given = typeof options === "object" && options !== null ? options : {}
  return {
    host: "host" in given && typeof given.host === "string" ? given.host : "localhost",
    port: "port" in given && typeof given.port === "number" ? given.port : 6379,
  }
}

/**
 * A connector for ioredis that tells the server by which name it is called (SNI), unlike its own one. With `seeds` it goes to another
 * node of the cluster at each try. `onError` is told why a connection to `where` could not be made, or was lost.
 */
export const connectorTo = (
  tls: ConnectionOptions | null,
  seeds: ClusterSeeds | null,
  onError: (error: Error, where: string) => void,
) =>
  class extends AbstractConnector {
    readonly #place: () => HostAndPort

    /** Called by ioredis with the options of a client or of a cluster's node. */
    constructor(options: unknown) {
      super(DISCONNECT_MS)
      const own = placeIn(options)
      this.#place = () => seeds?.next() ?? own
    }

    override async connect(): Promise<Socket> {
      this.connecting = true
      const { host, port } = this.#place()
      const socket =
        tls === null
          ? createConnection({ host, port })
          : connect({ ...tls, host, port, ...(isIP(host) === 0 && { servername: host }) })
      // For as long as it lives: TLS may tell of an alert and then of a lost connection, and ioredis hears only the first.
      socket.on("error", (error) => {
        this.firstError ??= error
        onError(error, `${host}:${port}`)
      })
      this.stream = socket
      return socket
    }
  }

/**
 * As {@link connectorTo}, where Sentinels say who the master is. `conversing` makes a client for a conversation with one of them, which
 * hears of all errors of its socket.
 */
export const sentinelConnectorTo = (
  conversing: (sentinel: HostAndPort) => Redis,
  onError: (error: Error) => void,
) =>
  class extends SentinelConnector {
    /** Called by ioredis with the options of a client, which all are optional. */
    constructor(options: unknown) {
      super(typeof options === "object" && options !== null ? options : {})
      // The library's way of connecting to a Sentinel; its types do not tell of it.
      Object.defineProperty(this, "connectToSentinel", { value: conversing })
    }

    override async connect(...told: Parameters<SentinelConnector["connect"]>) {
      const socket = await super.connect(...told)
      socket.on("error", onError)
      return socket
    }
  }
