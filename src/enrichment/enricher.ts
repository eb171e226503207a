/**
 * Enrichment: what a request and its event tell, as the facts that are stored with the event. It happens before the event is
 * durable, because the address is known only then, and is not kept. Synchronous, on the per-event path: what libraries and patterns
 * tell is remembered, encoded, by the text that they told it of, so that an event costs a few look-ups and joining what they return.
 */
import {
  type BotKind,
  type EventFacts,
  encodeFact,
  encodeValues,
  joinFact,
  NO_FACTS,
  OTHER_HOST,
} from "../domain/dimensions.ts"
import type { EventInput } from "../domain/event.ts"
import { acceptedLanguage, languageOf } from "../domain/language.ts"
import { partsOf } from "../domain/pageUrl.ts"
import { Recent } from "../domain/recent.ts"
import { type AgentHeaders, agentOf } from "./agents.ts"
import { isPrefetch } from "./bots.ts"
import { type Landing, landingOf, originOf, type Referrer, referrerOf } from "./origin.ts"
import { NOWHERE, type Place, type PlaceHeaders, type Places, placeOfHeaders } from "./place.ts"
import { plainHost } from "./sources.ts"

/** What becomes of bots' events: marked and left out of the figures, not recorded, or counted like everybody's. */
export type BotPolicy = "mark" | "drop" | "count"

/** The headers that tell something; empty where a request has none. */
export interface TellingHeaders extends AgentHeaders, PlaceHeaders {
  readonly acceptLanguage: string
  /** `Sec-Purpose`, `Purpose` and `X-Moz`, joined. */
  readonly purpose: string
  readonly origin: string
}

/** Who sends an event, as far as it tells something of it. */
export interface TellingSender {
  readonly headers: TellingHeaders
  /** Whether it holds a write key: a server of the site's own, whatever its user agent. */
  readonly unlimited: boolean
  /** Whether a proxy that is trusted has passed the request on. */
  readonly proxied: () => boolean
  /** The client's address; called only when it is needed. */
  readonly address: () => string
}

export interface EnricherOptions {
  /** The present database of places. */
  readonly places: () => Places
  /** Whether there is one: without it addresses are not even looked at. */
  readonly locates: boolean
  readonly bots: BotPolicy
}

const NO_HEADERS: TellingHeaders = {
  ...{ userAgent: "", brands: "", mobile: "", platform: "", acceptLanguage: "", purpose: "", origin: "" },
  ...{ country: "", region: "", city: "" },
}

/** Programs, languages, pages and referrers that are remembered; a thousand take about 0.3 MB. */
const AGENTS = 2000
const LANGUAGES = 1000
const PAGES = 4000
const REFERRERS = 4000
/** Code units of a key; what is longer is worked out each time rather than remembered. */
const MAX_KEY = 1200

/** What is known of a program by its headers. */
interface KnownAgent {
  readonly bot: BotKind | null
  /** Browser, version, system and device, encoded. */
  readonly values: string
  /** A copy: requests' headers are used again. */
  readonly headers: AgentHeaders
}

const UNKNOWN_PLACE = encodeValues([null, null, null])

const placeValues = (place: Place): string =>
  place === NOWHERE ? UNKNOWN_PLACE : encodeValues([place.country, place.region, place.city])

/** Works out what is stored of events beside what they say themselves. */
export class Enricher {
  readonly #options: EnricherOptions
  readonly #agents = new Recent<KnownAgent>(AGENTS)
  readonly #languages = new Recent<string>(LANGUAGES)
  readonly #landings = new Recent<Landing>(PAGES)
  readonly #referrers = new Recent<Referrer | null>(REFERRERS)

  constructor(options: EnricherOptions) {
    this.#options = options
  }

  /**
   * The facts of an event; `null` when it is a bot's, and those are dropped.
   *
   * @param ofOtherHost whether it is to be marked as none of the site's; a bot that is marked stays what it is
   */
  factsOf(event: EventInput, sender: TellingSender, ofOtherHost = false): EventFacts | null {
    const { bots } = this.#options
    const isNamed = sender.unlimited && event.userAgent !== null
    // The request is a server's own then, and tells nothing of the visitor.
    const headers = isNamed ? { ...NO_HEADERS, userAgent: event.userAgent } : sender.headers
    const agent = this.#agent(headers)
    const isTrusted = sender.unlimited && !isNamed
    const kind = isTrusted ? null : (agent.bot ?? (isPrefetch(headers.purpose) ? "prefetch" : null))
    // A bot that counts like everybody is marked for its host like everybody.
    const isOther = ofOtherHost && (kind === null || bots === "count")
    if (kind !== null && !isOther && bots === "drop") return null
    const place = isNamed ? NOWHERE : this.#place(sender)
    const language = this.#language(event.language, headers.acceptLanguage)
    const facts: EventFacts = {
      origin: this.#origin(event, sender.headers.origin),
      client: clientOf(agent, place, language, event.screen, isOther ? OTHER_HOST : kind),
      label: event.title === null && event.name === null ? null : encodeFact("label", event),
      bot: isOther || (kind !== null && bots === "mark"),
    }
    return facts.origin === null && facts.client === null && facts.label === null && !facts.bot
      ? NO_FACTS
      : facts
  }

  /** Few programs have many users. */
  #agent(headers: AgentHeaders): KnownAgent {
    const { userAgent, brands, mobile, platform } = headers
    if (userAgent.length + brands.length + mobile.length + platform.length > MAX_KEY)
      return knownAgent(headers)
    // Programs of one name have the same hints, but for a few: comparing these costs less than a key made of all.
    const known = this.#agents.get(userAgent) ?? this.#agents.set(userAgent, knownAgent(headers))
    if (
      known.headers.brands === brands &&
      known.headers.mobile === mobile &&
      known.headers.platform === platform
    )
      return known
    const key = `${userAgent}\n${brands}\n${mobile}\n${platform}`
    return this.#agents.get(key) ?? this.#agents.set(key, knownAgent(headers))
  }

  /** The visitor's language, encoded: by the tracker's word, else by the header's. */
  #language(told: string | null, accepted: string): string {
    const key = told === null ? accepted : `${accepted}\n${told}`
    const known = this.#languages.get(key)
    if (known !== undefined) return known
    const language = (told === null ? null : languageOf(told)) ?? acceptedLanguage(accepted)
    const values = encodeValues([language])
    return key.length > MAX_KEY ? values : this.#languages.set(key, values)
  }

  /** A proxy's word comes first: it has seen the client itself. */
  #place({ headers, proxied, address }: TellingSender): Place {
    const { locates, places } = this.#options
    if (headers.country !== "" && proxied()) {
      const told = placeOfHeaders(headers)
      if (told !== null) return told
    }
    return locates ? places().of(address()) : NOWHERE
  }

  #origin({ sentPageUrl, referrer }: EventInput, origin: string): string | null {
    const page = sentPageUrl === null ? null : this.#landing(sentPageUrl)
    const from = referrer === null ? null : this.#referrer(referrer)
    const isNeeded = from !== null && origin !== "" && (page?.host ?? null) === null
    const host = isNeeded ? partsOf(origin).host : null
    return originOf(page, from, host === null ? null : plainHost(host))
  }

  #landing(url: string): Landing {
    if (url.length > MAX_KEY) return landingOf(url)
    return this.#landings.get(url) ?? this.#landings.set(url, landingOf(url))
  }

  #referrer(url: string): Referrer | null {
    if (url.length > MAX_KEY) return referrerOf(url)
    const known = this.#referrers.get(url)
    return known === undefined ? this.#referrers.set(url, referrerOf(url)) : known
  }
}

const knownAgent = (headers: AgentHeaders): KnownAgent => {
  const { userAgent, brands, mobile, platform } = headers
  const { browser, browserVersion, os, device, bot } = agentOf(headers)
  return {
    bot,
    values: encodeValues([browser, browserVersion, os, device]),
    headers: { userAgent, brands, mobile, platform },
  }
}

/** The fact `client`, of its values in their order. */
const clientOf = (
  agent: KnownAgent,
  place: Place,
  language: string,
  screen: string | null,
  bot: BotKind | null,
): string | null =>
  joinFact(
    `${agent.values},${placeValues(place)},${language},${JSON.stringify(screen)}${bot === null ? "" : `,"${bot}"`}`,
  )
