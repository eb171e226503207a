import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { NO_FACTS } from "../../src/domain/dimensions.ts"
import { decodeEvent, type EventContext, Rejection } from "../../src/domain/event.ts"
import { MAX_AGE_MS } from "../../src/domain/limits.ts"
import { PageQuery } from "../../src/domain/pageQuery.ts"
import { decodePayload, encodePayload, ofFields, toFields } from "../../src/domain/payload.ts"

const NOW = Date.parse("2025-12-08T12:00:00Z")
const VISITOR = "0b8a4c1e-8d0a-4a4f-9a53-2f8f3a3b1c22"
const context: EventContext = {
  now: NOW,
  sites: new Set(["main"]),
  site: "main",
  referer: null,
  pageQuery: new PageQuery("*"),
}
const FACTS = {
  origin: '["Google","organic","Organic Search"]',
  client: '["Chrome","131"]',
  label: null,
  bot: true,
}

describe("the stream's payload", () => {
  test("brings back every event that was accepted", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 600 })
    fc.assert(
      fc.property(
        fc.record(
          {
            event_type: fc.constantFrom("page_view", "letter_generate", "custom"),
            event_data: fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 5 }),
            page_url: text,
            referrer: text,
            id: fc.uuid(),
            timestamp: fc.integer({ min: NOW - MAX_AGE_MS, max: NOW }),
          },
          { requiredKeys: ["event_type"] },
        ),
        (body) => {
          const event = decodeEvent(body, context)
          fc.pre(!(event instanceof Rejection))
          for (const facts of [NO_FACTS, FACTS]) {
            const { event: line, facts: beside } = toFields(encodePayload(event, VISITOR, facts))
            const { site, id, type, createdAt, pageUrl, referrer, data } = event
            expect(decodePayload(ofFields(line, beside))).toEqual({
              ...{ site, id, type, createdAt, pageUrl, referrer, facts },
              visitorId: VISITOR,
              data: data === null ? null : JSON.parse(data),
            })
          }
        },
      ),
    )
  })

  test.each([
    ["", "JSON"],
    ["{}", "array"],
    ["[1,2]", "array"],
    [`[9,"main",null,"${VISITOR}","page_view",1,null,null,null]`, "version"],
    [`[1,"main","x","${VISITOR}","page_view",1,null,null,null]`, "id"],
    [`[1,"main",null,"x","page_view",1,null,null,null]`, "visitor"],
    [`[1,"main",null,"${VISITOR}",2,1,null,null,null]`, "type"],
    [`[1,"main",null,"${VISITOR}","page_view","1",null,null,null]`, "time"],
    [`[1,"main",null,"${VISITOR}","page_view",1,2,null,null]`, "page_url"],
    [`[1,"main",null,"${VISITOR}","page_view",1,null,null,[]]`, "data"],
    [`[1,"main",null,"${VISITOR}","page_view",1,null,null,null]\n1\t\t[1]`, "facts"],
  ])("%s says what is wrong with it", (payload, word) => {
    expect(decodePayload(payload)).toEqual(expect.stringContaining(word))
  })

  test("without facts, or with those of a later version, is an event of which nothing more is known", () => {
    const line = `[1,"main",null,"${VISITOR}","page_view",1,null,null,null]`
    for (const payload of [line, `${line}\n2\tbot\tsomething else`])
      expect(decodePayload(payload)).toMatchObject({ type: "page_view", facts: NO_FACTS })
  })
})
