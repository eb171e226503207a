import fc from "fast-check"
import { expect, test } from "vitest"
import {
  bigints,
  doubles,
  integers,
  smallints,
  texts,
  uuids,
} from "../../../src/events/chunks/binaryArrays.ts"
import { freshEvents, rows } from "../../support/events.ts"

test("binary arrays are what Postgres reads them as", async () => {
  const { postgres } = await freshEvents()
  const whole = (bits: number) => fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 })
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.maxSafeInteger()),
      fc.array(whole(32)),
      fc.array(whole(16)),
      fc.array(fc.double({ noNaN: true, noDefaultInfinity: true })),
      fc.array(fc.option(fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\u0000")))),
      fc.array(fc.uuid()),
      async (int8, int4, int2, float8, text, uuid) => {
        const [row] = await rows(
          postgres,
          "SELECT $1::bigint[]::text[] AS int8, $2::integer[] AS int4, $3::smallint[] AS int2, $4::float8[] AS float8, $5::text[] AS text, $6::uuid[] AS uuid",
          [bigints(int8), integers(int4), smallints(int2), doubles(float8), texts(text), uuids(uuid)],
        )
        expect(row).toEqual({ int8: int8.map(String), int4, int2, float8, text, uuid })
      },
    ),
    { numRuns: 50 },
  )
})
