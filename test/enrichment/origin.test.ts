import { describe, expect, test } from "vitest"
import { decodeFact, FACTS } from "../../src/domain/dimensions.ts"
import { channelOf } from "../../src/enrichment/channels.ts"
import { landingOf, originOf, referrerOf } from "../../src/enrichment/origin.ts"
import { type SourceKind, sourceNamed, sourceOfHost } from "../../src/enrichment/sources.ts"

const origin = (pageUrl: string | null, referrer: string | null, host: string | null = null) =>
  originOf(
    pageUrl === null ? null : landingOf(pageUrl),
    referrer === null ? null : referrerOf(referrer),
    host,
  )

/** What is known, by name. */
const known = (...of: Parameters<typeof origin>) => {
  const values = decodeFact(origin(...of) ?? "[]") ?? []
  return Object.fromEntries(
    FACTS.origin.map((name, i) => [name, values[i] ?? null] as const).filter(([, value]) => value !== null),
  )
}

const PAGE = "https://example.org/cv"

describe("where a visitor comes from", () => {
  test.each([
    ["https://www.google.com/", "Google", "organic", "Organic Search", "google.com"],
    [
      "https://www.google.co.uk/search?q=secret",
      "Google",
      "organic",
      "Organic Search",
      "google.co.uk/search",
    ],
    ["https://duckduckgo.com/", "DuckDuckGo", "organic", "Organic Search", "duckduckgo.com"],
    ["https://kagi.com/", "Kagi", "organic", "Organic Search", "kagi.com"],
    [
      "https://github.com/someone/project",
      "GitHub",
      "social",
      "Organic Social",
      "github.com/someone/project",
    ],
    [
      "https://news.ycombinator.com/item?id=1",
      "Hacker News",
      "social",
      "Organic Social",
      "news.ycombinator.com/item",
    ],
    ["https://l.facebook.com/l.php?u=1", "Facebook", "social", "Organic Social", "l.facebook.com/l.php"],
    ["https://t.co/abc", "Twitter", "social", "Organic Social", "t.co/abc"],
    ["https://lobste.rs/s/1", "Lobsters", "social", "Organic Social", "lobste.rs/s/1"],
    ["https://chatgpt.com/", "ChatGPT", "referral", "AI Assistants", "chatgpt.com"],
    ["https://www.perplexity.ai/search", "Perplexity", "referral", "AI Assistants", "perplexity.ai/search"],
    ["https://gemini.google.com/app", "Gemini", "referral", "AI Assistants", "gemini.google.com/app"],
    ["https://www.youtube.com/watch?v=1", "YouTube", "referral", "Organic Video", "youtube.com/watch"],
    ["https://www.amazon.de/x", "Amazon", "referral", "Organic Shopping", "amazon.de/x"],
    ["https://mail.google.com/", "Gmail", "email", "Email", "mail.google.com"],
    ["android-app://com.google.android.gm/", "Gmail", "email", "Email", "com.google.android.gm"],
    ["https://blog.someone.dev/post/", "blog.someone.dev", "referral", "Referral", "blog.someone.dev/post"],
  ])("by the referrer %s", (from, source, medium, channel, referrer) => {
    expect(known(PAGE, from)).toEqual({ source, medium, channel, referrer })
  })

  test.each([
    [PAGE, null],
    [PAGE, "https://example.org/"],
    [PAGE, "https://www.example.org/other"],
    ["https://www.example.org/", "https://example.org/a"],
    [PAGE, "/other"],
    [null, null],
  ])("%s after %s is direct", (page, referrer) => {
    expect(known(page, referrer)).toEqual({ channel: "Direct" })
  })

  test("is the site itself when the request tells the host that the page's path lacks", () => {
    expect(known("/cv", "https://example.org/", "example.org")).toEqual({ channel: "Direct" })
    expect(known("/cv", "https://example.org/", null)).toMatchObject({ source: "example.org" })
  })

  test("by the link's parameters, which come before the referrer", () => {
    const utm = "utm_source=newsletter&utm_medium=email&utm_campaign=may+sale&utm_term=a%20b&utm_content=top"
    expect(known(`${PAGE}?${utm}`, "https://www.google.com/")).toEqual({
      ...{ source: "newsletter", medium: "email", channel: "Email", referrer: "google.com" },
      ...{
        utm_source: "newsletter",
        utm_medium: "email",
        utm_campaign: "may sale",
        utm_term: "a b",
        utm_content: "top",
      },
    })
    expect(known(`${PAGE}?ref=producthunt.com`, null)).toMatchObject({
      source: "Product Hunt",
      channel: "Organic Social",
    })
    expect(known(`${PAGE}?source=flyer`, null)).toEqual({ source: "flyer", channel: "Unassigned" })
    expect(known(`${PAGE}?UTM_Source=ChatGPT.com`, null)).toMatchObject({
      source: "ChatGPT",
      channel: "AI Assistants",
    })
    expect(known(`${PAGE}?utm_source=fb&utm_medium=paid_social`, null)).toMatchObject({
      source: "Facebook",
      channel: "Paid Social",
    })
    expect(known(`${PAGE}?gclid=x`, null)).toEqual({
      source: "Google",
      medium: "cpc",
      channel: "Paid Search",
    })
    expect(known(`${PAGE}?utm_campaign=x`, null)).toEqual({ utm_campaign: "x", channel: "Unassigned" })
    expect(known(`${PAGE}?utm_source=&ref=`, null)).toEqual({ channel: "Direct" })
  })

  test("whatever is written there", () => {
    for (const text of ["%zz", "\u0000", "\ud800", "=&=&&", "x".repeat(3000), "constructor", "__proto__"]) {
      const page = `${PAGE}?utm_source=${text}&${text}=1`
      expect(known(page, text), text).toHaveProperty("channel")
      expect(origin(page, null)).not.toMatch(/\\u0000|\\ud8/)
    }
  })
})

describe("GA4's channels", () => {
  const source = (kind: SourceKind) => ({ name: "Someone", kind })
  test.each([
    [{ source: source("search"), medium: "cpc", campaign: null }, "Paid Search"],
    [{ source: source("search"), medium: "CPC", campaign: "autumn-shop" }, "Paid Shopping"],
    [{ source: source("shopping"), medium: "ppc", campaign: null }, "Paid Shopping"],
    [{ source: source("video"), medium: "paid", campaign: null }, "Paid Video"],
    [{ source: source("referral"), medium: "retargeting", campaign: null }, "Paid Other"],
    [{ source: source("referral"), medium: "cpm", campaign: null }, "Display"],
    [{ source: source("referral"), medium: "banner", campaign: null }, "Display"],
    [{ source: source("search"), medium: "cpc", campaign: "cross-network" }, "Cross-network"],
    [{ source: source("referral"), medium: "social-media", campaign: null }, "Organic Social"],
    [{ source: source("referral"), medium: "organic", campaign: null }, "Organic Search"],
    [{ source: source("referral"), medium: "affiliate", campaign: null }, "Affiliates"],
    [{ source: source("referral"), medium: "audio", campaign: null }, "Audio"],
    [{ source: source("referral"), medium: "sms", campaign: null }, "SMS"],
    [{ source: source("referral"), medium: "web-push", campaign: null }, "Mobile Push Notifications"],
    [{ source: source("referral"), medium: "link", campaign: null }, "Referral"],
    [{ source: { name: "E-Mail", kind: "referral" as const }, medium: null, campaign: null }, "Email"],
    [{ source: null, medium: "something", campaign: null }, "Unassigned"],
  ])("%j is %s", (campaign, channel) => {
    expect(channelOf(campaign)).toBe(channel)
  })
})

describe("the list of sources", () => {
  test("knows hosts with their subdomains and paths, and names in any spelling", () => {
    expect(sourceOfHost("out.reddit.com")).toEqual({ name: "Reddit", kind: "social" })
    expect(sourceOfHost("deep.sub.chatgpt.com")).toEqual({ name: "ChatGPT", kind: "ai" })
    expect(sourceOfHost("google.at", "/imgres?x")).toMatchObject({ kind: "search" })
    expect(sourceOfHost("notgoogle.example")).toEqual({ name: "notgoogle.example", kind: "referral" })
    expect(sourceOfHost("localhost:3000")).toEqual({ name: "localhost:3000", kind: "referral" })
    expect(sourceNamed("GOOGLE")).toEqual({ name: "Google", kind: "search" })
    expect(sourceNamed("Our Letter")).toEqual({ name: "Our Letter", kind: "referral" })
    expect(sourceNamed("www.someone.example")).toEqual({ name: "someone.example", kind: "referral" })
  })
})
