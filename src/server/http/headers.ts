/** The header fields that the server reads, collected in one pass: a call into uWebSockets.js costs more than a comparison. */
import type { AppConfig } from "../../config/settings.ts"
import { Problem } from "./problem.ts"
import type { IncomingRequest } from "./wire.ts"

/** The fields in which a proxy may name its client, as `CLIENT_ADDRESS_HEADER` has them. */
export type AddressHeader = AppConfig["clientAddressHeader"]

/**
 * Values as they were sent; empty if a field is absent. If it is given twice, the first value counts, but what proxies add is
 * one list of all lines: theirs are below the client's.
 */
export class RequestHeaders implements Readonly<Record<AddressHeader, string>> {
  accept = ""
  acceptEncoding = ""
  acceptLanguage = ""
  authorization = ""
  contentEncoding = ""
  contentLength = ""
  contentType = ""
  cookie = ""
  dnt = ""
  expect = ""
  gpc = ""
  host = ""
  origin = ""
  referer = ""
  transferEncoding = ""
  userAgent = ""
  visitorId = ""
  writeKey = ""
  "x-forwarded-for" = ""
  forwarded = ""
  "x-real-ip" = ""
  "cf-connecting-ip" = ""
  "x-forwarded-host" = ""
  /** Client hints of browsers: `Sec-CH-UA`, `Sec-CH-UA-Mobile` and `Sec-CH-UA-Platform`. */
  brands = ""
  mobile = ""
  platform = ""
  /** `Sec-Purpose`, `Purpose` and `X-Moz`, joined. */
  purpose = ""
  /** Where the client is, as its network's proxy says. */
  country = ""
  region = ""
  city = ""
  /** How many times a length is given. */
  lengths = 0
  /** Two lengths are given, and they differ. */
  lengthConflict = false

  /** Whether a body follows. */
  get announceBody(): boolean {
    return this.transferEncoding !== "" || (this.contentLength !== "" && Number(this.contentLength) > 0)
  }

  /** Whether the client waits for `100 Continue` that it has not been given: the library knows one spelling (RFC 9110 §10.1.1). */
  get expectContinue(): boolean {
    if (this.expect === "" || this.expect === "100-continue") return false
    return this.expect.split(",").some((each) => each.trim().toLowerCase() === "100-continue")
  }

  /** Whether the client accepts gzip. */
  get gzip(): boolean {
    return accepts(this.acceptEncoding, /^(?:x-)?gzip$/)
  }

  /** Whether the client accepts Brotli. */
  get brotli(): boolean {
    return accepts(this.acceptEncoding, /^br$/)
  }
}

/** Whether `Accept-Encoding` accepts a coding: by name or `*`, and not refused by `q=0`. */
const accepts = (header: string, wanted: RegExp): boolean => {
  if (header === "") return false
  let any = false
  for (const part of header.toLowerCase().split(",")) {
    const [coding = "", ...parameters] = part.split(";").map((each) => each.trim())
    const refused = parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))
    if (wanted.test(coding)) return !refused
    if (coding === "*") any = !refused
  }
  return any
}

let current = new RequestHeaders()

/** Long: a list of fields. */
const note = (name: string, value: string): void => {
  switch (name) {
    case "content-length":
      if (current.lengths++ === 0) current.contentLength = value
      else if (current.contentLength !== value) current.lengthConflict = true
      break
    case "content-type":
      current.contentType ||= value
      break
    case "user-agent":
      current.userAgent ||= value
      break
    case "referer":
      current.referer ||= value
      break
    case "cookie":
      current.cookie ||= value
      break
    case "origin":
      current.origin ||= value
      break
    case "accept":
      current.accept ||= value
      break
    case "accept-encoding":
      current.acceptEncoding ||= value
      break
    case "authorization":
      current.authorization ||= value
      break
    case "x-write-key":
      current.writeKey ||= value
      break
    case "x-visitor-id":
      current.visitorId ||= value
      break
    case "host":
      current.host ||= value
      break
    case "x-forwarded-for":
    case "forwarded":
    case "x-real-ip":
    case "cf-connecting-ip":
    case "x-forwarded-host":
      current[name] += current[name] === "" ? value : `,${value}`
      break
    case "transfer-encoding":
      current.transferEncoding = value
      break
    case "content-encoding":
      current.contentEncoding ||= value
      break
    case "accept-language":
      current.acceptLanguage ||= value
      break
    case "sec-ch-ua":
      current.brands ||= value
      break
    case "sec-ch-ua-mobile":
      current.mobile ||= value
      break
    case "sec-ch-ua-platform":
      current.platform ||= value
      break
    case "sec-purpose":
    case "purpose":
    case "x-moz":
      current.purpose += value
      break
    case "cf-ipcountry":
    case "x-vercel-ip-country":
    case "cloudfront-viewer-country":
      current.country ||= value
      break
    case "cf-region-code":
    case "x-vercel-ip-country-region":
    case "cloudfront-viewer-country-region":
      current.region ||= value
      break
    case "cf-ipcity":
    case "x-vercel-ip-city":
    case "cloudfront-viewer-city":
      current.city ||= value
      break
    case "dnt":
      current.dnt ||= value
      break
    case "expect":
      current.expect ||= value
      break
    case "sec-gpc":
      current.gpc ||= value
      break
  }
}

/** Reads a request's header fields, which are gone once its handler returns. */
export const readHeaders = (req: IncomingRequest): RequestHeaders => {
  const headers = new RequestHeaders()
  current = headers
  req.forEach(note)
  return headers
}

/**
 * Why a request's framing is refused; `null` if it is sound. A message whose end two parsers could see in different places
 * would let a request be smuggled past a proxy (RFC 9112 §6.3), and uWebSockets.js takes the first of several lengths.
 */
export const framingProblem = (headers: RequestHeaders): Problem | null => {
  if (headers.lengthConflict)
    return new Problem("INVALID_REQUEST", "Content-Length is given twice with different values.")
  if (headers.transferEncoding === "") return null
  if (headers.lengths > 0)
    return new Problem("INVALID_REQUEST", "Content-Length and Transfer-Encoding exclude each other.")
  return headers.transferEncoding.toLowerCase() === "chunked"
    ? null
    : new Problem("INVALID_REQUEST", "Transfer-Encoding must be chunked.")
}
