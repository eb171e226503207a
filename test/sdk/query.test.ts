import { describe, expect, test } from "vitest"
import { DIMENSIONS } from "../../src/domain/dimensions.ts"
import { INTERVALS, METRICS, PRESETS } from "../../src/query/language/index.ts"
import {
  QUERY_DIMENSIONS,
  QUERY_INTERVALS,
  QUERY_METRICS,
  QUERY_RANGES,
  QueryError,
  query,
} from "../../src/sdk/index.ts"
import { serve } from "../support/server.ts"

const QUESTION = { metrics: ["visitors", "sum(data.price)"], dimensions: ["page"] } as const

/** Why a question got no answer. */
const refusal = async (options: Parameters<typeof query>[1]): Promise<unknown> =>
  query(QUESTION, options).then(
    () => null,
    (error: unknown) => error,
  )

/** A server that answers with this. */
const answering = (body: string, init?: ResponseInit) => ({
  url: "https://analytics.example",
  fetch: () => Promise.resolve(new Response(body, init)),
})

describe("query()", () => {
  test("knows what the server knows", () => {
    expect([...QUERY_METRICS]).toEqual(Object.keys(METRICS))
    expect([...QUERY_DIMENSIONS]).toEqual(Object.keys(DIMENSIONS))
    expect([...QUERY_INTERVALS]).toEqual([...INTERVALS])
    expect([...QUERY_RANGES]).toEqual(Object.keys(PRESETS))
  })

  test("resolves with rows whose values have their types", async () => {
    await using running = await serve()
    running.world.queryRows = [
      { dimensions: ["/cv"], metrics: [2, null], comparison: [1, 3.5] },
      { dimensions: [null], metrics: [1, 0.5], comparison: [0, null] },
    ]
    const {
      results,
      meta,
      query: asked,
    } = await query(
      { ...QUESTION, filters: [["or", [["is", "source", ["Google", null]]]]], compare: "previous_period" },
      { url: `${running.url}/` },
    )
    // The types, not only the values.
    const pages: ReadonlyArray<readonly [page: string | null, visitors: number, price: number | null]> =
      results.map(({ dimensions: [page], metrics: [visitors, price] }) => [page, visitors, price])
    expect(pages).toEqual([
      ["/cv", 2, null],
      [null, 1, 0.5],
    ])
    const before: ReadonlyArray<number | undefined> = results.map(({ comparison }) => comparison?.metrics[0])
    expect(before).toEqual([1, 0])
    expect(meta.total_rows).toBe(2)
    expect(asked).toMatchObject({ metrics: QUESTION.metrics, filters: [expect.anything()] })
  })

  test("rejects with the server's code and sentence", async () => {
    await using running = await serve()
    const { url } = running
    running.world.queryRows = []
    expect(await refusal({ url, headers: { "Content-Type": "x" } })).toBeNull()
    running.world.queryFailure = "busy"
    const busy = await refusal({ url })
    expect(busy).toBeInstanceOf(QueryError)
    expect(busy).toMatchObject({
      name: "QueryError",
      code: "TOO_MANY_QUERIES",
      status: 429,
      retryAfterMs: 1000,
    })
    running.world.queryFailure = null
    await expect(query({ metrics: [] }, { url })).rejects.toMatchObject({
      ...{ code: "INVALID_QUERY", status: 400, retryAfterMs: null },
      message: expect.stringContaining("metrics"),
    })
  })

  test("rejects with a code of its own where the server says none", async () => {
    expect(await refusal({ url: "analytics.example" })).toMatchObject({ code: "INVALID_URL", status: null })
    expect(await refusal({ url: "http://127.0.0.1:9" })).toMatchObject({ code: "UNREACHABLE", status: null })
    expect(await refusal(answering("<html>", { status: 502 }))).toMatchObject({
      code: "HTTP_502",
      status: 502,
    })
    for (const body of [
      "<html>",
      '{"success":true}',
      '{"data":{"results":[{"dimensions":["/"],"metrics":[1]}],"meta":{"total_rows":1},"query":{}}}',
      '{"data":{"results":[{"dimensions":["/"],"metrics":["1",2]}],"meta":{"total_rows":1},"query":{}}}',
    ])
      expect(await refusal(answering(body)), body).toMatchObject({ code: "INVALID_ANSWER", status: 200 })
    const never: typeof fetch = (_, init) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener("abort", () => reject(init.signal?.reason))
      })
    expect(await refusal({ url: "http://a", fetch: never, timeoutMs: 1 })).toMatchObject({ code: "TIMEOUT" })
    const left = new AbortController()
    const asked = refusal({ url: "http://a", fetch: never, signal: left.signal })
    left.abort("left")
    expect(await asked).toBe("left")
  })
})
