/** A PostgreSQL and its synchronous standby, which change places as often as needed. */
import { join } from "node:path"
import { PostgresServer } from "./postgresServer.ts"

/** So that a copy that is being made finds in the primary's log what it lacks. */
const SETTINGS = { wal_keep_size: "256MB" }

export class PostgresPair {
  #primary: PostgresServer
  #standby: PostgresServer
  /** Names both, first the one that begins as the standby. */
  readonly url: string

  private constructor(primary: PostgresServer, standby: PostgresServer) {
    this.#primary = primary
    this.#standby = standby
    this.url = primary
      .url()
      .replace(`127.0.0.1:${primary.port}`, `127.0.0.1:${standby.port},127.0.0.1:${primary.port}`)
      .concat("?target_session_attrs=read-write")
  }

  static async start(folder: string): Promise<PostgresPair> {
    const primary = await PostgresServer.start({ folder: join(folder, "a"), settings: SETTINGS })
    const standby = await PostgresServer.make({ folder: join(folder, "b"), settings: SETTINGS })
    const pair = new PostgresPair(primary, standby)
    await pair.join()
    return pair
  }

  get primary(): PostgresServer {
    return this.#primary
  }

  get standby(): PostgresServer {
    return this.#standby
  }

  /** Copies the primary's data to the other one, which follows it from here on. */
  async join(): Promise<void> {
    await this.#standby.kill()
    await this.#standby.follow(this.#primary)
    await this.#standby.start()
    await this.#primary.waitForStandby()
  }

  /** Makes the standby the primary. The other one must not come back as one: end it, and `join`. */
  async promote(): Promise<void> {
    await this.#standby.promote()
    const was = this.#primary
    this.#primary = this.#standby
    this.#standby = was
  }

  async stop(): Promise<void> {
    await Promise.all([this.#primary.kill(), this.#standby.kill()])
  }
}
