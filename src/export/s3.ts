/** Requests to a bucket of object storage that speaks S3: signed, and tried again where that may help. */
import { createHash } from "node:crypto"
import { AwsV4Signer } from "aws4fetch"
import { TaggedError } from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { ObjectStorage } from "../config/objectStorage.ts"
import { ExportError, reasonOf } from "./error.ts"
import { type Refusal, refusalOf, type StoragePlace } from "./refusal.ts"

export interface S3Request {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE"
  /** Of the object, without a slash before it. */
  readonly key: string
  readonly query?: { readonly [name: string]: string }
  readonly body?: Buffer
}

export interface S3Answer {
  readonly headers: Headers
  readonly body: string
}

/** An answer that is no success. */
export class Refused extends TaggedError("Refused")<Refusal & { readonly status: number }> {}

/** After a try that failed; doubled from one to the next, up to 10 seconds. */
const FIRST_PAUSE_MS = 200
const TRIES = 9
/** Of one request: on a slow line a part takes minutes. */
const ANSWERED_WITHIN_MS = 600_000

/** What does not get better within seconds. */
const LASTING = /^(ENOTFOUND|ERR_|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/

/** The reason of a request that has no answer: that of its connection, where there is one. */
const causeOf = (cause: unknown): { readonly code: string; readonly reason: string } => {
  const within = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  const code =
    within instanceof Error && "code" in within && typeof within.code === "string" ? within.code : ""
  return { code, reason: code || reasonOf(within) }
}

const encoded = (key: string): string => key.split("/").map(encodeURIComponent).join("/")

/** The address of a bucket. Behind other endpoints than Amazon's, and with dots, which its certificate is not for, it is in the path. */
export const bucketUrl = (bucket: string, { endpoint, region }: ObjectStorage): string => {
  if (endpoint !== null) return `${endpoint}/${bucket}`
  const domain = `s3.${region}.amazonaws.com`
  return bucket.includes(".") ? `https://${domain}/${bucket}` : `https://${bucket}.${domain}`
}

export class S3Bucket {
  readonly #storage: ObjectStorage
  readonly #url: string
  readonly #place: StoragePlace
  readonly #pauses: Schedule.Schedule<unknown>

  /** `firstPauseMs` is for tests. */
  constructor(bucket: string, storage: ObjectStorage, firstPauseMs = FIRST_PAUSE_MS) {
    this.#storage = storage
    this.#url = bucketUrl(bucket, storage)
    this.#place = { bucket, endpoint: new URL(this.#url).origin }
    this.#pauses = Schedule.exponential(Duration.millis(firstPauseMs)).pipe(
      Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, Duration.seconds(10)))),
      Schedule.jittered,
    )
  }

  async #send({ method, key, query = {}, body }: S3Request, signal: AbortSignal) {
    const url = new URL(`${this.#url}/${encoded(key)}`)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    const { accessKeyId, secretAccessKey, sessionToken, region } = this.#storage
    const hash = createHash("sha256")
      .update(body ?? "")
      .digest("hex")
    const signed = await new AwsV4Signer({
      ...{ accessKeyId, secretAccessKey, region, service: "s3", method, url: url.href },
      ...(sessionToken !== null && { sessionToken }),
      // By this, what arrives damaged is refused.
      headers: { "X-Amz-Content-Sha256": hash },
    }).sign()
    const answer = await fetch(signed.url, {
      ...{ method, headers: signed.headers, body: body ?? null },
      // A signature is for one address.
      redirect: "manual",
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWERED_WITHIN_MS)]),
    })
    return { status: answer.status, headers: answer.headers, body: await answer.text() }
  }

  /** One try. */
  #attempt(request: S3Request): Effect.Effect<S3Answer, Refused> {
    return Effect.gen({ self: this }, function* () {
      const { status, headers, body } = yield* Effect.tryPromise({
        try: (signal) => this.#send(request, signal),
        catch: (cause) => {
          const { code, reason } = causeOf(cause)
          const message = `${this.#place.endpoint} cannot be reached (${reason}): are AWS_ENDPOINT_URL and AWS_REGION right?`
          return new Refused({ status: 0, code: null, message, passes: !LASTING.test(code) })
        },
      })
      const region = headers.get("x-amz-bucket-region")
      // Completing an upload is answered 200 before it has succeeded.
      if (status >= 200 && status < 300 && !/^\s*(<\?xml[^>]*>\s*)?<(Error>|!doctype|html)/i.test(body))
        return { headers, body }
      return yield* new Refused({ status, ...refusalOf({ status, region, body }, this.#place) })
    })
  }

  /** Asks until there is an answer, or no hope, or so often; fails with what the storage says last. */
  ask(request: S3Request, tries = TRIES): Effect.Effect<S3Answer, Refused> {
    return Effect.retry(this.#attempt(request), {
      schedule: this.#pauses,
      times: tries - 1,
      while: ({ passes }) => passes,
    })
  }

  /** The same, for who wants success. */
  request(request: S3Request): Effect.Effect<S3Answer, ExportError> {
    return Effect.mapError(this.ask(request), ({ message }) => new ExportError({ message }))
  }
}
