/** `enrichment`: what it costs the HTTP thread to tell an event's facts, by visitors as varied as those of the other scenarios. */
import { decodeEvent, type EventInput, Rejection } from "../../src/domain/event.ts"
import { PageQuery } from "../../src/domain/pageQuery.ts"
import { agentOf } from "../../src/enrichment/agents.ts"
import { Enricher, type TellingSender } from "../../src/enrichment/enricher.ts"
import { landingOf, originOf, referrerOf } from "../../src/enrichment/origin.ts"
import { happening } from "../../src/tools/traffic/happenings.ts"
import { Random } from "../../src/tools/traffic/random.ts"
import { advance, makeVisitor, startSession } from "../../src/tools/traffic/visitors.ts"
import { placeOf, screenWidthOf, tellingSender } from "../load/enriched.ts"
import { atMost, byScale, type Context, check, type Findings, figure, type Scenario } from "../scenario.ts"

const SEED = 7
const NOW = Date.parse("2025-12-08T12:00:00Z")
const VISITORS = 20_000
/** Sessions that go on at a time. */
const SESSIONS = 200
const UNSEEN = 2000
/** Events that are told again without what is remembered. */
const SAMPLE = 500

interface Sent {
  readonly event: EventInput
  readonly sender: TellingSender
}

/** Events in the order in which they would arrive, sessions mixed. */
const arrivals = (count: number): ReadonlyArray<Sent> => {
  const random = new Random(SEED)
  const context = {
    now: NOW,
    sites: new Set(["main"]),
    site: "main",
    referer: null,
    pageQuery: new PageQuery([]),
  }
  const begin = () => startSession(random, makeVisitor(random, ["main"], random.integer(1, VISITORS)), NOW)
  const sessions = Array.from({ length: SESSIONS }, begin)
  return Array.from({ length: count }, (): Sent => {
    const index = random.integer(0, SESSIONS - 1)
    let session = sessions[index] ?? begin()
    if (session.left <= 0) session = begin()
    sessions[index] = session
    const { visitor, page, referrer } = session
    const id = visitor.bodyId ?? visitor.sender.userAgent
    const body = {
      ...happening(random),
      page_url: `https://example.org${page}`,
      ...{ referrer, screen: screenWidthOf(id) },
    }
    advance(random, session, "main")
    const event = decodeEvent(body, context)
    if (event instanceof Rejection) throw new Error(event.error)
    return { event, sender: tellingSender(id, visitor.sender.userAgent) }
  })
}

/** Microseconds of processor time that each call takes. */
const each = (count: number, call: (i: number) => void): number => {
  const before = process.cpuUsage()
  for (let i = 0; i < count; i++) call(i)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / count
}

const run = async (context: Context): Promise<Findings> => {
  const sent = arrivals(byScale(context, { full: 500_000, quick: 200_000, smoke: 2000 }))
  const enricher = new Enricher({ places: () => ({ of: placeOf, builtAt: 0 }), locates: true, bots: "mark" })
  let marked = 0
  const perEvent = each(sent.length, (i) => {
    const one = sent[i]
    if (one !== undefined && enricher.factsOf(one.event, one.sender)?.bot === true) marked++
  })
  const agent = { brands: "", mobile: "", platform: "" }
  // What is remembered must be what would be told now.
  const fresh = () =>
    new Enricher({ places: () => ({ of: placeOf, builtAt: 0 }), locates: true, bots: "mark" })
  const sample = sent.filter((_, i) => i % Math.ceil(sent.length / SAMPLE) === 0)
  const equal = sample.filter(
    ({ event, sender }) =>
      JSON.stringify(enricher.factsOf(event, sender)) === JSON.stringify(fresh().factsOf(event, sender)),
  )
  const unseenAgent = each(UNSEEN, (i) =>
    agentOf({
      ...agent,
      userAgent: `Mozilla/5.0 (X11; Linux x86_64; rv:${i}.0) Gecko/20100101 Firefox/${i}.0`,
    }),
  )
  const unseenOrigin = each(UNSEEN, (i) =>
    originOf(landingOf(`https://example.org/?utm_campaign=${i}`), referrerOf(`https://${i}.example/`), null),
  )
  context.say(`enrichment: ${perEvent.toFixed(2)} µs an event`)
  return {
    figures: [
      figure(
        "an event",
        perEvent,
        "µs",
        atMost(3),
        `${sent.length} events in a row, ${marked} of them bots'; the caches are empty at first`,
      ),
      figure("a user agent that was not seen before", unseenAgent, "µs"),
      figure("a referrer and campaign that were not seen before", unseenOrigin, "µs"),
    ],
    checks: [check("events told alike with and without what is remembered", sample.length, equal.length)],
    plots: [],
    remarks: [],
  }
}

export const enrichment: Scenario = {
  name: "enrichment",
  title: "What a request tells of its event",
  run,
}
