/** The limits of the public contract, each defined once: decoding, error messages and help texts all take them from here. */
import { DAY_MS, MINUTE_MS } from "./time.ts"

/** Characters of a password that is chosen. */
export const MIN_PASSWORD = 10
export const MAX_PASSWORD = 200
/** Event types: 1–50 of `[a-z0-9_.:-]`. */
export const EVENT_TYPE = /^[a-z0-9_.:-]{1,50}$/
/** Bytes of `event_data`, serialised as compact JSON in UTF-8. */
export const MAX_EVENT_DATA_BYTES = 8 * 1024
/** Levels of objects and arrays within `event_data`. */
export const MAX_EVENT_DATA_DEPTH = 32
/** UTF-16 code units of `page_url` and `referrer`; longer ones are cut. */
export const MAX_URL_LENGTH = 500
/** UTF-16 code units of a `page_url` or `referrer` that are looked at. */
export const MAX_SENT_URL_LENGTH = 2000
/** UTF-16 code units of an event's `name`. */
export const MAX_EVENT_NAME_LENGTH = 120
/** UTF-16 code units of a page's `title`; longer ones are cut. */
export const MAX_TITLE_LENGTH = 200
/** UTF-16 code units of a `language` that are looked at. */
export const MAX_LANGUAGE_LENGTH = 35
/** UTF-16 code units of a user agent that are looked at: no browser's own name is longer, and expressions run over all of them. */
export const MAX_USER_AGENT_LENGTH = 400
/** UTF-16 code units of a theme's name in figures; longer ones are cut. */
export const MAX_THEME_LENGTH = 100
/** Unique visitors of a partition and period that are counted exactly: 256 in each of 64 sets. Further ones are estimated. */
export const MAX_EXACT_UNIQUES = 16_384

/** Different themes counted in one sorted set, or on one day; any others are summed as {@link OTHER_THEME}. */
export const MAX_THEMES = 10_000
export const OTHER_THEME = "(other)"
/** How far an event's own timestamp may lie in the past, milliseconds. */
export const MAX_AGE_MS = 7 * DAY_MS
/** How far an event's own timestamp may lie ahead (senders' clocks differ), milliseconds. */
export const MAX_AHEAD_MS = 5 * MINUTE_MS
/** {@link MAX_AGE_MS} in words. */
export const MAX_AGE_TEXT = `${MAX_AGE_MS / DAY_MS} days`
/** {@link MAX_AHEAD_MS} in words. */
export const MAX_AHEAD_TEXT = `${MAX_AHEAD_MS / MINUTE_MS} minutes`
/** Bytes of a `POST /event` body. */
export const MAX_EVENT_BODY_BYTES = 64 * 1024
/** Events of a `POST /events` body. */
export const MAX_BATCH_EVENTS = 1000
/** Bytes of a `POST /events` body. */
export const MAX_BATCH_BODY_BYTES = 1024 * 1024
/** Milliseconds in which nothing of a body arrives. */
export const BODY_SILENCE_MS = 15_000
/** Milliseconds that all of a body may take to arrive. */
export const BODY_TOTAL_MS = 5 * MINUTE_MS
/** Seconds after which the server closes a connection without a request, at the earliest: uWebSockets.js can be told no other. */
export const IDLE_CONNECTION_S = 28
/** Seconds for which clients are told that they may keep one, so that they do not send a request into one that is closing. */
export const KEEP_ALIVE_S = IDLE_CONNECTION_S - 3
/** Bytes of a `POST /query` body. */
export const MAX_QUERY_BODY_BYTES = 256 * 1024
/** Bytes of a body that is about access. */
export const MAX_ACCOUNT_BODY_BYTES = 16 * 1024
/** Wrong tokens from an address. */
export const MAX_GUESSES_PER_MINUTE = 10
/** A visitor counts as current for this long after its last event, milliseconds. */
export const CURRENT_VISITOR_MS = 5 * MINUTE_MS
/** {@link CURRENT_VISITOR_MS} in minutes: in so many, that of the event included, a visitor is present. */
export const PRESENT_MINUTES = CURRENT_VISITOR_MS / MINUTE_MS
/** A UUID of any version, in any case. */
export const UUID = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/
/** RFC 3339 with an offset or `Z`; `Date.parse` alone would also take "1" and local times. */
export const ISO_TIMESTAMP = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})$/i
