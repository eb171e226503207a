/** What an answer of object storage that is no success means: whether it is worth another try, and in a sentence what to do. */

/** What is told of an answer. */
export interface StorageAnswer {
  readonly status: number
  /** The bucket's region, where the storage says it. */
  readonly region: string | null
  readonly body: string
}

/** Where it was asked. */
export interface StoragePlace {
  readonly bucket: string
  /** Origin of the endpoint. */
  readonly endpoint: string
}

export interface Refusal {
  /** S3's word for it; `null` where the answer has none. */
  readonly code: string | null
  readonly message: string
  /** Whether the same request may succeed later. */
  readonly passes: boolean
}

const entities: { readonly [entity: string]: string } = {
  "&lt;": "<",
  "&gt;": ">",
  "&amp;": "&",
  "&quot;": '"',
  "&apos;": "'",
}

/** The text of the first element of a name in an answer's XML; `null` where there is none. */
export const elementOf = (body: string, name: string): string | null => {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(body)?.[1] ?? null
  return text?.replaceAll(/&(?:lt|gt|amp|quot|apos);/g, (entity) => entities[entity] ?? entity) ?? null
}

const KEYS_REFUSED = new Set([
  "InvalidAccessKeyId",
  "SignatureDoesNotMatch",
  "InvalidToken",
  "ExpiredToken",
  "TokenRefreshRequired",
])
const ELSEWHERE = new Set([
  "PermanentRedirect",
  "TemporaryRedirect",
  "AuthorizationHeaderMalformed",
  "IllegalLocationConstraintException",
])
/** What passes, whatever its status: the end of an upload is answered 200 before it has failed. */
const PASSING = new Set([
  "RequestTimeout",
  "SlowDown",
  "OperationAborted",
  "TooManyRequests",
  "InternalError",
])

const NEEDED = "s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload"

const meaningOf = (
  code: string | null,
  answer: StorageAnswer,
  { bucket, endpoint }: StoragePlace,
): string => {
  const { status, region, body } = answer
  if (code === "NoSuchBucket")
    return `There is no bucket ${bucket} at ${endpoint}: are its name, AWS_REGION and AWS_ENDPOINT_URL right?`
  if (code !== null && KEYS_REFUSED.has(code))
    return `${endpoint} does not accept AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN where it is set (${code}).`
  if (code === "RequestTimeTooSkewed")
    return `${endpoint} has another time than this machine, whose clock has to be set (${code}).`
  if ((code !== null && ELSEWHERE.has(code)) || (status >= 300 && status < 400)) {
    const known = region ?? elementOf(body, "Region")
    return known === null
      ? `The bucket ${bucket} answers elsewhere than ${endpoint}: are AWS_REGION and AWS_ENDPOINT_URL right?`
      : `The bucket ${bucket} is in the region ${known}: set AWS_REGION=${known}.`
  }
  if (status === 401 || status === 403)
    return `Whoever has AWS_ACCESS_KEY_ID may not use the bucket ${bucket} so (${code ?? status}): an export needs ${NEEDED}.`
  const words = elementOf(body, "Message")
  if (code === null && status < 500)
    return `${endpoint} does not answer as S3 does (${status}): is AWS_ENDPOINT_URL right?`
  return `${endpoint} could not do it (${code ?? status})${words === null ? "" : `: ${words}`}`.replace(
    /[.\s]*$/,
    ".",
  )
}

/** Reads an answer that is no success. */
export const refusalOf = (answer: StorageAnswer, place: StoragePlace): Refusal => {
  const code = elementOf(answer.body, "Code")
  return {
    code,
    message: meaningOf(code, answer, place),
    passes: answer.status >= 500 || answer.status === 429 || (code !== null && PASSING.has(code)),
  }
}
