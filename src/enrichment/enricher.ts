/**
 * Enrichment: what a request and its event tell, as the facts that are stored with the event. It happens before the event is
 * durable, because the address is known only then, and is not kept. Synchronous, on the per-event path: every answer of the
 * libraries behind it is remembered, so that an event costs a look-up or two.
 */
import { type BotKind, type EventFacts, encodeFact, NO_FACTS, OTHER_HOST } from "../domain/dimensions.ts"
import type { EventInput } from "../domain/event.ts"
import { acceptedLanguage, languageOf } from "../domain/language.ts"
import { partsOf } from "../domain/pageUrl.ts"
import { type Agent, type AgentHeaders, agentOf } from "./agents.ts"
import { isPrefetch } from "./bots.ts"
import { originOf } from "./origin.ts"
import { NOWHERE, type Place, type PlaceHeaders, type Places, placeOfHeaders } from "./place.ts"
import { Recent } from "./recent.ts"

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

/** Programs, senders and trails that are remembered; a thousand take about 0.3 MB. */
const AGENTS = 2000
const CLIENTS = 4000
const TRAILS = 4000
/** Code units of a key; what is longer is worked out each time rather than remembered. */
const MAX_KEY = 1200

/** What is known of a program by its headers, and a number that stands for it. */
interface KnownAgent extends Agent {
  readonly number: number
  /** A copy: requests' headers are used again. */
  readonly headers: AgentHeaders
}

/** What is known of a sender. */
interface Client {
  readonly fact: string | null
  readonly bot: BotKind | null
}

/** Works out what is stored of events beside what they say themselves. */
export class Enricher {
  readonly #options: EnricherOptions
  readonly #agents = new Recent<KnownAgent>(AGENTS)
  #lastAgent = 0
  readonly #clients = new Recent<Client>(CLIENTS)
  /** An origin that is null is kept as an empty text. */
  readonly #origins = new Recent<string>(TRAILS)

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
    const client = this.#client(event, sender, ofOtherHost)
    const isOther = client.bot === OTHER_HOST
    if (client.bot !== null && !isOther && bots === "drop") return null
    const facts: EventFacts = {
      origin: this.#origin(event, sender.headers.origin),
      client: client.fact,
      label: event.title === null && event.name === null ? null : encodeFact("label", event),
      bot: isOther || (client.bot !== null && bots === "mark"),
    }
    return facts.origin === null && facts.client === null && facts.label === null && !facts.bot
      ? NO_FACTS
      : facts
  }

  /** Few programs have many users, so they are remembered apart from what else tells these from each other. */
  #agent(headers: AgentHeaders): KnownAgent {
    const { userAgent, brands, mobile, platform } = headers
    const make = () => ({
      ...{ ...agentOf(headers), number: ++this.#lastAgent },
      headers: { userAgent, brands, mobile, platform },
    })
    if (userAgent.length + brands.length + mobile.length + platform.length > MAX_KEY) return make()
    // Programs of one name have the same hints, but for a few: comparing these costs less than a key made of all.
    const known = this.#agents.get(userAgent, make)
    return known.headers.brands === brands &&
      known.headers.mobile === mobile &&
      known.headers.platform === platform
      ? known
      : this.#agents.get(`${userAgent}\n${brands}\n${mobile}\n${platform}`, make)
  }

  #client({ screen, language, userAgent }: EventInput, sender: TellingSender, ofOtherHost: boolean): Client {
    const isNamed = sender.unlimited && userAgent !== null
    const { bots } = this.#options
    // The request is a server's own then, and tells nothing of the visitor.
    const headers = isNamed ? { ...NO_HEADERS, userAgent } : sender.headers
    const unlimited = sender.unlimited && !isNamed
    const agent = this.#agent(headers)
    const place = isNamed ? NOWHERE : this.#place(sender)
    const { acceptLanguage, purpose } = headers
    const key = `${agent.number}${unlimited ? "w" : ofOtherHost ? "o" : ""} ${screen}\n${acceptLanguage}\n${place.country}\n${place.region}\n${place.city}${
      language === null && purpose === "" ? "" : `\n${purpose}\n${language}`
    }`
    const make = () => clientOf(agent, headers, { ofOtherHost, unlimited, place, language, screen }, bots)
    return key.length > MAX_KEY ? make() : this.#clients.get(key, make)
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
    const key = `${sentPageUrl}\n${referrer}\n${origin}`
    const make = () =>
      originOf({ pageUrl: sentPageUrl, referrer, host: origin === "" ? null : partsOf(origin).host }) ?? ""
    const known = key.length > MAX_KEY ? make() : this.#origins.get(key, make)
    return known === "" ? null : known
  }
}

const clientOf = (
  agent: Agent,
  headers: TellingHeaders,
  told: {
    readonly ofOtherHost: boolean
    readonly unlimited: boolean
    readonly place: Place
    readonly language: string | null
    readonly screen: string | null
  },
  policy: BotPolicy,
): Client => {
  const known = told.unlimited ? null : (agent.bot ?? (isPrefetch(headers.purpose) ? "prefetch" : null))
  // A bot that counts like everybody is marked for its host like everybody.
  const bot = told.ofOtherHost && (known === null || policy === "count") ? OTHER_HOST : known
  const fact = encodeFact("client", {
    browser: agent.browser,
    browser_version: agent.browserVersion,
    os: agent.os,
    device: agent.device,
    country: told.place.country,
    region: told.place.region,
    city: told.place.city,
    language:
      (told.language === null ? null : languageOf(told.language)) ?? acceptedLanguage(headers.acceptLanguage),
    screen: told.screen,
    bot,
  })
  return { fact, bot }
}
