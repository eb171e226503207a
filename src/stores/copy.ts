/**
 * COPY, which the driver does not speak: rows as text, out of Postgres and into it, as fast as both sides go and in bounded memory.
 * (https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-COPY)
 */
import { once } from "node:events"
import { Readable } from "node:stream"
import type pg from "pg"
import { postgresError } from "./postgresError.ts"

/** Rows are handed on in pieces of about this many bytes. */
const PIECE_BYTES = 64 * 1024

/** What the driver's connection has beyond its types. */
interface CopyConnection extends pg.Connection {
  readonly sendCopyFromChunk: (piece: Uint8Array) => void
  readonly endCopyFrom: () => void
  readonly sendCopyFail: (reason: string) => void
}

/** Rows of a command tag such as `COPY 12`. */
const rowsOf = ({ text }: { readonly text: string }): number => Number(text.split(" ").at(-1))

/** The rows of a `COPY … TO STDOUT`, as the server writes them. Fails with a `StoreError`. */
export class CopyOut extends Readable implements pg.Submittable {
  readonly #statement: string
  #connection: pg.Connection | null = null
  #gathered: Array<Buffer> = []
  #gatheredBytes = 0
  /** Rows that were copied; -1 until the last one has been. */
  rows = -1

  constructor(statement: string) {
    super({ highWaterMark: PIECE_BYTES })
    this.#statement = statement
  }

  submit(connection: pg.Connection): void {
    this.#connection = connection
    connection.query(this.#statement)
  }

  handleCopyData({ chunk }: { readonly chunk: Buffer }): void {
    // The driver uses its buffer again.
    this.#gathered.push(Buffer.from(chunk))
    this.#gatheredBytes += chunk.length
    if (this.#gatheredBytes >= PIECE_BYTES) this.#pass()
  }

  #pass(): void {
    const piece = Buffer.concat(this.#gathered, this.#gatheredBytes)
    this.#gathered = []
    this.#gatheredBytes = 0
    if (!this.push(piece)) this.#connection?.stream.pause()
  }

  handleCommandComplete(message: { readonly text: string }): void {
    if (this.#gatheredBytes > 0) this.#pass()
    this.rows = rowsOf(message)
  }

  handleReadyForQuery(): void {
    this.push(null)
  }

  handleError(error: Error): void {
    this.destroy(postgresError("copy", error))
  }

  override _read(): void {
    this.#connection?.stream.resume()
  }

  /** Whoever ends the connection of a copy that is not wanted any further has to hear the server's last words. */
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#connection?.stream.resume()
    done(error)
  }
}

/** Sends rows to a `COPY … FROM STDIN`. */
export class CopyIn implements pg.Submittable {
  readonly #statement: string
  readonly #source: AsyncIterable<Uint8Array>
  readonly #ended = Promise.withResolvers<number>()
  #sourceFailure: unknown
  #rows = 0

  constructor(statement: string, source: AsyncIterable<Uint8Array>) {
    this.#statement = statement
    this.#source = source
  }

  /** Resolves with the number of rows; rejects with what the source threw, or else the server. */
  get done(): Promise<number> {
    return this.#ended.promise
  }

  submit(connection: pg.Connection): void {
    connection.query(this.#statement)
  }

  handleCopyInResponse(connection: CopyConnection): void {
    this.#send(connection).catch((cause: unknown) => {
      this.#sourceFailure = cause
      connection.sendCopyFail("the rows cannot be read")
    })
  }

  async #send(connection: CopyConnection): Promise<void> {
    for await (const piece of this.#source) {
      connection.sendCopyFromChunk(piece)
      if (connection.stream.writableNeedDrain)
        await Promise.race([once(connection.stream, "drain"), this.#ended.promise])
    }
    connection.endCopyFrom()
  }

  handleCommandComplete(message: { readonly text: string }): void {
    this.#rows = rowsOf(message)
  }

  handleReadyForQuery(): void {
    this.#ended.resolve(this.#rows)
  }

  handleError(error: Error): void {
    this.#ended.reject(this.#sourceFailure ?? error)
  }
}
