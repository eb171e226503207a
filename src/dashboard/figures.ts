/** What the server sends, as far as this page reads it, and reading it: over REST, and from frames of the WebSocket. */
import type {
  HistoryMeta,
  Letters,
  MinuteOfHistory,
  Realtime,
  Stats,
  ThemeViews,
  TimelineEvent,
  TimelineMeta,
} from "../domain/answers.ts"
import { API_PATH } from "../domain/paths.ts"

export interface TimelinePage {
  readonly data: ReadonlyArray<TimelineEvent>
  readonly meta: TimelineMeta
}

export interface History {
  readonly data: ReadonlyArray<MinuteOfHistory>
  readonly meta: HistoryMeta
}

/** An event that was counted just now. */
export interface LiveEvent {
  readonly type: string
  readonly visitor_id: string
  readonly timestamp: string
  readonly page_url: string | null
  readonly data: Readonly<Record<string, unknown>> | null
}

/** Events that were counted and are not shown one by one. */
export interface Omitted {
  readonly events: number
  readonly by_type: Readonly<Record<string, number>>
}

export type Frame =
  | { readonly kind: "realtime"; readonly data: Realtime; readonly omitted: Omitted | null }
  | { readonly kind: "themes"; readonly data: ReadonlyArray<ThemeViews> }
  | { readonly kind: "period"; readonly data: { readonly stats: Stats; readonly letters: Letters } }
  | { readonly kind: "event"; readonly data: LiveEvent }
  | { readonly kind: "failure"; readonly code: string }

/** Reads a frame; `null` for what this page has no use for. The server is the page's own, so shapes are taken as documented. */
export const decodeFrame = (text: string): Frame | null => {
  const frame = JSON.parse(text)
  switch (frame.type) {
    case "initial_stats":
    case "heartbeat":
    case "stats_update":
      return { kind: "realtime", data: frame.data, omitted: frame.omitted ?? null }
    case "themes":
    case "period":
      return { kind: frame.type, data: frame.data }
    case "error":
      return { kind: "failure", code: frame.code }
    default:
      return typeof frame.visitor_id === "string" ? { kind: "event", data: frame } : null
  }
}

/** A read that the server refused or that did not reach it. */
export class ReadFailure extends Error {
  /** The answer's `code`; `OFFLINE` without an answer. */
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** Milliseconds after which a read is given up. */
const READ_TIMEOUT_MS = 20_000

/** GETs an endpoint of the API; rejects with a {@link ReadFailure}. */
export const read = async <A>(
  endpoint: string,
  parameters: Readonly<Record<string, string | number | null>>,
  signal: AbortSignal,
): Promise<A> => {
  const url = new URL(`${API_PATH}/${endpoint}`, location.href)
  for (const [name, value] of Object.entries(parameters))
    if (value !== null) url.searchParams.set(name, String(value))
  let body: { readonly success: boolean; readonly code?: string; readonly error?: string }
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(READ_TIMEOUT_MS)])
    body = await (await fetch(url, { signal: limit })).json()
  } catch (cause) {
    signal.throwIfAborted()
    throw new ReadFailure("OFFLINE", String(cause))
  }
  if (!body.success) throw new ReadFailure(body.code ?? "UNKNOWN", body.error ?? "")
  return body as A
}
