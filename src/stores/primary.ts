/**
 * The server of DATABASE_URL that takes writes. Of several hosts it is found by asking them in turn, at first and whenever a
 * connection to it fails: after a failover it is another one.
 */
import pg from "pg"
import { type DatabaseUrl, parseDatabaseUrl } from "../config/databaseUrl.ts"
import { type HostAndPort, shownHost } from "../config/urlParts.ts"
import { Expected } from "../config/values.ts"

/** A server that accepts connections and then hangs must not keep whoever waits for it. */
export const CONNECT_MS = 5000

/** A server, as it describes itself to a new connection. */
export interface Server {
  /** Of its process; `null` behind a pooler. */
  readonly pid: number | null
  /** `server_version_num` */
  readonly version: number
}

/** A server that follows another one. Its code is that of a write there. */
class StandbyError extends Error {
  readonly code = "25006"
  constructor() {
    super("it is a standby, which takes no writes")
  }
}

/** In a transaction, so that nothing is left in the session of a pooler; and not in the little time that a role may have. */
const GREETING = {
  text: `
    BEGIN; SET LOCAL statement_timeout = 0;
    SELECT pg_backend_pid() AS pid, current_setting('server_version_num')::int AS version,
      pg_is_in_recovery() AS standby;
    COMMIT`,
  query_timeout: CONNECT_MS,
}

/** The process that the server named when the connection was made. A pooler makes up a number, by which it may be asked to cancel. */
const announcedPid = (client: pg.ClientBase): unknown =>
  "processID" in client ? client.processID : undefined

/** Asks a new connection who is there; rejects where that is a standby. */
export const greet = async (client: pg.ClientBase): Promise<Server> => {
  const answer = await client.query<{ pid: number; version: number; standby: boolean }>(GREETING)
  // An array: of each statement its own.
  const [server] = [answer].flat().flatMap(({ rows }) => rows)
  if (server === undefined) throw new Error("the server says nothing of itself")
  if (server.standby) throw new StandbyError()
  return { pid: announcedPid(client) === server.pid ? server.pid : null, version: server.version }
}

const read = (url: string): DatabaseUrl => {
  const address = parseDatabaseUrl(url)
  if (address instanceof Expected) throw new Error(`DATABASE_URL should be ${address.what}`)
  return address
}

export class Primary {
  readonly #url: string
  readonly #name: string
  #address: DatabaseUrl
  #host: HostAndPort
  #search: Promise<void> | null = null

  /** Its connections go by `name`, unless the URL names them. */
  constructor(url: string, name: string) {
    this.#url = url
    this.#name = name
    this.#address = read(url)
    this.#host = this.#address.hosts[0]
  }

  get address(): DatabaseUrl {
    return this.#address
  }

  /** Where the primary was last; the first host before that is known. */
  get host(): HostAndPort {
    return this.#host
  }

  /** Options of a new connection. Certificates are read again for each: they are renewed while a node runs. */
  options(host: HostAndPort = this.#host): pg.ClientConfig {
    const address = parseDatabaseUrl(this.#url)
    // In the moment in which a file is replaced, what it held before will do.
    if (!(address instanceof Expected)) this.#address = address
    const { user, password, database, tls, options, applicationName } = this.#address
    return {
      ...host,
      user,
      password,
      database,
      ssl: tls.ssl,
      ...(tls.direct && { sslnegotiation: "direct" as const }),
      options,
      application_name: applicationName ?? this.#name,
      connectionTimeoutMillis: CONNECT_MS,
      keepAlive: true,
    }
  }

  /** Looks for the primary after a connection to `failed` has failed, unless that has been done meanwhile. */
  async find(failed: HostAndPort): Promise<void> {
    if (failed !== this.#host) return
    this.#search ??= this.#askEach().finally(() => {
      this.#search = null
    })
    await this.#search
  }

  async #askEach(): Promise<void> {
    const reasons: Array<string> = []
    for (const host of this.#address.hosts) {
      const client = new pg.Client(this.options(host))
      client.on("error", () => {})
      try {
        await client.connect()
        await greet(client)
        this.#host = host
        return
      } catch (error) {
        reasons.push(`${shownHost(host)}: ${error instanceof Error ? error.message : error}`)
      } finally {
        client.end().catch(() => {})
      }
    }
    throw new Error(`no host takes writes (${reasons.join("; ")})`)
  }
}
