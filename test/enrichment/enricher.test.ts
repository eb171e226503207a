import fc from "fast-check"
import { describe, expect, test } from "vitest"
import {
  encodeFact,
  type KnownDimensions,
  knownDimensions,
  NO_FACTS,
  OTHER_HOST,
} from "../../src/domain/dimensions.ts"
import { decodeEvent, Rejection } from "../../src/domain/event.ts"
import { acceptedLanguage, languageOf } from "../../src/domain/language.ts"
import { PageQuery } from "../../src/domain/pageQuery.ts"
import { agentOf } from "../../src/enrichment/agents.ts"
import { isPrefetch } from "../../src/enrichment/bots.ts"
import {
  type BotPolicy,
  Enricher,
  type TellingHeaders,
  type TellingSender,
} from "../../src/enrichment/enricher.ts"
import { NO_PLACES, NOWHERE, type Places, placeOfHeaders } from "../../src/enrichment/place.ts"

const FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"
const CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
const SOMEWHERE: Places = {
  builtAt: 1,
  of: (address) => ({ country: address === "192.0.2.1" ? "DE" : "PE", region: null, city: null }),
}

const CONTEXT = {
  ...{ now: 0, sites: new Set(["main"]), site: "main", referer: null, pageQuery: new PageQuery([]) },
}

const event = (body: { readonly [field: string]: unknown }) => {
  const decoded = decodeEvent({ event_type: "page_view", ...body }, CONTEXT)
  if (decoded instanceof Rejection) throw new Error(decoded.error)
  return decoded
}

const sender = (
  headers: Partial<TellingHeaders>,
  { unlimited = false, proxied = false, address = "192.0.2.1" } = {},
): TellingSender => ({
  headers: {
    ...{ userAgent: "", brands: "", mobile: "", platform: "", acceptLanguage: "", purpose: "", origin: "" },
    ...{ country: "", region: "", city: "" },
    ...headers,
  },
  unlimited,
  proxied: () => proxied,
  address: () => address,
})

const enricher = (bots: BotPolicy = "mark", places: Places | null = null) =>
  new Enricher({ places: () => places ?? NO_PLACES, locates: places !== null, bots })

const known = (
  body: { readonly [field: string]: unknown },
  from: TellingSender,
  by = enricher(),
): (KnownDimensions & { readonly marked: boolean }) | null => {
  const facts = by.factsOf(event(body), from)
  return facts === null ? null : { ...knownDimensions(facts), marked: facts.bot }
}

describe("an event's facts", () => {
  test("are those of the program that a server with a write key names", () => {
    const named = { user_agent: FIREFOX, language: "fr" }
    const server = { userAgent: "node", acceptLanguage: "de", purpose: "prefetch" }
    const told = {
      browser: "Firefox",
      browser_version: "132",
      os: "Linux",
      device: "desktop",
      language: "fr",
    }
    const located = enricher("mark", SOMEWHERE)
    expect(known(named, sender(server, { unlimited: true }), located)).toEqual({
      ...{ channel: "Direct", ...told },
      marked: false,
    })
    expect(known({ user_agent: CRAWLER }, sender(server, { unlimited: true }))).toMatchObject({
      bot: "crawler",
      marked: true,
    })
    expect(known({}, sender({ userAgent: CRAWLER }, { unlimited: true }))).toMatchObject({ marked: false })
    // Anybody else could leave the crawlers out by it.
    expect(known({ user_agent: CRAWLER }, sender({ userAgent: FIREFOX }))).toMatchObject({
      ...{ browser: "Firefox", marked: false },
    })
  })

  test("are what its request and the event tell", () => {
    const body = {
      page_url: "https://example.org/cv?utm_source=mail&utm_medium=email&token=1",
      ...{ title: "CV", name: "Größe", screen: "1920x1080" },
    }
    expect(known(body, sender({ userAgent: FIREFOX, acceptLanguage: "pt-BR,pt;q=0.9,en;q=0.8" }))).toEqual({
      ...{ source: "mail", medium: "email", channel: "Email", utm_source: "mail", utm_medium: "email" },
      ...{ browser: "Firefox", browser_version: "132", os: "Linux", device: "desktop" },
      ...{ language: "pt", screen: "1920+", title: "CV", name: "Größe", marked: false },
    })
  })

  test("are as good as none where nothing is told", () => {
    expect(known({}, sender({}))).toEqual({ channel: "Direct", marked: false })
    expect(NO_FACTS.bot).toBe(false)
  })

  test("say which were marked for their host, whatever becomes of bots, and nothing else of them changes", () => {
    const of = (bots: BotPolicy, userAgent: string, ofOtherHost: boolean) => {
      const facts = enricher(bots).factsOf(event({ title: "A" }), sender({ userAgent }), ofOtherHost)
      return facts === null ? null : { ...knownDimensions(facts), marked: facts.bot }
    }
    const marked = { bot: "other_host", marked: true }
    for (const bots of ["mark", "drop", "count"] as const)
      expect(of(bots, FIREFOX, true)).toEqual({ ...of(bots, FIREFOX, false), ...marked })
    expect(of("mark", CRAWLER, true)).toEqual(of("mark", CRAWLER, false))
    expect(of("drop", CRAWLER, true)).toBeNull()
    // It would count.
    expect(of("count", CRAWLER, true)).toEqual({ ...of("count", CRAWLER, false), ...marked })
    // One sender may be of both: what is remembered of one is not said of the other.
    const by = enricher()
    const from = sender({ userAgent: FIREFOX })
    const [there, here] = [by.factsOf(event({}), from, true), by.factsOf(event({}), from, false)]
    expect([there?.bot, here?.bot]).toEqual([true, false])
  })

  test("name the place by the address, or by the word of a proxy that is trusted", () => {
    const by = enricher("mark", SOMEWHERE)
    const countries = [
      sender({}),
      sender({}, { address: "192.0.2.9" }),
      sender({ country: "FR", city: "Lyon" }),
      sender({ country: "FR", city: "Lyon" }, { proxied: true }),
      sender({ country: "XX" }, { proxied: true }),
    ].map((from) => known({}, from, by)?.country)
    expect(countries).toEqual(["DE", "PE", "DE", "FR", "DE"])
    expect(known({}, sender({ country: "FR" }))).not.toHaveProperty("country")
  })

  test("do not change with what others have sent before", () => {
    const by = enricher("mark", SOMEWHERE)
    for (let i = 0; i < 10_000; i++)
      by.factsOf(
        event({ page_url: `/${i}`, referrer: `https://${i}.example/`, screen: (i % 2000) + 1 }),
        sender({ userAgent: `Mozilla/5.0 ${i}` }),
      )
    const from = sender({ userAgent: FIREFOX }, { address: "192.0.2.9" })
    expect(known({ page_url: "/1", referrer: "https://1.example/a" }, from, by)).toMatchObject({
      ...{ browser: "Firefox", country: "PE", source: "1.example", referrer: "1.example/a" },
    })
  })
})

test("facts are what each of their values is when told alone, whatever was told before", () => {
  const some = (...texts: ReadonlyArray<string>) =>
    fc.oneof(fc.constantFrom("", ...texts), fc.string({ unit: "binary", maxLength: 8 }))
  const senders = fc.record({
    userAgent: some(FIREFOX, CRAWLER, `${FIREFOX} A`),
    brands: some('"Brave"'),
    mobile: some("?1"),
    platform: some('"Android"'),
    acceptLanguage: some("de-DE,de;q=0.9", "fr"),
    purpose: some("prefetch"),
    origin: some("https://www.example.org", "https://b.example"),
    country: some("DE", "FR"),
    region: some("BY"),
    city: some("Lyon", "S%C3%A8te"),
  })
  const bodies = fc.record({
    page_url: some("https://example.org/a", "/?utm_source=x", "https://www.example.org/?ref=b.example&a=1"),
    referrer: some("https://www.google.com/", "https://example.org/b", "/c"),
    language: some("pt-BR", "fr,de"),
    screen: fc.constantFrom(null, 390, "1920x1080"),
    user_agent: some(FIREFOX),
    title: some("A"),
  })
  const policies = fc.constantFrom<BotPolicy>("mark", "drop", "count")
  const enrichers = { mark: enricher("mark"), drop: enricher("drop"), count: enricher("count") }
  fc.assert(
    fc.property(
      fc.tuple(senders, bodies, policies, fc.boolean(), fc.boolean(), fc.boolean()),
      ([headers, body, bots, unlimited, proxied, isElsewhere]) => {
        const decoded = decodeEvent({ event_type: "a", ...body }, CONTEXT)
        fc.pre(!(decoded instanceof Rejection))
        const from = sender(headers, { unlimited, proxied })
        const facts = enrichers[bots].factsOf(decoded, from, isElsewhere)
        expect(facts).toEqual(enricher(bots).factsOf(decoded, from, isElsewhere))
        if (facts === null || unlimited) return
        const { bot, ...agent } = agentOf(headers)
        const kind = bot ?? (isPrefetch(headers.purpose) ? "prefetch" : null)
        expect(facts.client).toBe(
          encodeFact("client", {
            ...{ browser: agent.browser, browser_version: agent.browserVersion },
            ...{ os: agent.os, device: agent.device, screen: decoded.screen },
            ...((proxied ? placeOfHeaders(headers) : null) ?? NOWHERE),
            language: languageOf(decoded.language ?? "") ?? acceptedLanguage(headers.acceptLanguage),
            bot: isElsewhere && (kind === null || bots === "count") ? OTHER_HOST : kind,
          }),
        )
      },
    ),
    { numRuns: 300 },
  )
})

test("whatever senders write, facts are JSON that Postgres takes", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 60 }),
    fc.constantFrom(
      "https://a.example/?utm_source=",
      "Mozilla/5.0 (",
      "%00",
      "%ED%A0%80",
      "\u0000",
      "?ref=%00&utm_term=\u0000",
    ),
  )
  const long = fc.array(text, { maxLength: 5 }).map((parts) => parts.join(""))
  const by = enricher("mark", SOMEWHERE)
  fc.assert(
    fc.property(
      fc.tuple(long, long, long, long, long),
      ([userAgent, acceptLanguage, city, page_url, title]) => {
        const decoded = decodeEvent(
          { event_type: "a", page_url, referrer: page_url, title, name: title },
          CONTEXT,
        )
        fc.pre(!(decoded instanceof Rejection))
        const facts = by.factsOf(
          decoded,
          sender({ userAgent, acceptLanguage, city, country: "DE" }, { proxied: true }),
        )
        for (const fact of [facts?.origin, facts?.client, facts?.label]) {
          expect(fact?.isWellFormed()).not.toBe(false)
          expect(fact ?? "").not.toMatch(/\\u0000|\\ud[89a-f]/i)
        }
      },
    ),
  )
})

describe("a bot's event", () => {
  test("is marked, dropped or counted", () => {
    const from = sender({ userAgent: CRAWLER })
    expect(known({}, from, enricher("mark"))).toMatchObject({ bot: "crawler", marked: true })
    expect(known({}, from, enricher("drop"))).toBeNull()
    expect(known({}, from, enricher("count"))).toMatchObject({ bot: "crawler", marked: false })
  })

  test("may be a browser's that fetches ahead", () => {
    expect(known({}, sender({ userAgent: FIREFOX, purpose: "prefetch" }))).toMatchObject({
      ...{ bot: "prefetch", marked: true, browser: "Firefox" },
    })
  })

  test("is none that carries a write key", () => {
    const from = sender({ userAgent: CRAWLER, purpose: "prefetch" }, { unlimited: true })
    for (const bots of ["mark", "drop", "count"] as const)
      expect(known({}, from, enricher(bots))).toEqual({ channel: "Direct", marked: false })
  })
})
