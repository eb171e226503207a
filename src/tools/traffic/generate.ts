/** Generates realistic mixed traffic from a seed, as requests ready to be sent. */
import { HOUR_MS, MINUTE_MS } from "../../domain/time.ts"
import { flawedEvent, flawedShipment } from "./flaws.ts"
import { happening } from "./happenings.ts"
import { Random } from "./random.ts"
import type { PlannedEvent, Shipment } from "./traffic.ts"
import { advance, makeVisitor, type Session, startSession, type Visitor } from "./visitors.ts"

export interface TrafficOptions {
  readonly seed: number
  /** Events to generate, including invalid ones and repetitions. */
  readonly events: number
  readonly sites: readonly [string, ...Array<string>]
  /** The most events per batch; 0 sends every event on its own. */
  readonly batch: number
  /** Gives every event an id, so that all of them can be retried if no response came. */
  readonly crashSafe: boolean
  /** Unix milliseconds. */
  readonly now: () => number
}

/** The windows, in hours, of the heatmaps that are checked: no clicks are generated close to their start. */
export const HEATMAP_HOURS = [1, 24, 72, 168] as const

/** Concurrent sessions. */
const SESSIONS = 200
/** Events kept to be repeated later. */
const REPEATABLE = 5000
/** Average events per visitor. */
const EVENTS_PER_VISITOR = 12

/** Whether a click at `at` would enter or leave a heatmap's window during a run and its check. */
const nearHeatmapEdge = (at: number, now: number): boolean =>
  HEATMAP_HOURS.some((hours) => Math.abs(at - (now - hours * HOUR_MS)) < 30 * MINUTE_MS)

const timestampText = (random: Random, at: number): string | number => {
  const iso = new Date(at).toISOString()
  switch (random.integer(0, 3)) {
    case 0:
      return iso
    case 1:
      return `${new Date(at + 2 * HOUR_MS).toISOString().slice(0, -1)}+02:00`
    case 2:
      return iso.replace("Z", random.pick(["000Z", "-00:00"]))
    default:
      return at
  }
}

interface Made {
  readonly visitor: Visitor
  readonly event: PlannedEvent
}

class TrafficGenerator {
  readonly #options: TrafficOptions
  readonly #random: Random
  readonly #visitors: Array<Visitor> = []
  readonly #sessions: Array<Session> = []
  readonly #sent: Array<Made> = []

  constructor(options: TrafficOptions) {
    this.#options = options
    this.#random = new Random(options.seed)
    const visitors = Math.max(4, Math.ceil(options.events / EVENTS_PER_VISITOR))
    for (let i = 0; i < visitors; i++) this.#visitors.push(makeVisitor(this.#random, options.sites, i))
  }

  *shipments(): IterableIterator<Shipment> {
    let left = this.#options.events
    while (left > 0) {
      if (this.#random.chance(0.002)) yield flawedShipment(this.#random, this.#anyVisitor().sender)
      const shipment = this.#shipment(left)
      left -= shipment.events.length
      yield shipment
    }
  }

  #shipment(left: number): Shipment {
    const random = this.#random
    const { batch, now } = this.#options
    const form =
      batch === 0
        ? "single"
        : random.weighted([
            ["single", 50],
            ["array", 25],
            ["ndjson", 25],
          ])
    const size = form === "single" ? 1 : Math.min(left, random.integer(1, batch))
    const first = this.#next()
    const events: Array<PlannedEvent> = []
    const site = random.chance(0.5) ? first.visitor.site : null
    while (events.length < size) {
      if (random.chance(0.03)) events.push(flawedEvent(random, form, now()))
      // A request has one sender, so events of visitors known by header, cookie or agent only go with their own kind.
      else if (events.length === 0) events.push(this.#forSite(first, site))
      else {
        const made = first.visitor.bodyId === null ? this.#make(first.visitor) : this.#nextKnownByBody()
        events.push(this.#forSite(made, site))
        if (random.chance(0.01) && events.length < size) events.push(this.#forSite(made, site))
      }
    }
    return { form, contentType: this.#contentType(form), site, sender: first.visitor.sender, events }
  }

  #contentType(form: Shipment["form"]): string {
    const random = this.#random
    if (form === "ndjson") return random.pick(["application/x-ndjson", "application/x-ndjson; charset=utf-8"])
    return random.pick(["application/json", "application/json; charset=utf-8", "text/plain;charset=UTF-8"])
  }

  /** Names the site in the body, unless the request's query or the default already does. */
  #forSite({ visitor, event }: Made, site: string | null): PlannedEvent {
    if (visitor.site === (site ?? this.#options.sites[0]) && this.#random.chance(0.7)) return event
    const body = typeof event.body === "object" ? { ...event.body, site: visitor.site } : event.body
    return { ...event, body }
  }

  #anyVisitor(): Visitor {
    // Squaring makes some visitors frequent.
    const index = Math.floor(this.#random.next() ** 2 * this.#visitors.length)
    return this.#visitors[index] ?? makeVisitor(this.#random, this.#options.sites, index)
  }

  #nextKnownByBody(): Made {
    for (;;) {
      const made = this.#next()
      if (made.visitor.bodyId !== null) return made
    }
  }

  /** The next event of any running session, or a repetition of an earlier one. */
  #next(): Made {
    const random = this.#random
    if (this.#sent.length > 0 && random.chance(0.05)) {
      // Either the latest event, which is most likely still in flight, or any earlier one.
      const index = random.chance(0.4) ? this.#sent.length - 1 : random.integer(0, this.#sent.length - 1)
      const made = this.#sent[index]
      if (made !== undefined) return random.chance(0.2) ? shoutId(made) : made
    }
    return this.#make(null)
  }

  #make(visitor: Visitor | null): Made {
    const { now, crashSafe } = this.#options
    const random = this.#random
    const index = random.integer(0, SESSIONS - 1)
    let session = visitor === null ? this.#sessions[index] : startSession(random, visitor, now())
    if (session === undefined || session.left <= 0) {
      session = startSession(random, this.#anyVisitor(), now())
      this.#sessions[index] = session
    }
    // Needed to learn a cookieless visitor's derived id: its events are recognised by their ids.
    const event = this.#event(session, crashSafe || session.visitor.cookieless || !random.chance(0.15))
    advance(random, session, session.visitor.site)
    const made = { visitor: session.visitor, event }
    if (typeof event.body === "object" && event.body !== null && "id" in event.body) {
      if (this.#sent.length < REPEATABLE) this.#sent.push(made)
      else this.#sent[random.integer(0, REPEATABLE - 1)] = made
    }
    return made
  }

  #event(session: Session, withId: boolean): PlannedEvent {
    const random = this.#random
    const now = this.#options.now()
    let what = happening(random)
    if (session.at !== null && nearHeatmapEdge(session.at, now) && what.event_type.endsWith("_click"))
      what = { event_type: "page_view" }
    // Current events of visitors with an id may have a timestamp, too; a few clocks are ahead.
    const ahead = what.event_type.endsWith("_click")
      ? 0
      : random.weighted([
          [0, 9],
          [4 * MINUTE_MS, 1],
        ])
    const present = session.visitor.bodyId !== null && random.chance(0.3) ? now - 1 + ahead : null
    const at = session.at ?? present
    const long = random.chance(0.005) ? `#${"long".repeat(200)}` : ""
    const body = {
      ...what,
      page_url: random.chance(0.98) ? `https://example.org${session.page}${long}` : undefined,
      referrer: session.referrer === null ? undefined : `${session.referrer}${long}`,
      ...(withId ? { id: random.uuid() } : {}),
      timestamp: at === null ? undefined : timestampText(random, at),
      visitor_id: session.visitor.bodyId ?? undefined,
      // Unknown fields must be ignored.
      ...(random.chance(0.02) ? { screen: "1920x1080", v: 2 } : {}),
    }
    return { body, flaw: null }
  }
}

/** The same event with its id in upper case: UUIDs are case-insensitive (RFC 9562). */
const shoutId = ({ visitor, event }: Made): Made => {
  if (typeof event.body !== "object" || event.body === null || !("id" in event.body))
    return { visitor, event }
  const { id } = event.body
  return { visitor, event: { ...event, body: { ...event.body, id: String(id).toUpperCase() } } }
}

/** The requests of a run, generated on demand. */
export const generateTraffic = (options: TrafficOptions): Iterable<Shipment> =>
  new TrafficGenerator(options).shipments()
