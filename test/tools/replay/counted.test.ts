/**
 * What is answered of a replayed log equals a count of the log's own lines, which is made here by splitting them, with nothing of the
 * program in it. `TEST_ACCESS_LOG` names another log, a real one.
 */
import { spawn } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import { Random } from "../../../src/tools/traffic/random.ts"
import { CLOCK_ENV } from "../../support/clock.ts"
import { eventually, temporaryFolder } from "../../support/index.ts"
import { runNode, settings } from "../../support/node.ts"
import { logLine } from "./logLine.ts"

const KEY = "0123456789abcdef0123456789abcdef"
/** Of the site that the log is of; `TEST_ACCESS_LOG` may be of another. */
const HOST = process.env.TEST_ACCESS_LOG_HOST ?? "cv.example"

/** A name with an ending that is none of a page's; a number behind a dot is a version. */
const NO_PAGE = /\.(?!x?html?$|php$|\d+$)[^./]+$/i
const BOT =
  /bot|crawl|spider|yahoo! slurp|feed|fetcher|rss|validator|facebookexternal|baidu|yandex|https?:\/\/|preview|phantomjs|ezooms|indy library|theoldreader|reeder|nutch|favicon|\(via |compatible;\)|dts agent|binlar|chromeframe/i

/** What has no name of a browser's kind visits nothing. */
const PROGRAM = /^(?:-|(?:curl|python|wget|java|ruby|lwp|go)\b.*)$/i

/** Browsers by the first of these that their agents have. */
const BROWSERS: ReadonlyArray<readonly [pattern: RegExp, name: string]> = [
  [/maxthon/i, "Maxthon"],
  [/seamonkey/i, "SeaMonkey"],
  [/silk\//i, "Amazon Silk"],
  [/gsa\//i, "Google Search"],
  [/edg(?:e|a|ios)?\//i, "Edge"],
  [/opr\/|^opera\/|^mozilla.* opera /i, "Opera"],
  [/chromium\//i, "Chromium"],
  [/chrome\/|crios\//i, "Chrome"],
  [/firefox\/|fxios\//i, "Firefox"],
  [/msie|trident/i, "Internet Explorer"],
  [/android.*version\//i, "Android Browser"],
  [/^mozilla.*(?:safari\/|iphone|ipad)/i, "Safari"],
]

interface View {
  /** Unix milliseconds. */
  readonly at: number
  readonly page: string
  readonly visitor: string
  readonly bot: boolean
  readonly browser: string | null
  /** Host of the page that linked here; `null` for none, or one of the site. */
  readonly from: string | null
}

/** `… [17/May/2015:10:05:03 +0000]` */
const timeOf = (head: string): number => {
  const [, day, time, zone] = /\[([^:]+):(\S+) ([^\]]+)\]/.exec(head) ?? []
  return Date.parse(`${day?.replaceAll("/", " ")} ${time} ${zone}`)
}

const ofSite = (host: string): boolean => host.replace(/^www\./, "") === HOST

const viewsOf = (text: string): ReadonlyArray<View> =>
  text.split("\n").flatMap((line) => {
    const fields = line.split('"')
    const [head = "", request = "", numbers = "", referrer = "", , agent = ""] = fields
    const [method, target = ""] = request.split(" ")
    const [page = ""] = target.split(/[?#]/)
    const theme = /[?&](theme=[^&#]*)/.exec(target)?.[1]
    if (fields.length < 7 || method !== "GET" || !/^ (?:2|304)/.test(numbers) || NO_PAGE.test(page)) return []
    if (PROGRAM.test(agent)) return []
    const host = /^https?:\/\/([^/:]+)/.exec(referrer)?.[1]?.toLowerCase() ?? null
    const bot = BOT.test(agent)
    return {
      ...{ page: theme === undefined ? page : `${page}?${theme}`, bot },
      ...{ visitor: `${head.split(" ")[0]} ${agent}`, at: timeOf(head) },
      browser: bot ? null : (BROWSERS.find(([pattern]) => pattern.test(agent))?.[1] ?? null),
      from: host === null || ofSite(host) ? null : host,
    }
  })

/** How often each value occurs. */
const tally = (values: Iterable<string | null>): ReadonlyMap<string | null, number> => {
  const counts = new Map<string | null, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}

/** The first view of each visit: none within half an hour before, on its day; `shift` is added to the log's times. */
const firstOfVisits = (views: ReadonlyArray<View>, shift: number): ReadonlyArray<View> =>
  [...Map.groupBy(views, ({ visitor }) => visitor).values()].flatMap((own) => {
    const sorted = own.toSorted((a, b) => a.at - b.at)
    const dayOf = ({ at }: View) => Math.floor((at + shift) / 86_400_000)
    return sorted.filter((view, i) => {
      const before = sorted[i - 1]
      return before === undefined || view.at - before.at >= 1_800_000 || dayOf(view) !== dayOf(before)
    })
  })

const AGENTS = [
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0",
  "Opera/9.80 (X11; Linux i686; Ubuntu/14.10) Presto/2.12.388 Version/12.16",
  "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
  "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
  "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
  "curl/8.5.0",
  "-",
] as const

const madeLog = (): string => {
  const random = new Random(3)
  return Array.from({ length: 1500 }, (_, i) =>
    logLine({
      address: `192.0.2.${random.integer(1, 200)}`,
      agent: random.pick(AGENTS),
      // No two in the same second, so that it is known which one is a visit's first.
      time: `17/May/2015:${new Date(i * 57_000).toISOString().slice(11, 19)} +0000`,
      request: `GET ${random.pick(["/", "/cv", "/cv?theme=dark", "/été", "/a/b.html", "/style.css", "/robots.txt"])} HTTP/1.1`,
      status: random.pick([200, 200, 200, 304, 404, 500]),
      referrer: random.pick([
        `https://${HOST}/`,
        "-",
        "https://www.google.com/",
        "https://other.example/a?b=c",
      ]),
    }),
  ).join("\n")
}

const replay = (log: string, url: string): Promise<number | null> =>
  new Promise((resolve) => {
    const command = new URL("../../../src/tools/replay/main.ts", import.meta.url).pathname
    const args = [command, log, "--url", url, "--origin", `http://${HOST}`, "--write-key", KEY]
    const env = { ...process.env, ...CLOCK_ENV, DATA_DIR: temporaryFolder() }
    spawn(process.execPath, args, { env, stdio: "ignore" }).on("close", resolve)
  })

test("a replayed log's pages, browsers, crawlers, visitors and sources are those of its lines", async () => {
  const given = process.env.TEST_ACCESS_LOG
  const log = given ?? join(temporaryFolder(), "access.log")
  if (given === undefined) writeFileSync(log, madeLog())
  const node = await runNode(await settings({ writeKeys: [KEY], pageQuery: [] }))
  expect(await replay(log, node.base)).toBe(0)

  const views = viewsOf(readFileSync(log, "utf8"))
  const people = views.filter(({ bot }) => !bot)
  const askOnce = async (body: object): Promise<ReadonlyMap<string | null, number>> => {
    const response = await fetch(`${node.base}/api/v1/analytics/query`, {
      method: "POST",
      body: JSON.stringify({ date_range: "7d", limit: 10_000, metrics: ["page_views"], ...body }),
    })
    if (response.status !== 200) throw new Error(await response.text())
    const { data }: { data: { results: ReadonlyArray<{ dimensions: [string | null]; metrics: [number] }> } } =
      JSON.parse(await response.text())
    return new Map(data.results.map(({ dimensions, metrics }) => [dimensions[0] ?? null, metrics[0]]))
  }
  /** A machine may be too busy for an answer in time. */
  const ask = (body: object) => eventually(() => askOnce(body))
  await eventually(async () =>
    expect(await ask({ bots: "include" })).toEqual(new Map([[null, views.length]])),
  )
  expect(await ask({ dimensions: ["page"] })).toEqual(tally(people.map(({ page }) => page)))
  expect(await ask({ dimensions: ["page"], bots: "only" })).toEqual(
    tally(views.filter(({ bot }) => bot).map(({ page }) => page)),
  )
  expect(await ask({ dimensions: ["browser"] })).toEqual(tally(people.map(({ browser }) => browser)))
  const [{ created_at: latest }] = await node.data("timeline?limit=1")
  const shift = Date.parse(latest) - views.reduce((last, { at }) => Math.max(last, at), 0)
  const visits = firstOfVisits(people, shift)
  expect(await ask({ metrics: ["visits"] })).toEqual(new Map([[null, visits.length]]))
  if (given === undefined)
    expect(await ask({ metrics: ["visits"], dimensions: ["source"] })).toEqual(
      tally(visits.map(({ from }) => (from === "www.google.com" ? "Google" : from))),
    )
  expect(await ask({ metrics: ["visitors"] })).toEqual(
    new Map([[null, new Set(people.map(({ visitor }) => visitor)).size]]),
  )
})
