/** A bucket of object storage that days are exported to, below a prefix. */
import { open, readFile, stat } from "node:fs/promises"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { BucketAddress, ObjectStorage } from "../config/objectStorage.ts"
import { ExportError, reasonOf } from "./error.ts"
import { workWithin } from "./folder.ts"
import { elementOf } from "./refusal.ts"
import { type S3Answer, S3Bucket, type S3Request } from "./s3.ts"
import type { ExportTarget } from "./target.ts"

/** A larger file is uploaded in parts of this size, as parts of 5 MiB at least are asked for; and of a larger size where 10,000 are too few. */
const PART_BYTES = 8 * 1024 * 1024
const MOST_PARTS = 10_000
/** Parts under way, and in memory, at a time. */
const PARTS_AT_A_TIME = 2

export interface BucketOptions {
  readonly address: BucketAddress
  readonly storage: ObjectStorage
  /** A folder on this machine, for files until they are uploaded. */
  readonly workFolder: string
  /** For tests. */
  readonly partBytes?: number
  readonly firstPauseMs?: number
}

const onDisk = <A>(run: () => Promise<A>): Effect.Effect<A, ExportError> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => new ExportError({ message: `A day's file could not be read: ${reasonOf(cause)}.` }),
  })

class ExportBucket implements ExportTarget {
  readonly name: string
  readonly work: string
  readonly #bucket: S3Bucket
  readonly #prefix: string
  readonly #partBytes: number

  constructor({ address, storage, firstPauseMs, partBytes = PART_BYTES }: BucketOptions, work: string) {
    const { bucket, prefix } = address
    this.name = prefix === "" ? `s3://${bucket}` : `s3://${bucket}/${prefix}`
    this.work = work
    this.#bucket = new S3Bucket(bucket, storage, firstPauseMs)
    this.#prefix = prefix === "" ? "" : `${prefix}/`
    this.#partBytes = partBytes
  }

  #key(file: string): string {
    return `${this.#prefix}${file}`
  }

  #request(file: string, request: Omit<S3Request, "key">): Effect.Effect<S3Answer, ExportError> {
    return this.#bucket.request({ ...request, key: this.#key(file) })
  }

  /** What is told of a file; `null` where there is none. `missing` tells that by the refusal. */
  #ifThere(
    file: string,
    method: "GET" | "HEAD",
    missing: (status: number, code: string | null) => boolean,
  ): Effect.Effect<S3Answer | null, ExportError> {
    return this.#bucket
      .ask({ method, key: this.#key(file) })
      .pipe(
        Effect.catch(({ status, code, message }) =>
          missing(status, code) ? Effect.succeed(null) : Effect.fail(new ExportError({ message })),
        ),
      )
  }

  read(file: string): Effect.Effect<string | null, ExportError> {
    const answer = this.#ifThere(file, "GET", (_, code) => code === "NoSuchKey")
    return Effect.map(answer, (found) => found?.body ?? null)
  }

  size(file: string): Effect.Effect<number | null, ExportError> {
    const answer = this.#ifThere(file, "HEAD", (status) => status === 404)
    return Effect.map(answer, (found) =>
      found === null ? null : Number(found.headers.get("content-length")),
    )
  }

  put(file: string, made: string): Effect.Effect<number, ExportError> {
    return Effect.gen({ self: this }, function* () {
      const { size } = yield* onDisk(() => stat(made))
      if (size > this.#partBytes) yield* this.#putParts(file, made, size)
      else yield* this.#request(file, { method: "PUT", body: yield* onDisk(() => readFile(made)) })
      return size
    })
  }

  /** Uploads a file in parts: there is no object before the last step, and nothing is left of an upload that fails. */
  #putParts(file: string, made: string, size: number): Effect.Effect<void, ExportError> {
    const begin = Effect.flatMap(
      this.#request(file, { method: "POST", query: { uploads: "" } }),
      ({ body }): Effect.Effect<string, ExportError> => {
        const uploadId = elementOf(body, "UploadId")
        return uploadId === null
          ? Effect.fail(new ExportError({ message: `${this.name} has begun an upload without a name.` }))
          : Effect.succeed(uploadId)
      },
    )
    return Effect.acquireUseRelease(
      begin,
      (uploadId) =>
        Effect.gen({ self: this }, function* () {
          const parts = yield* this.#sendParts(file, made, size, uploadId)
          const body = `<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`
          yield* this.#request(file, { method: "POST", query: { uploadId }, body: Buffer.from(body) })
        }),
      (uploadId, exit) =>
        Exit.isSuccess(exit)
          ? Effect.void
          : // Once: the storage may be what has failed.
            Effect.ignore(
              this.#bucket.ask({ method: "DELETE", key: this.#key(file), query: { uploadId } }, 1),
            ),
    )
  }

  /** Sends every part; returns what completing the upload says of them. */
  #sendParts(
    file: string,
    made: string,
    size: number,
    uploadId: string,
  ): Effect.Effect<ReadonlyArray<string>, ExportError> {
    const length = Math.max(this.#partBytes, Math.ceil(size / MOST_PARTS))
    const numbers = Array.from({ length: Math.ceil(size / length) }, (_, i) => i + 1)
    const send = (partNumber: number) =>
      Effect.gen({ self: this }, function* () {
        const from = (partNumber - 1) * length
        const body = yield* onDisk(() => readBytes(made, from, Math.min(length, size - from)))
        const query = { partNumber: String(partNumber), uploadId }
        const { headers } = yield* this.#request(file, { method: "PUT", query, body })
        return `<Part><PartNumber>${partNumber}</PartNumber><ETag>${headers.get("etag")}</ETag></Part>`
      })
    return Effect.forEach(numbers, send, { concurrency: PARTS_AT_A_TIME })
  }

  write(file: string, text: string): Effect.Effect<void, ExportError> {
    return Effect.asVoid(this.#request(file, { method: "PUT", body: Buffer.from(text) }))
  }

  remove(file: string): Effect.Effect<void, ExportError> {
    return Effect.asVoid(this.#request(file, { method: "DELETE" }))
  }
}

const readBytes = async (path: string, from: number, length: number): Promise<Buffer> => {
  const handle = await open(path)
  try {
    const bytes = Buffer.allocUnsafe(length)
    let read = 0
    while (read < length) {
      const { bytesRead } = await handle.read(bytes, read, length - read, from + read)
      if (bytesRead === 0) throw new Error(`${path} has become shorter`)
      read += bytesRead
    }
    return bytes
  } finally {
    await handle.close()
  }
}

/** Opens a bucket, which has to be there. */
export const openBucket = (options: BucketOptions): Effect.Effect<ExportTarget, ExportError, Scope.Scope> =>
  Effect.map(workWithin(options.workFolder), (work) => new ExportBucket(options, work))
