import { describe, expect, test } from "vitest"
import { CreationTimes, expose, formatFor } from "../../src/metrics/exposition.ts"
import { Metrics } from "../../src/metrics/metrics.ts"

describe("the format", () => {
  test.each([
    ["", "text"],
    ["*/*", "text"],
    ["text/plain", "text"],
    ["text/html, application/json", "text"],
    ["application/openmetrics-text", "openmetrics"],
    ["Application/OpenMetrics-Text; version=1.0.0", "openmetrics"],
    ["application/openmetrics-text;q=0", "text"],
    ["application/openmetrics-text;q=0.1, text/plain", "text"],
    // What Prometheus 2 and 3 send.
    [
      "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
      "openmetrics",
    ],
    [
      "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,/;q=0.1",
      "openmetrics",
    ],
  ])("is the one that is asked for: %j", (accept, format) => expect(formatFor(accept)).toBe(format))
})

describe("OpenMetrics", () => {
  const START = 1_765_000_000_000

  /** Threads with metrics of their own, as one node's scrapes show them. */
  const node = (threads: ReadonlyArray<Metrics>) => {
    const created = new CreationTimes(START)
    return async (seconds: number) => {
      const reports = await Promise.all(threads.map(({ registry }) => registry.getMetricsAsJSON()))
      const { body } = await expose(reports.flat(), "openmetrics", created, START + seconds * 1000)
      return body.split("\n")
    }
  }

  test("names families, samples and bounds as the specification does, and ends", async () => {
    const metrics = new Metrics("m_")
    metrics.events.inc({ event_type: 'a "quoted"\\ \n type' }, 2)
    metrics.batchSize.observe(1)
    metrics.requestDuration.record({ endpoint: "event", method: "POST", status: "201" }, 0.25)
    const lines = await node([metrics])(10)
    expect(lines).toEqual(
      expect.arrayContaining([
        "# TYPE m_events counter",
        "# HELP m_events Events counted, by the node that applied them.",
        'm_events_total{event_type="page_view"} 0',
        'm_events_total{event_type="a \\"quoted\\"\\\\ \\n type"} 2',
        "# TYPE m_batch_size histogram",
        'm_batch_size_bucket{le="1.0"} 1',
        'm_batch_size_bucket{le="+Inf"} 1',
        "m_batch_size_count 1",
        `m_batch_size_created ${START / 1000}.000`,
        'm_analytics_request_duration_seconds_bucket{le="0.25",endpoint="event",method="POST",status="201"} 1',
        "# TYPE m_partitions_owned gauge",
        "m_partitions_owned 0",
      ]),
    )
    expect(lines.slice(-2)).toEqual(["# EOF", ""])
    expect(lines.filter((line) => line.startsWith("# TYPE") && line.includes("_total"))).toEqual([])
    expect(lines.filter((line) => /^m_partitions_owned_created/.test(line))).toEqual([])
  })

  test("says since when each series counts, whichever thread counts it", async () => {
    const [main, actors] = [new Metrics("m_"), new Metrics("m_")]
    const scraped = node([main, actors])
    const since = async (seconds: number, series: string) =>
      (await scraped(seconds)).find((line) => line.startsWith(`${series} `))?.split(" ")[1]
    const at = (seconds: number) => (START / 1000 + seconds).toFixed(3)
    const [known, path] = ['m_events_created{event_type="page_view"}', 'm_page_views_created{path="/cv"}']
    expect(await since(10, known)).toBe(at(0))
    // A new series was at 0 when it was not there yet.
    actors.pageViews.inc({ path: "/cv" }, 3)
    expect(await since(20, path)).toBe(at(10))
    actors.pageViews.inc({ path: "/cv" }, 1)
    main.events.inc({ event_type: "page_view" })
    actors.events.inc({ event_type: "page_view" })
    expect(await since(30, path)).toBe(at(10))
    expect(await since(40, known)).toBe(at(0))
    // One that made room, and is there again.
    actors.pageViews.remove({ path: "/cv" })
    expect(await since(50, path)).toBeUndefined()
    actors.pageViews.inc({ path: "/cv" }, 9)
    expect(await since(60, path)).toBe(at(50))
    // The same between two scrapes, noticed by its count.
    actors.pageViews.remove({ path: "/cv" })
    actors.pageViews.inc({ path: "/cv" }, 1)
    expect(await since(70, path)).toBe(at(60))
  })
})
