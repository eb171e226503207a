/** `GET /event`: an event in a query, for pages without JavaScript and whatever can only ask for an image. */
import { parseExactly } from "../../domain/exactJson.ts"
import type { Exchange } from "../http/exchange.ts"
import type { Parameters } from "../http/query.ts"

/** A transparent pixel, the smallest GIF that every browser takes. */
const GIF = Buffer.from("R0lGODlhAQABAIAAAP///wAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==", "base64")
const NO_STORE = "Cache-Control: no-store\r\n"
/** An image on a page that is isolated (Cross-Origin-Embedder-Policy), too. */
const EMBEDDABLE = `${NO_STORE}Cross-Origin-Resource-Policy: cross-origin\r\n`

/** Fields of an event that are text. */
const TEXTS = [
  ...(["event_type", "name", "page_url", "referrer", "id", "visitor_id"] as const),
  ...(["title", "screen", "language"] as const),
]

/** A parameter that is JSON; as it is where it is none, so that it is refused as the field that it is meant for. */
const parsed = (text: string): unknown => {
  try {
    return parseExactly(text)
  } catch {
    return text
  }
}

/**
 * The event in a query, as the body of a POST would have it: a page view unless it says otherwise, of the page that the image is on,
 * which is the `Referer` of its request.
 */
export const eventInQuery = (
  parameters: Parameters,
  referer: string | null,
): { readonly [field: string]: unknown } => {
  const event: { [field: string]: unknown } = {}
  for (const name of TEXTS) event[name] = parameters.text(name)
  const data = parameters.text("event_data")
  if (data !== null) event.event_data = parsed(data)
  const timestamp = parameters.text("timestamp")
  if (timestamp !== null) event.timestamp = /^\d+$/.test(timestamp) ? Number(timestamp) : timestamp
  if (event.event_type === null && event.name === null) event.event_type = "page_view"
  event.page_url ??= referer
  return event
}

/** Answers with nothing, or with a pixel to those who ask for an image. */
export const answerPixel = (exchange: Exchange): void => {
  exchange.varies("Accept")
  if (/image\//i.test(exchange.headers.accept))
    exchange.answer("200 OK", "image/gif", GIF, { lines: EMBEDDABLE })
  else exchange.empty("204 No Content", NO_STORE)
}
