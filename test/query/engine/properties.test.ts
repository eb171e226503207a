import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import fc from "fast-check"
import { expect, test } from "vitest"
import { type Database, openDatabase } from "../../../src/query/engine/database.ts"
import { copyTo } from "../../../src/query/engine/dayParts.ts"
import { type PropertyKind, propertiesOf, propertyValue } from "../../../src/query/engine/properties.ts"
import { Values } from "../../../src/query/engine/values.ts"
import { run } from "../../support/effects.ts"
import { temporaryFolder } from "../../support/index.ts"

const MB = 1024 * 1024

const ALL: ReadonlyArray<PropertyKind> = ["string", "number", "boolean"]

const withDatabase = <A, E>(
  memoryBytes: number,
  use: (database: Database, folder: string) => Effect.Effect<A, E>,
) => {
  const folder = join(temporaryFolder(), "query")
  return run(
    Effect.scoped(Effect.flatMap(openDatabase(folder, memoryBytes), (opened) => use(opened, folder))),
  )
}

/** Texts of what means something in JSON, in a pattern, or in the text that properties are. */
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom("\\", "\n", "\t", "\\n", "\\b", "s", "n", ".", "*", "[", "$", "^", "|", "/", "~"),
      fc.constantFrom('"', "é", "🎈", "\ufeff", "\u2028", "\r", " ", "{", "-", "constructor"),
    ),
    { maxLength: 5 },
  )
  .map((parts) => parts.join(""))

const value = fc.oneof(text, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean())

const object = fc.dictionary(
  text.filter((key) => key !== "__proto__"),
  fc.oneof(value, fc.constantFrom(null, [1], { a: "b" })),
  { maxKeys: 6 },
)

test("each property is found by its key, as it was sent, and nothing else is", async () => {
  const tried = fc.sample(fc.tuple(object, fc.array(text, { maxLength: 3 })), { numRuns: 400, seed: 7 })
  await withDatabase(64 * MB, (database) =>
    Effect.forEach(tried, ([data, others]) => {
      const keys = [...new Set([...Object.keys(data), ...others])]
      const given = new Values()
      const found = keys.map((key, i) => `'=' || ${propertyValue(key, ALL, given)} AS k${i}`)
      const number = keys.map((key, i) => `(${propertyValue(key, ["number"], given)})::DOUBLE AS n${i}`)
      const row = `SELECT ${given.add(propertiesOf(JSON.stringify(data)) ?? "")}::VARCHAR AS data`
      return Effect.map(
        database.rows(`SELECT 1${[...found, ...number].map((each) => `, ${each}`).join("")} FROM (${row})`, [
          ...given.list,
        ]),
        ([answer]) => {
          keys.forEach((key, i) => {
            const sent: unknown = Object.hasOwn(data, key) ? JSON.parse(JSON.stringify(data))[key] : null
            const isScalar = sent !== null && typeof sent !== "object"
            expect([key, answer?.[`k${i}`]]).toEqual([key, isScalar ? `=${String(sent)}` : null])
            expect([key, answer?.[`n${i}`]]).toEqual([key, typeof sent === "number" ? sent : null])
          })
        },
      )
    }),
  )
})

test("however large events' data are, and however many conditions there are on it, little memory is enough", async () => {
  await withDatabase(64 * MB, (database, folder) =>
    Effect.gen(function* () {
      const lines = join(folder, "lines")
      const line = JSON.stringify({
        data: propertiesOf(JSON.stringify({ plan: "free", text: "x".repeat(4000) })),
      })
      writeFileSync(lines, `${line}\n`.repeat(5000))
      const target = join(folder, "wide.parquet")
      yield* database.rows(copyTo(target, `FROM read_json('${lines}', columns = {data: 'VARCHAR'})`), [], {
        readsLines: true,
      })
      const values = new Values()
      const conditions = Array.from(
        { length: 60 },
        (_, i) => `${propertyValue("plan", ALL, values)} = ${values.add(`plan ${i}`)}::VARCHAR`,
      )
      const free = `${propertyValue("plan", ["string"], values)} = 'free'`
      const [row] = yield* database.rows(
        `SELECT count(*) AS found FROM read_parquet('${target}') WHERE ${[...conditions, free].join(" OR ")}`,
        values.list,
      )
      expect(row?.found).toBe(5000n)
    }),
  )
})
