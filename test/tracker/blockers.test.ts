/** The names in the tag, against the kinds of general rules that content blockers' lists have. */
import { describe, expect, test } from "vitest"
import { SETTINGS } from "../../src/config/settings.ts"
import { documents, read } from "../support/documents.ts"

/**
 * Rules in the syntax of Adblock Plus' filters, written for this test: one or more of each kind of word that lists have general
 * rules for, with the separators that they put around them. No list is copied here.
 */
const WORDS = [
  ...[
    "analytics",
    "analytic",
    "tracker",
    "tracking",
    "track",
    "trackers",
    "stats",
    "stat",
    "statistics",
    "metrics",
    "metric",
  ],
  ...[
    "telemetry",
    "beacon",
    "beacons",
    "pixel",
    "pixels",
    "collect",
    "collector",
    "counter",
    "hit",
    "hits",
    "log",
    "logger",
  ],
  ...[
    "event",
    "events",
    "pageview",
    "pageviews",
    "page_view",
    "visit",
    "visits",
    "visitor",
    "ping",
    "pv",
    "impression",
  ],
  ...[
    "insight",
    "insights",
    "measure",
    "monitor",
    "fingerprint",
    "heatmap",
    "ga",
    "gtm",
    "utm",
    "umami",
    "plausible",
    "matomo",
  ],
]
const RULES = [
  ...WORDS.flatMap((word) => [
    `/${word}.js`,
    `/${word}/*`,
    `/${word}?`,
    `/${word}|`,
    `-${word}.`,
    `_${word}.`,
    `.${word}.`,
  ]),
  ...[
    "/analytics/event",
    "/api/v1/analytics",
    "/api/event",
    "/api/send",
    "/script.js|",
    "/api/collect",
    "://analytics.",
  ],
  ...[
    "||analytics.*^",
    "||stats.*^",
    "||tracking.*^",
    "||metrics.*^",
    "||t.*/t.js",
    "/js/script.",
    "/a.js|",
    "/t.js|",
    "/p.js|",
  ],
]

const ESCAPED = /[.+?${}()[\]\\]/g

/** What a rule's text matches: `*` anything, `^` a separator, `|` an end, `||` the beginning of a host's name. */
const matcher = (rule: string): RegExp => {
  const inner = rule
    .replace(/^\|\|/, "\u0001")
    .replace(/^\|/, "\u0002")
    .replace(/\|$/, "\u0003")
    .replace(ESCAPED, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("^", "(?:[^\\w.%-]|$)")
    .replace("\u0001", "^[a-z]+://(?:[^/]*\\.)?")
    .replace("\u0002", "^")
    .replace("\u0003", "$")
  return new RegExp(inner, "i")
}

const rulesFor = (url: string): ReadonlyArray<string> => RULES.filter((rule) => matcher(rule).test(url))

const NAMES = [SETTINGS.scriptPath.default, SETTINGS.eventPath.default]

describe("general rules of content blockers", () => {
  test("know the old names, which is why there are others", () => {
    for (const url of [
      "https://cv.example/tracker.js",
      "https://cv.example/api/v1/analytics/event",
      "https://analytics.cv.example/x.js",
      "https://cv.example/js/ga.js",
    ])
      expect(rulesFor(url), url).not.toEqual([])
    expect(matcher("||ads.example^").test("https://a.ads.example/x")).toBe(true)
    expect(matcher("||ads.example^").test("https://a.ads.example.org/x")).toBe(false)
    expect(matcher("/x.js|").test("https://a.example/x.js?y")).toBe(false)
  })

  test.each([
    ["on a site's own host", "https://cv.example"],
    ["on a host for it", "https://hello.cv.example"],
    ["under a path of a site", "https://cv.example/hello"],
    ["on this machine", "http://127.0.0.1:8080"],
  ])("match neither the script nor where it sends, %s", (_where, base) => {
    for (const name of NAMES) expect(rulesFor(base + name), base + name).toEqual([])
  })

  test("match no script of a tag in the documents, apart from the host that stands for any", () => {
    const scripts = ["README.md", ...documents()].flatMap((document) =>
      [...read(document).matchAll(/<[Ss]cript [^>]*src="([^"]+\.js)"/g)].map(([, src = ""]) =>
        src.replace("https://analytics.example", "https://hello.cv.example"),
      ),
    )
    expect(scripts.length).toBeGreaterThan(3)
    for (const script of scripts)
      expect(rulesFor(new URL(script, "https://cv.example").href), script).toEqual([])
  })
})
