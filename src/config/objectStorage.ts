/** Object storage: its addresses, and how it is reached, by variables of the environment that every program for it goes by. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { InvalidSettings } from "./settings.ts"
import { Expected, httpUrl } from "./values.ts"

/** An account at a storage that speaks S3. */
export interface ObjectStorage {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Of keys that expire; `null` for others. */
  readonly sessionToken: string | null
  readonly region: string
  /** Where the storage answers; `null` for Amazon's. */
  readonly endpoint: string | null
}

/** A bucket of object storage, and what the keys in it begin with; neither begins nor ends with a slash. */
export interface BucketAddress {
  readonly bucket: string
  readonly prefix: string
}

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/

/** Reads `s3://bucket/prefix`; `null` for what is no such address. */
export const bucketAddress = (text: string): BucketAddress | null => {
  const [, bucket = "", path = ""] = /^s3:\/\/([^/]*)\/?(.*?)\/?$/.exec(text) ?? []
  if (!BUCKET.test(bucket)) return null
  const isPlain = path === "" || path.split("/").every((each) => !["", ".", ".."].includes(each))
  return isPlain ? { bucket, prefix: path } : null
}

/** The first of these variables that is set. */
const firstOf = (...names: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    for (const name of names) {
      const given = Option.getOrElse(yield* Config.option(Config.String(name)), () => "").trim()
      if (given !== "") return { name, text: given }
    }
    return null
  }).pipe(Effect.mapError(({ message }) => new InvalidSettings({ message })))

/** Reads them from the current `ConfigProvider`. Fails where the keys are missing, or the endpoint is no address. */
export const loadObjectStorage: Effect.Effect<ObjectStorage, InvalidSettings> = Effect.gen(function* () {
  const accessKeyId = yield* firstOf("AWS_ACCESS_KEY_ID")
  const secretAccessKey = yield* firstOf("AWS_SECRET_ACCESS_KEY")
  if (accessKeyId === null || secretAccessKey === null)
    return yield* new InvalidSettings({
      message:
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY have to be set for s3://: the keys of whoever may write there.",
    })
  const endpoint = yield* firstOf("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
  const url = endpoint === null ? null : httpUrl(endpoint.text)
  if (url instanceof Expected)
    return yield* new InvalidSettings({
      message: `${endpoint?.name} is ${JSON.stringify(endpoint?.text)}: it should be ${url.what}.`,
    })
  return {
    accessKeyId: accessKeyId.text,
    secretAccessKey: secretAccessKey.text,
    sessionToken: (yield* firstOf("AWS_SESSION_TOKEN"))?.text ?? null,
    region: (yield* firstOf("AWS_REGION", "AWS_DEFAULT_REGION"))?.text ?? "us-east-1",
    endpoint: url,
  }
})
