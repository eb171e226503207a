/** Generates visitors, their sessions, and what happens on a page. */
import { MAX_AGE_MS } from "../../domain/limits.ts"
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../../domain/time.ts"
import type { Random } from "./random.ts"
import type { Sender } from "./traffic.ts"

/** Late events stay this far from the age limit, because a retry may arrive a minute later. */
const AGE_MARGIN = 30 * MINUTE_MS
/**
 * Late events are older than this, and all others happen as they are sent, so that the visitors of the last five
 * minutes are known throughout a check.
 */
const LATE = 30 * MINUTE_MS

/** How the server identifies a visitor: one of the contract's four ways. */
export interface Visitor {
  readonly site: string
  readonly bodyId: string | null
  /** Identified by address and agent alone. */
  readonly cookieless: boolean
  readonly sender: Sender
}

/** A stretch of one visitor's events. */
export interface Session {
  readonly visitor: Visitor
  left: number
  page: string
  referrer: string | null
  /** Time of the next event; `null` if it happens as it is sent. */
  at: number | null
}

const AGENTS = [
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1",
] as const

/** Crawls the pages, and says so. */
export const BOT_AGENT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

export const PAGES = [
  "/",
  "/cv",
  "/cv?theme=backend",
  "/cv?theme=frontend&token=one-time",
  "/letters",
  "/letters/new",
  "/contact",
  "/projets/été?theme=1%202",
  "/blog/2026/exactly-once",
  "/blog/2026/hyperloglog",
] as const

const REFERRERS = [
  "https://www.google.com/",
  "https://www.linkedin.com/in/someone",
  "https://news.ycombinator.com/item?id=1",
  "https://mastodon.social/@someone/1",
] as const

/** A visitor of one of the sites. `number` gives each cookieless one a different agent. */
export const makeVisitor = (
  random: Random,
  sites: readonly [string, ...Array<string>],
  number: number,
): Visitor => {
  const site = random.chance(0.7) ? sites[0] : random.pick(sites)
  const sender: Sender = {
    userAgent: random.pick(AGENTS),
    referer: null,
    visitorHeader: null,
    cookie: null,
  }
  const id = random.uuid()
  // Not for visitors known by body: their events are repeated in other requests, with a different Referer.
  const referer = random.chance(0.5) ? `https://example.org/from/${random.integer(1, 30)}` : null
  // Nor bots, which are known by their agent: all of an event's copies must be.
  const agent = random.chance(0.1) ? BOT_AGENT : sender.userAgent
  switch (
    random.weighted([
      ["body", 80],
      ["header", 8],
      ["cookie", 8],
      ["none", 4],
    ])
  ) {
    case "header":
      return {
        site,
        bodyId: null,
        cookieless: false,
        sender: { ...sender, userAgent: agent, referer, visitorHeader: id },
      }
    case "cookie":
      return {
        site,
        bodyId: null,
        cookieless: false,
        sender: { ...sender, userAgent: agent, referer, cookie: id },
      }
    case "none":
      return {
        site,
        bodyId: null,
        cookieless: true,
        sender: { ...sender, referer, userAgent: `${agent} Visitor/${number}` },
      }
    default:
      return { site, bodyId: random.chance(0.05) ? id.toUpperCase() : id, cookieless: false, sender }
  }
}

/** When a session begins: mostly now, otherwise at any time up to the age limit, or just before or at a UTC midnight. */
const sessionStart = (random: Random, now: number): number | null => {
  const when = random.weighted([
    ["now", 60],
    ["late", 25],
    ["midnight", 15],
  ])
  if (when === "now") return null
  const oldest = now - MAX_AGE_MS + AGE_MARGIN
  const latest = now - LATE
  if (when === "late") return random.integer(oldest, latest - HOUR_MS)
  const midnight = Math.floor(now / DAY_MS) * DAY_MS - random.integer(0, 6) * DAY_MS
  const at =
    midnight +
    random.weighted([
      [0, 1],
      [-1, 1],
      [-15_000, 2],
      [-90_000, 2],
    ])
  return at > oldest && at < latest - HOUR_MS ? at : random.integer(oldest, latest - HOUR_MS)
}

/** Begins a session. Cookieless visitors have no late ones, because their id changes with the day of the request. */
export const startSession = (random: Random, visitor: Visitor, now: number): Session => {
  return {
    visitor,
    left: random.weighted([
      [1, 30],
      [3, 30],
      [6, 25],
      [14, 15],
    ]),
    page: random.pick(PAGES),
    referrer: random.chance(0.6) ? random.pick(REFERRERS) : null,
    at: visitor.cookieless ? null : sessionStart(random, now),
  }
}

/** Advances a session by one event. */
export const advance = (random: Random, session: Session, site: string): void => {
  session.left--
  if (session.at !== null)
    session.at += random.weighted([
      [1, 1],
      [random.integer(100, 30_000), 6],
    ])
  if (random.chance(0.4)) {
    session.referrer = `https://${site}.example.org${session.page}`
    session.page = random.pick(PAGES)
  }
}
