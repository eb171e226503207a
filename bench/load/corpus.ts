/**
 * Realistic events as HTTP requests, prepared in advance so that sending them costs the load generator as little as
 * possible.
 *
 * A corpus is sent over and over. {@link STAMPS} in a request are replaced by hexadecimal digits as it is sent, so that
 * every event has a unique id and every round brings new visitors.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { MAX_EVENT_DATA_BYTES } from "../../src/domain/limits.ts"
import { API_PATH } from "../../src/domain/paths.ts"
import { type Happening, happening } from "../../src/tools/traffic/happenings.ts"
import { Random } from "../../src/tools/traffic/random.ts"
import {
  advance,
  makeVisitor,
  type Session,
  startSession,
  type Visitor,
} from "../../src/tools/traffic/visitors.ts"
import { byScale, type Context } from "../scenario.ts"
import { SITE } from "../server/defaults.ts"
import { STAMP_DIGITS, STAMPS } from "./stamps.ts"

export interface CorpusOptions {
  readonly events: number
  /** Whether events have an id, as those of the tracker and the SDK do. */
  readonly ids: boolean
  /** Events per request; 1 posts each on its own. */
  readonly perRequest: number
  /** Adds the event's stamp to its data as `due`, for receivers of live frames. */
  readonly timed?: boolean
}

/** What an event adds to the figures. */
interface Planned {
  readonly json: string
  readonly visitor: Visitor
  readonly pageView: boolean
  readonly letter: boolean
}

export interface Request {
  /** Text with stamps. */
  readonly text: string
  readonly events: ReadonlyArray<Pick<Planned, "pageView" | "letter">>
}

export interface Corpus {
  readonly requests: ReadonlyArray<Request>
  readonly perRequest: number
}

const SEED = 20251208
/** Concurrent sessions. */
const SESSIONS = 200
/** Average events per visitor and round. */
const EVENTS_PER_VISITOR = 8
/** Share of the sessions that are sent late, by a client that was offline. */
const LATE = 0.02

/** Keeps the head of a UUID and replaces its tail by the round. */
const ofRound = (uuid: string): string => uuid.slice(0, 24) + STAMPS.round

/** The most bytes of data that leave room for a stamp. */
const ROOM_FOR_STAMP = MAX_EVENT_DATA_BYTES - '"due":"",'.length - STAMP_DIGITS

const timedHappening = (random: Random): Happening => {
  const what = happening(random)
  return Buffer.byteLength(JSON.stringify(what.event_data ?? {})) > ROOM_FOR_STAMP
    ? what
    : { ...what, event_data: { ...what.event_data, due: STAMPS.event } }
}

const planned = (random: Random, session: Session, { ids, timed }: CorpusOptions): Planned => {
  const { visitor, page, referrer, at } = session
  const what = timed === true ? timedHappening(random) : happening(random)
  const body = {
    ...(ids ? { id: `${random.uuid().slice(0, 24)}\u0001` } : {}),
    ...what,
    page_url: `https://example.org${page}`,
    referrer: referrer ?? undefined,
    timestamp: at === null ? undefined : new Date(at).toISOString(),
    visitor_id: visitor.bodyId === null ? undefined : ofRound(visitor.bodyId),
  }
  return {
    // JSON escapes control characters; on the wire they are replaced by the stamps' digits.
    json: JSON.stringify(body).replaceAll("\\u0001", STAMPS.event).replaceAll("\\u0002", STAMPS.round),
    visitor,
    pageView: /^page_?view$/.test(what.event_type),
    letter: /^letter_generated?$/.test(what.event_type),
  }
}

const stampsIn = (text: string): number =>
  text.split(STAMPS.event).length + text.split(STAMPS.round).length - 2

/** An HTTP/1.1 request as sent over the wire, except for the stamps. */
const request = (path: string, { sender }: Visitor, body: string): string => {
  const length = Buffer.byteLength(body) + stampsIn(body) * (STAMP_DIGITS - 1)
  const headers = [
    `POST ${path} HTTP/1.1`,
    "Host: 127.0.0.1",
    `User-Agent: ${sender.userAgent}`,
    "Content-Type: application/json",
    `Content-Length: ${length}`,
    ...(sender.referer === null ? [] : [`Referer: ${sender.referer}`]),
    ...(sender.visitorHeader === null ? [] : [`X-Visitor-Id: ${ofRound(sender.visitorHeader)}`]),
    ...(sender.cookie === null ? [] : [`Cookie: maicivy_session=${ofRound(sender.cookie)}`]),
  ]
  return `${headers.join("\r\n")}\r\n\r\n${body}`
}

/** Makes a corpus, the same one each time except for the times of late events. */
export const makeCorpus = (options: CorpusOptions): Corpus => {
  const random = new Random(SEED)
  const count = Math.max(4, Math.ceil(options.events / EVENTS_PER_VISITOR))
  const visitors = Array.from({ length: count }, (_, i) => makeVisitor(random, [SITE], i))
  // A request has one sender, so in a batch every event names its visitor.
  const bodied = visitors.filter((visitor) => visitor.bodyId !== null)
  const sessions: Array<Session> = []
  const next = (): Planned => {
    const index = random.integer(0, SESSIONS - 1)
    let session = sessions[index]
    if (session === undefined || session.left <= 0) {
      const [first, ...others] = options.perRequest > 1 ? bodied : visitors
      if (first === undefined) throw new Error("there is no visitor")
      session = startSession(random, random.pick([first, ...others]), Date.now())
      if (!random.chance(LATE)) session.at = null
      sessions[index] = session
    }
    const event = planned(random, session, options)
    advance(random, session, session.visitor.site)
    return event
  }
  const requests = Array.from({ length: Math.ceil(options.events / options.perRequest) }, () => {
    const events = Array.from({ length: options.perRequest }, next)
    const [first] = events
    if (first === undefined) throw new Error("a request has no event")
    const text =
      options.perRequest === 1
        ? request(`${API_PATH}/event`, first.visitor, first.json)
        : request(`${API_PATH}/events`, first.visitor, `[${events.map((event) => event.json).join(",")}]`)
    return { text, events }
  })
  return { requests, perRequest: options.perRequest }
}

/** What the figures must be once the first `sent` requests have been counted, round after round. */
export const expectedFigures = (corpus: Corpus, sent: number) => {
  const totals = { events: 0, pageViews: 0, letters: 0 }
  const { requests } = corpus
  const add = (count: number, times: number) => {
    for (const { events } of requests.slice(0, count))
      for (const event of events) {
        totals.events += times
        if (event.pageView) totals.pageViews += times
        if (event.letter) totals.letters += times
      }
  }
  add(requests.length, Math.floor(sent / requests.length))
  add(sent % requests.length, 1)
  return totals
}

/** A corpus that load generators in other processes can read. */
export interface WrittenCorpus extends Corpus {
  /** Has one request per line. */
  readonly file: string
}

/**
 * Makes a corpus of single events without ids, unless the options differ, and writes it to the scenario's folder.
 */
export const prepareCorpus = (context: Context, options: Partial<CorpusOptions> = {}): WrittenCorpus => {
  const events = byScale(context, { full: 20_000, quick: 20_000, smoke: 2_000 })
  const { ids, perRequest, ...others } = { ids: false, perRequest: 1, ...options }
  const corpus = makeCorpus({ events, ids, perRequest, ...others })
  const file = join(context.folder, `corpus-of-${perRequest}${ids ? "-with-ids" : ""}`)
  const lines = corpus.requests.map(({ text }) => `${text.replaceAll("\r\n", STAMPS.lineEnd)}\n`)
  writeFileSync(file, lines.join(""))
  return { ...corpus, file }
}
