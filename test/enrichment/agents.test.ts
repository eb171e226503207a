import { describe, expect, test } from "vitest"
import { agentOf } from "../../src/enrichment/agents.ts"
import { botOf, isPrefetch } from "../../src/enrichment/bots.ts"

const HEADERS = { userAgent: "", brands: "", mobile: "", platform: "" }
const WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
const IPHONE =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"

describe("a user agent", () => {
  test.each([
    [`${WINDOWS} Chrome/131.0.0.0 Safari/537.36`, "Chrome", "131", "Windows", "desktop"],
    [`${WINDOWS} Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0`, "Edge", "131", "Windows", "desktop"],
    [`${WINDOWS} Chrome/131.0.0.0 Safari/537.36 OPR/116.0.0.0`, "Opera", "116", "Windows", "desktop"],
    [`${IPHONE} Version/18.1 Mobile/15E148 Safari/604.1`, "Safari", "18", "iOS", "mobile"],
    [`${IPHONE} CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1`, "Chrome", "131", "iOS", "mobile"],
    [
      "Mozilla/5.0 (Linux; Android 14; SM-X910) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/27.0 Chrome/125.0.0.0 Safari/537.36",
      ...["Samsung Internet", "27", "Android", "tablet"],
    ],
    [
      "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
      "Firefox",
      "132",
      "Linux",
      "desktop",
    ],
    [
      "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/94.0.4606.128 Safari/537.36 WebAppManager",
      ...["WebOS Browser", null, "WebOS", "tv"],
    ],
    [
      "Mozilla/5.0 (PlayStation; PlayStation 5/2.26) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.0 Safari/605.1.15",
      ...["Safari", "13", null, "other"],
    ],
    ["Mozilla/5.0", null, null, null, "other"],
    ["node", null, null, null, null],
    ["", null, null, null, null],
  ])("%s", (userAgent, browser, browserVersion, os, device) => {
    expect(agentOf({ ...HEADERS, userAgent })).toEqual({ browser, browserVersion, os, device, bot: null })
  })

  test("is corrected by client hints", () => {
    const userAgent =
      "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
    const brands = '"Brave";v="131", "Chromium";v="131", "Not_A Brand";v="24"'
    expect(agentOf({ userAgent, brands, mobile: "?1", platform: '"Android"' })).toMatchObject({
      ...{ browser: "Brave", browserVersion: "131", os: "Android", device: "mobile" },
    })
    expect(agentOf({ userAgent, brands: "", mobile: "?0", platform: '"Chrome OS"' })).toMatchObject({
      ...{ browser: "Chrome", os: "Chrome OS", device: "desktop" },
    })
  })

  test("of any length and content is read at once", () => {
    for (const userAgent of ["Mozilla/5.0 (".repeat(5000), `Mozilla/5.0 ${"\u0000é".repeat(9000)}`])
      expect(agentOf({ ...HEADERS, userAgent }).browser).toBeNull()
  })
})

describe("a bot", () => {
  test.each([
    ["Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "crawler"],
    ["facebookexternalhit/1.1", "crawler"],
    ["Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "crawler"],
    [
      "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
      "ai",
    ],
    [
      "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
      "ai",
    ],
    [
      "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; PerplexityBot/1.0; +https://perplexity.ai/perplexitybot)",
      "ai",
    ],
    ["Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)", "monitor"],
    ["Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)", "monitor"],
    [
      "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/131.0.0.0 Safari/537.36",
      "headless",
    ],
  ])("%s is of the kind %s", (userAgent, kind) => {
    expect(botOf(userAgent)).toBe(kind)
  })

  test.each([
    ...["", "curl/8.5.0", "node", "undici", "node-fetch", "axios/1.6.0", "Wget/1.21", "PostmanRuntime/7.36"],
    ...[
      "python-requests/2.31",
      "python-httpx/0.27",
      "Python/3.12 aiohttp/3.9",
      "Go-http-client/1.1",
      "okhttp/4.9",
    ],
    ...[
      "Java/17.0.1",
      "Apache-HttpClient/4.5 (Java/17)",
      "Dart/3.0 (dart:io)",
      "Ruby",
      "PHP/8.2",
      "GuzzleHttp/7",
    ],
    ...[
      "libwww-perl/6.67",
      "got (https://github.com/sindresorhus/got)",
      "analytics-node/2.1",
      "posthog-node/4.0",
    ],
    ...["shop-api/2.1", "MyApp/3 CFNetwork/1490.0.4 Darwin/23.2.0"],
    ...[`${WINDOWS} Chrome/131.0.0.0 Safari/537.36`, `${IPHONE} Version/18.1 Mobile/15E148 Safari/604.1`],
  ])("%j is none", (userAgent) => {
    expect(botOf(userAgent)).toBeNull()
  })

  test("or a browser that fetches ahead of its visitor, by its headers", () => {
    for (const purpose of ["prefetch", "prefetch;prerender", "preview"])
      expect(isPrefetch(purpose)).toBe(true)
    for (const purpose of ["", "navigate"]) expect(isPrefetch(purpose)).toBe(false)
  })
})
