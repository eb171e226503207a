import { describe, expect, test } from "vitest"
import {
  decodeFrame,
  isAnswer,
  isGoalsAnswer,
  isRefusal,
  isSitesAnswer,
} from "../../../src/dashboard/model/decode.ts"
import { PARTS } from "../../../src/dashboard/model/state.ts"
import { MESSAGE_CODES } from "../../../src/domain/frames.ts"
import { API, serve } from "../../support/server.ts"
import { heartbeat, liveEvent, periodFigures, statsUpdate } from "./frames.ts"

describe("a frame", () => {
  test.each([
    ["what is no JSON", "<html>"],
    ["what is no object", '[{"type":"heartbeat"}]'],
    ["null", "null"],
    ["a type of its own that this page does not know", '{"type":"subscribed","site":"main","topics":[]}'],
    ["an answer to a ping", '{"type":"pong","time":1}'],
    [
      "letters of the day, which those of the period replace",
      JSON.stringify({ type: "letters", site: "main", data: periodFigures("day").letters }),
    ],
    ["figures without a member", '{"type":"heartbeat","site":"main","data":{"total_events":1}}'],
    [
      "figures that are no numbers",
      JSON.stringify(heartbeat()).replace('"total_events":100', '"total_events":"100"'),
    ],
    ["themes that are none", '{"type":"themes","site":"main","data":[{"theme":"a"}]}'],
    [
      "a period that there is not",
      JSON.stringify({ type: "period", site: "main", data: periodFigures("day") }).replaceAll(
        '"day"',
        '"decade"',
      ),
    ],
    ["an event without a visitor", JSON.stringify(liveEvent()).replace("visitor_id", "visitor")],
    ["an event whose visitor is a number", JSON.stringify({ ...liveEvent(), visitor_id: 5 })],
    ["an event whose data is a list", JSON.stringify({ ...liveEvent(), data: [1] })],
    ["an error without a code", '{"type":"error"}'],
  ])("that is %s is of no use", (_, text) => {
    expect(decodeFrame(text)).toBeNull()
  })

  test("may have members that this page does not know", () => {
    const frame = { ...heartbeat(), seq: 4, data: { ...heartbeat().data, bots_today: 3 } }
    expect(decodeFrame(JSON.stringify(frame))).toMatchObject({ kind: "realtime" })
  })

  test("says what was omitted, if anything was", () => {
    const omitted = { events: 3, by_type: { page_view: 3 } }
    expect(decodeFrame(JSON.stringify(statsUpdate({ page_view: 3 })))).toMatchObject({ omitted })
    expect(decodeFrame(JSON.stringify({ ...heartbeat(), type: "stats_update" }))).toMatchObject({
      omitted: null,
    })
  })

  test.each([...MESSAGE_CODES, "STORE_UNAVAILABLE"])("says that there was an error: %s", (code) => {
    expect(decodeFrame(JSON.stringify({ type: "error", code, error: "A sentence." }))).toEqual({
      kind: "failure",
      code,
      id: null,
    })
  })

  test("is an event when its type is none of the protocol's, whatever it is", () => {
    for (const type of ["page_view", "newsletter.joined", "__proto__", "constructor"])
      expect(decodeFrame(JSON.stringify(liveEvent({ type })))).toEqual({
        kind: "event",
        data: liveEvent({ type }),
      })
  })
})

describe("an answer", () => {
  const ENDPOINTS = {
    hour: "history?minutes=60",
    yesterday: "yesterday",
    stats: "stats?period=week",
    letters: "letters?period=week",
    themes: "themes",
    clicks: "heatmap?hours=24",
    timeline: "timeline?limit=25",
  } as const

  test("of the server is what each part is read as, and no other is", async () => {
    await using node = await serve()
    const ask = async (path: string): Promise<unknown> => (await fetch(`${node.url}${API}/${path}`)).json()
    for (const part of PARTS) {
      const body = await ask(ENDPOINTS[part])
      expect(isAnswer[part](body), part).toBe(true)
      expect(isAnswer[part](Object.assign({}, body, { data: null })), part).toBe(false)
    }
    expect(isSitesAnswer(await ask("sites"))).toBe(true)
    expect(isGoalsAnswer(await ask("goals"))).toBe(true)
    expect(isGoalsAnswer({ data: [{}] })).toBe(false)
    expect(isAnswer.hour({ ...Object(await ask(ENDPOINTS.hour)), meta: {} })).toBe(false)
    expect(isAnswer.timeline({ ...Object(await ask(ENDPOINTS.timeline)), meta: { count: 1 } })).toBe(false)
  })

  test("that refuses says why", async () => {
    await using node = await serve()
    const refused: unknown = await (await fetch(`${node.url}${API}/stats?site=nowhere`)).json()
    expect(refused).toMatchObject({ code: "UNKNOWN_SITE" })
    expect(isRefusal(refused)).toBe(true)
    expect(isAnswer.stats(refused)).toBe(false)
    expect(isRefusal({ success: true, data: {} })).toBe(false)
  })
})
