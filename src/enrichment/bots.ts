/** Which user agents are bots, and what kind. What is in doubt is none: a visitor left out is worse than a bot counted. */
import { createIsbotFromList, list } from "isbot"
import type { BotKind } from "../domain/dimensions.ts"

/**
 * HTTP libraries and tools: that is how servers and scripts send events of real visitors. A name of its own, such as `shop-api/2.1`,
 * is no bot either, since nothing in {@link CRAWLERS} says so.
 */
const LIBRARY =
  /^(?:(?:curl|libcurl|wget|httpie|python|aiohttp|httpx|urllib3?|node|undici|axios|got|superagent|needle|ky|deno|bun|go-http-client|go-resty|okhttp|java|apache-httpclient|jetty|ktor|dart|ruby|faraday|rest-client|httparty|php|guzzlehttp|symfony|libwww-perl|lwp|perl|insomnia|postmanruntime|restsharp|dotnet|reqwest|ureq|hyper|hackney)\b|[\w.-]*(?:sdk|node|python|ruby|php|go|java|client|android|ios)\/)/i

/** Patterns of the list that mean any text which looks like a library's: `http` in it, one word with a version, a language. */
const TOO_WIDE = new Set(
  list.filter((pattern) =>
    [
      "curl/8.5.0",
      "shop-api/2.1",
      "okhttp/4.9",
      "node",
      "python-requests/2.31",
      "libwww-perl/6",
      "PHP/8.2",
      "Java/17",
    ].some((agent) => new RegExp(pattern, "i").test(agent)),
  ),
)
const isListed = createIsbotFromList(list.filter((pattern) => !TOO_WIDE.has(pattern)))

/** Names that the list knows by its wide patterns only, and what gives an address for people to complain to. */
const CRAWLERS = /facebookexternalhit|facebookcatalog|whatsapp\/|meta-external|[(;+ ]\+?https?:\/\//i
const AI =
  /gptbot|chatgpt-user|oai-searchbot|claude|anthropic|perplexity|ccbot|bytespider|google-extended|meta-external|amazonbot|cohere|mistralai|youbot|diffbot|ai2bot|duckassistbot/i
const HEADLESS = /headless|phantomjs|puppeteer|playwright|selenium|electron-prerender|jsdom|lighthouse/i
const MONITOR =
  /uptime|pingdom|statuscake|site24x7|betterstack|datadog|newrelic|nagios|zabbix|checkly|hetrixtools|freshping|monitor|updown|catchpoint|cron-?job/i

/** The kind of bot that a user agent is of; `null` for everybody else, HTTP libraries included. */
export const botOf = (userAgent: string): BotKind | null => {
  if (userAgent === "" || LIBRARY.test(userAgent)) return null
  if (HEADLESS.test(userAgent)) return "headless"
  if (!isListed(userAgent) && !CRAWLERS.test(userAgent)) return null
  if (AI.test(userAgent)) return "ai"
  return MONITOR.test(userAgent) ? "monitor" : "crawler"
}

/** What asks whether a server is there. */
const PROBE = /^kube-probe\/|health-?check|^GoogleHC\//i

/**
 * Whether an HTTP library has asked for a page, a probe, or something without a name. Only of what a web server was asked for:
 * servers send events of visitors by libraries, too.
 */
export const isProgram = (userAgent: string): boolean =>
  userAgent === "" || LIBRARY.test(userAgent) || PROBE.test(userAgent)

/** Whether the headers `Sec-Purpose`, `Purpose` or `X-Moz`, joined, say that nobody has asked for the page yet. */
export const isPrefetch = (purpose: string): boolean =>
  purpose !== "" && /prefetch|prerender|preview/i.test(purpose)
