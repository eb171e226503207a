import { describe, expect, test } from "vitest"
import { parseExactly } from "../../../src/domain/exactJson.ts"
import {
  decodeQuery,
  decodeValues,
  encodeQuery,
  type QueryContext,
  QueryProblem,
} from "../../../src/query/language/index.ts"

const NOW = Date.parse("2026-03-30T09:41:30Z")
const MINUTE = 60_000
const HOUR = 60 * MINUTE

const CONTEXT: QueryContext = {
  now: NOW,
  sites: new Set(["main", "blog"]),
  site: "main",
  timeZone: "Europe/Paris",
  earliest: (site) => (site === "main" ? Date.parse("2026-01-05T22:30:00Z") : null),
}

const decode = (body: object, context: Partial<QueryContext> = {}) => {
  const query = decodeQuery({ metrics: ["visitors"], ...body }, { ...CONTEXT, ...context })
  if (query instanceof QueryProblem) throw new Error(query.error)
  return query
}

const problem = (body: unknown): string => {
  const query = decodeQuery(body, CONTEXT)
  return query instanceof QueryProblem ? query.error : "none"
}

/** Local times without the year, in the zone of the context unless told. */
const days = ({ from, until }: { from: number; until: number }, timeZone = "Europe/Paris") =>
  [from, until].map((at) => new Date(at).toLocaleString("sv-SE", { timeZone }).slice(5, 16))

test.each([
  [["main"], "America/New_York"],
  [["blog"], "Asia/Tokyo"],
  [["docs"], "Europe/Paris"],
  [["main", "shop"], "America/New_York"],
  [["main", "blog"], "Europe/Paris"],
  [["blog", "docs"], "Europe/Paris"],
])("the zone of a question to %j that names none is %j", (sites, timeZone) => {
  const zones: { readonly [site: string]: string } = {
    ...{ main: "America/New_York", shop: "America/New_York" },
    blog: "Asia/Tokyo",
  }
  const context = {
    sites: new Set(["main", "blog", "docs", "shop"]),
    zoneOfSite: (site: string) => zones[site] ?? null,
  }
  expect(decode({ sites }, context)).toMatchObject({ timeZone })
  expect(decode({ sites, time_zone: "UTC" }, context)).toMatchObject({ timeZone: "UTC" })
})

describe("a question", () => {
  test("is answered with every default made explicit", () => {
    expect(encodeQuery(decode({}))).toEqual({
      sites: ["main"],
      metrics: ["visitors"],
      dimensions: [],
      filters: [],
      date_range: ["2026-03-23T23:00:00.000Z", "2026-03-30T22:00:00.000Z"],
      time_zone: "Europe/Paris",
      bots: "exclude",
      order_by: [["visitors", "desc"]],
      limit: 1000,
      offset: 0,
    })
  })

  test("compares with a number as it was sent, also one that is not kept exactly: events have it as a text", () => {
    const sent = '{"filters":[["is","data.order",[9007199254740993,12]]]}'
    const [filter] = decode(Object(parseExactly(sent))).filters
    expect(filter).toMatchObject({ values: ["9007199254740993", "12"] })
  })

  test("compares with a page in its one spelling, except by a pattern; values are found by their beginnings, too", () => {
    const valuesOf = (operator: string, dimension: string, value: string) => {
      const [filter] = decode({ filters: [[operator, dimension, [value]]] }).filters
      return filter?.is === "comparison" ? filter.values : null
    }
    for (const dimension of ["page", "entry_page", "exit_page"]) {
      expect(valuesOf("is", dimension, "/a/../caf%c3%a9?q=%C3%A9")).toEqual(["/café?q=é"])
      expect(valuesOf("contains", dimension, "//caf%C3%A9")).toEqual(["//café"])
      expect(valuesOf("matches", dimension, "/caf%C3%A9")).toEqual(["/caf%C3%A9"])
    }
    expect(valuesOf("is", "title", "caf%C3%A9")).toEqual(["caf%C3%A9"])
    const asked = decodeValues({ dimension: "page", prefix: "/caf%C3%A9" }, CONTEXT)
    expect(asked).toMatchObject({ filters: [{}, { comparison: "matches", values: ["^/café"] }] })
  })

  test("that is repeated from its answer is the same question", () => {
    const query = decode({
      sites: ["main", "blog"],
      metrics: ["visits", "sum(data.price)"],
      dimensions: ["page", "data.plan"],
      filters: [
        ["is_not", "source", ["Google", null], { case_sensitive: false }],
        [
          "or",
          [
            ["contains", "page", ["/cv"]],
            ["not", ["and", [["matches", "city", ["^P"]]]]],
          ],
        ],
        ["has_not_done", ["is", "event", ["signup"]]],
      ],
      order_by: [["page", "asc"]],
    })
    const { date_range, ...rest } = encodeQuery(query)
    expect(decode({ ...rest, date_range })).toEqual(query)
  })

  test.each([
    ["7", 'The question is "7"'],
    [{}, "metrics is nothing"],
    [{ metrics: ["visitor"] }, 'metrics[0] is "visitor": it should be one of visitors'],
    [{ metrics: ["sum(page)"] }, "metrics[0]"],
    [{ metrics: [] }, "metrics is []"],
    [{ metrics: ["events"], metric: 1 }, 'no field "metric"'],
    [{ metrics: ["events"], site: "nope" }, 'site "nope" is unknown: it should be one of main, blog'],
    [{ metrics: ["events"], site: "main,nope" }, 'site "nope" is unknown'],
    [{ metrics: ["events"], site: "main", sites: ["blog"] }, "both given"],
    [{ metrics: ["events"], sites: [] }, "sites is []"],
    [{ metrics: ["events"], sites: ["main", 7] }, "site 7 is unknown"],
    [{ metrics: ["events"], dimensions: ["pages"] }, 'dimensions[0] is "pages"'],
    [{ metrics: ["events"], dimensions: ["page", "source", "city"] }, "at most 2"],
    [{ metrics: ["events"], dimensions: ["time:day", "time:hour"] }, "one of them of time"],
    [{ metrics: ["events"], interval: "fortnight" }, "interval is"],
    [{ metrics: ["events"], date_range: "8d" }, 'date_range is "8d": it should be one of realtime'],
    [{ metrics: ["events"], date_range: ["2026-02-30", "2026-03-01"] }, "date_range is"],
    [{ metrics: ["events"], date_range: ["2026-03-02", "2026-03-01"] }, "ends before it begins"],
    [{ metrics: ["events"], date_range: ["1990-01-01", "2026-03-01"] }, "at most 7320 days"],
    [{ metrics: ["events"], date_range: "all", interval: "minute" }, "more than 20000 intervals"],
    [{ metrics: ["events"], time_zone: "Paris" }, 'time_zone is "Paris"'],
    [{ metrics: ["events"], time_zone: "+02:00" }, "time_zone is"],
    [{ metrics: ["events"], compare: "last" }, "compare is"],
    [{ metrics: ["events"], bots: true }, "bots is true: it should be exclude, include, only"],
    [{ metrics: ["events"], order_by: [["visits", "desc"]] }, "which are asked for"],
    [{ metrics: ["events"], limit: 0 }, "limit is 0: it should be a whole number from 1 to 10000"],
    [{ metrics: ["events"], offset: -1 }, "offset is -1"],
    [{ metrics: ["events"], filters: ["is", "page", ["/"]] }, 'filters[0] is "is"'],
    [{ metrics: ["events"], filters: [["is", "pages", ["/"]]] }, 'filters[0][1] is "pages"'],
    [{ metrics: ["events"], filters: [["is", "page", []]] }, "filters[0][2] is []"],
    [{ metrics: ["events"], filters: [["contains", "page", [null]]] }, "filters[0][2][0] is null"],
    [{ metrics: ["events"], filters: [["is", "page", ["\ud800"]]] }, "filters[0][2][0]"],
    [{ metrics: ["events"], filters: [["is", "page", ["/\u0000"]]] }, "filters[0][2][0]"],
    [parseExactly('{"metrics":["events"],"limit":90071992547409931}'), '"90071992547409931"'],
    [{ metrics: ["events"], filters: [["is", "page", ["/"], true]] }, "filters[0][3] is true"],
    [{ metrics: ["events"], filters: [["not", ["near", "page", ["/"]]]] }, "filters[0][1] is"],
  ])("that is wrong is told what would be right: %j", (body, sentence) => {
    expect(problem(body)).toContain(sentence)
  })

  test("has bounds: of depth, of conditions, of values", () => {
    const deep = (n: number): unknown => (n === 0 ? ["is", "page", ["/"]] : ["not", deep(n - 1)])
    const ask = (filters: unknown) => problem({ metrics: ["events"], filters })
    expect(ask([deep(7)])).toBe("none")
    expect(ask([deep(8)])).toContain("nested deeper than 8")
    expect(ask(Array.from({ length: 65 }, () => deep(0)))).toContain("more than 64 conditions")
    expect(ask([["is", "page", Array.from({ length: 1001 }, String)]])).toContain("more than 1000 values")
    expect(ask([["is", "page", ["a".repeat(2049)]]])).toContain("at most 2048 characters")
  })
})

describe("a range", () => {
  test.each([
    ["day", ["03-30 00:00", "03-31 00:00"]],
    ["yesterday", ["03-29 00:00", "03-30 00:00"]],
    ["7d", ["03-24 00:00", "03-31 00:00"]],
    ["30d", ["03-01 00:00", "03-31 00:00"]],
    ["month", ["03-01 00:00", "03-31 00:00"]],
    ["last_month", ["02-01 00:00", "03-01 00:00"]],
    ["year", ["01-01 00:00", "03-31 00:00"]],
    ["12mo", ["04-01 00:00", "03-31 00:00"]],
    ["all", ["01-05 00:00", "03-31 00:00"]],
    ["realtime", ["03-30 11:12", "03-30 11:42"]],
    ["24h", ["03-29 11:42", "03-30 11:42"]],
    [
      ["2026-03-28", "2026-03-29"],
      ["03-28 00:00", "03-30 00:00"],
    ],
    [
      ["2026-03-29T00:00:00Z", "2026-03-29T01:30:00+01:00"],
      ["03-29 01:00", "03-29 01:30"],
    ],
  ])("%j is of the zone's own days", (date_range, expected) => {
    expect(days(decode({ date_range }).range)).toEqual(expected)
  })

  test("has days of 23 and of 25 hours", () => {
    const hours = (date_range: string, time_zone = "Europe/Paris") => {
      const { range } = decode({ date_range: [date_range, date_range], time_zone })
      return (range.until - range.from) / HOUR
    }
    expect([hours("2026-03-29"), hours("2026-10-25"), hours("2026-10-25", "UTC")]).toEqual([23, 25, 24])
  })

  test.each([
    [{ site: "main,blog" }, ["blog", "main"]],
    [{ site: "all" }, ["blog", "main"]],
    [{ sites: "blog,main,blog" }, ["blog", "main"]],
    [{ sites: ["all"] }, ["blog", "main"]],
    [{ site: "blog" }, ["blog"]],
  ])("of the sites %j is of %j", (asked, sites) => {
    expect(decode(asked).sites).toEqual(sites)
  })

  test("of a site that is called all is of that one", () => {
    const context = { ...CONTEXT, sites: new Set(["main", "all"]) }
    const sitesOf = (site: string) => decodeQuery({ metrics: ["events"], site }, context)
    expect(sitesOf("all")).toMatchObject({ sites: ["all"] })
    expect(sitesOf("main,all")).toMatchObject({ sites: ["all", "main"] })
  })

  test("that names all sites again and again goes through them once", () => {
    let expanded = 0
    class Counted extends Set<string> {
      override [Symbol.iterator]() {
        expanded++
        return super[Symbol.iterator]()
      }
    }
    const context = { ...CONTEXT, sites: new Counted(["main", "blog"]) }
    const all = Array.from({ length: 1000 }, (_, i) => `all${",all".repeat(i % 3)}`)
    for (const asked of [{ sites: all }, { site: all.join() }]) {
      expanded = 0
      expect(decode(asked, context).sites).toEqual(["blog", "main"])
      expect(expanded).toBe(1)
    }
  })

  test("of all sites begins with the first event of any, and is today where there is none", () => {
    expect(days(decode({ date_range: "all", sites: ["main", "blog"] }).range)[0]).toBe("01-05 00:00")
    expect(days(decode({ date_range: "all", site: "blog" }).range)[0]).toBe("03-30 00:00")
  })

  test.each([
    ["day", "previous_period", ["03-29 00:00", "03-29 12:41"]],
    ["yesterday", "previous_period", ["03-28 00:00", "03-29 00:00"]],
    ["7d", "previous_period", ["03-17 00:00", "03-23 10:41"]],
    ["month", "previous_period", ["02-01 00:00", "03-01 00:00"]],
    ["last_month", "previous_period", ["01-01 00:00", "02-01 00:00"]],
    ["year", "previous_period", ["01-01 00:00", "03-30 11:41"]],
    ["7d", "previous_year", ["03-24 00:00", "03-30 11:41"]],
    [["2024-02-29", "2024-02-29"], "previous_year", ["02-28 00:00", "03-01 00:00"]],
    ["24h", "previous_period", ["03-28 10:42", "03-29 11:41"]],
  ])("%j is compared with its %s, as far as it has come", (date_range, compare, expected) => {
    const { comparison } = decode({ date_range, compare })
    expect(comparison === null ? null : days(comparison)).toEqual(expected)
  })

  test("are compared with the same time as long as a minute goes on", () => {
    const until = (now: number) =>
      decode({ date_range: "day", compare: "previous_period" }, { now }).comparison?.until
    const minute = Math.floor(CONTEXT.now / MINUTE) * MINUTE
    expect(until(minute + MINUTE - 1)).toBe(until(minute))
    expect(until(minute + MINUTE)).toBe((until(minute) ?? 0) + MINUTE)
  })

  test("of a series is compared with the whole of the other one", () => {
    const { comparison, buckets, comparisonBuckets } = decode({
      ...{ date_range: "7d", compare: "previous_period", interval: "day" },
    })
    expect(comparison === null ? null : days(comparison)).toEqual(["03-17 00:00", "03-24 00:00"])
    expect([buckets.length, comparisonBuckets.length]).toEqual([7, 7])
  })
})

describe("intervals", () => {
  const names = (body: object) => decode(body).buckets.map(({ name }) => name)

  test("of an hour are named by their beginning and its offset, each once, whatever clocks do", () => {
    const spring = names({ interval: "hour", date_range: ["2026-03-29", "2026-03-29"] })
    expect([spring.length, spring[1], spring[2]]).toEqual([
      ...[23, "2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"],
    ])
    const autumn = names({ interval: "hour", date_range: ["2026-10-25", "2026-10-25"] })
    expect([autumn.length, autumn[2], autumn[3]]).toEqual([
      ...[25, "2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00"],
    ])
    expect(new Set(autumn).size).toBe(25)
  })

  test("of weeks begin on Mondays and are cut where the range begins and ends", () => {
    const { buckets, range } = decode({ interval: "week", date_range: ["2026-03-05", "2026-03-17"] })
    expect(buckets.map(({ name }) => name)).toEqual(["2026-03-02", "2026-03-09", "2026-03-16"])
    expect([buckets[0]?.from, buckets.at(-1)?.until]).toEqual([range.from, range.until])
  })

  test("of months reach from the first to the last one, and minutes of half an hour are 30", () => {
    expect(names({ interval: "month", date_range: "12mo" })).toHaveLength(12)
    expect(names({ interval: "minute", date_range: "realtime" })).toHaveLength(30)
  })

  test.each([
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Pacific/Apia",
    "Africa/Casablanca",
  ])("cover a year of %s without a gap", (time_zone) => {
    for (const interval of ["hour", "day", "week", "month"]) {
      const { buckets, range } = decode({ interval, time_zone, date_range: ["2011-07-01", "2012-06-30"] })
      expect([buckets[0]?.from, buckets.at(-1)?.until]).toEqual([range.from, range.until])
      expect(buckets.every((bucket, i) => i === 0 || bucket.from === buckets[i - 1]?.until)).toBe(true)
    }
  })
})
