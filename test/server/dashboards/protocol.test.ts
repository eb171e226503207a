import * as Effect from "effect/Effect"
import { describe, expect, test } from "vitest"
import { ERROR_CODES, MESSAGE_CODES, TOPICS } from "../../../src/domain/frames.ts"
import {
  errorFrame,
  eventFrame,
  figuresErrorFrame,
  figuresFrame,
  heartbeatFrame,
  initialStatsFrame,
  MessageError,
  pongFrame,
  queryErrorFrame,
  queryFrame,
  RESERVED_TYPES,
  refusalsFrame,
  STORE_ERROR_FRAME,
  statsUpdateFrame,
  subscribedFrame,
} from "../../../src/server/dashboards/protocol.ts"
import { openApiDocument } from "../../../src/server/openapi/document.ts"
import { Contract } from "../../../src/tools/doctor/contract.ts"
import { VISITOR, World } from "../../support/server.ts"

const { figures } = new World().services
const json = async <A>(effect: Effect.Effect<A, unknown>): Promise<string> =>
  JSON.stringify(await Effect.runPromise(effect))

const realtime = await json(figures.realtime("main"))
const themes = await json(figures.themes("main", 5, null))
const letters = await json(figures.letters("main", "day"))
const week = await json(
  Effect.all({ stats: figures.stats("main", "week"), letters: figures.letters("main", "week") }),
)

const answered = JSON.stringify({
  results: [{ dimensions: ["/cv"], metrics: [1] }],
  meta: { total_rows: 1, approximate: [] },
  query: {},
})

const MANY_SITES = ["x".repeat(63), "y".repeat(64), "z".repeat(64), "zz".repeat(32), "zzz"].join()

/** Every frame beside the bytes that clients have always got. */
const FRAMES: ReadonlyArray<readonly [frame: string, bytes: string]> = [
  [initialStatsFrame("main", realtime), `{"type":"initial_stats","site":"main","data":${realtime}}`],
  [heartbeatFrame("main", realtime), `{"type":"heartbeat","site":"main","data":${realtime}}`],
  [statsUpdateFrame("main", realtime, null), `{"type":"stats_update","site":"main","data":${realtime}}`],
  [
    statsUpdateFrame("main", realtime, { events: 3, by_type: { page_view: 2, other: 1 } }),
    `{"type":"stats_update","site":"main","data":${realtime},"omitted":{"events":3,"by_type":{"page_view":2,"other":1}}}`,
  ],
  [figuresFrame("main", "themes", themes), `{"type":"themes","site":"main","data":${themes}}`],
  [figuresFrame("main", "letters", letters), `{"type":"letters","site":"main","data":${letters}}`],
  [figuresFrame("main", "week", week), `{"type":"period","site":"main","data":${week}}`],
  [pongFrame(1_765_000_000_999), '{"type":"pong","time":1765000000}'],
  [
    subscribedFrame("main", ["stats", "events"]),
    '{"type":"subscribed","site":"main","topics":["stats","events"]}',
  ],
  [
    errorFrame(new MessageError("INVALID_JSON", "A message must be JSON.")),
    '{"type":"error","code":"INVALID_JSON","error":"A message must be JSON."}',
  ],
  [
    refusalsFrame("main", [
      {
        ...{ site: "mian", code: "UNKNOWN_SITE", host: null, events: 2 },
        timestamp: "2025-12-08T10:00:00.000Z",
      },
    ]),
    '{"type":"refusals","site":"main","data":[{"site":"mian","code":"UNKNOWN_SITE","host":null,"events":2,"timestamp":"2025-12-08T10:00:00.000Z"}]}',
  ],
  [queryFrame("pages", answered), `{"type":"query","id":"pages","answer":${answered}}`],
  [
    queryErrorFrame('"', { code: "INVALID_QUERY", error: "Why." }),
    '{"type":"error","code":"INVALID_QUERY","error":"Why.","id":"\\""}',
  ],
  [
    figuresErrorFrame("main", { code: "STORE_UNAVAILABLE", error: "Why." }),
    '{"type":"error","code":"STORE_UNAVAILABLE","error":"The figures cannot be read now.","site":"main"}',
  ],
  [
    figuresErrorFrame("blog,main", { code: "QUERY_TIMEOUT", error: "Why." }, "month"),
    '{"type":"error","code":"QUERY_TIMEOUT","error":"Why.","site":"blog,main","topic":"month"}',
  ],
  // Of more slugs than a frame should name, those that are whole within 256 characters.
  [
    heartbeatFrame(MANY_SITES, realtime),
    `{"type":"heartbeat","site":"${"x".repeat(63)},${"y".repeat(64)},${"z".repeat(64)},…","data":${realtime}}`,
  ],
  [
    STORE_ERROR_FRAME,
    '{"type":"error","code":"STORE_UNAVAILABLE","error":"The figures cannot be read now."}',
  ],
  [
    eventFrame({
      data: { a: 1 },
      page_url: null,
      timestamp: "2025-12-08T10:00:00.000Z",
      visitor_id: VISITOR,
      type: "page_view",
      site: "main",
    }),
    `{"type":"page_view","site":"main","visitor_id":"${VISITOR}","timestamp":"2025-12-08T10:00:00.000Z","page_url":null,"data":{"a":1},"dimensions":{}}`,
  ],
]

describe("every frame", () => {
  const contract = new Contract(openApiDocument({ sites: ["main"] }))

  test.each(FRAMES)(
    "%s has the bytes it has always had, and the shape that is documented",
    (frame, bytes) => {
      expect(frame).toBe(bytes)
      expect(contract.frameViolations(JSON.parse(frame))).toEqual([])
    },
  )

  test("of the protocol is among them, and no event may be taken for one", () => {
    const types = new Set(FRAMES.map(([frame]) => String(JSON.parse(frame).type)))
    expect([...RESERVED_TYPES].filter((type) => !types.has(type))).toEqual([])
    for (const type of RESERVED_TYPES) {
      const disguised = { ...JSON.parse(FRAMES.at(-1)?.[0] ?? ""), type }
      expect(contract.frameViolations(disguised), type).not.toEqual([])
    }
  })

  test("with any error code, of any subscription, is documented", () => {
    for (const code of MESSAGE_CODES)
      expect(contract.frameViolations(JSON.parse(errorFrame(new MessageError(code, "Why."))))).toEqual([])
    expect(ERROR_CODES).toContain(JSON.parse(STORE_ERROR_FRAME).code)
    expect(contract.frameViolations(JSON.parse(subscribedFrame("main", TOPICS)))).toEqual([])
  })
})
