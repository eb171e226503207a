import { posix } from "node:path"
import { describe, expect, test } from "vitest"
import { marked } from "../../scripts/marked.ts"
import { ROOMS, type Room, roomsTable } from "../../scripts/rooms.ts"
import { read } from "../support/documents.ts"
import { functionsLongerThan, type Source, sources } from "./sources.ts"

/** Lines of a function that still fits a screen. */
const SCREEN = 70

const all = sources()
const roomOf = (path: string): string => (path.includes("/") ? posix.dirname(path) : "")
const known = new Map<string, Room & { readonly floor: number }>(
  ROOMS.map((room, floor) => [room.path, { ...room, floor }]),
)
/** `from → to` for the imports that a rule forbids. */
const offences = (
  sourcesOf: ReadonlyArray<Source>,
  isForbidden: (from: string, to: string) => boolean,
): ReadonlyArray<string> =>
  sourcesOf.flatMap(({ path, imports }) =>
    imports.filter((target) => isForbidden(path, target)).map((target) => `${path} → ${target}`),
  )

const pointsUp = (from: string, to: string): boolean =>
  roomOf(from) !== roomOf(to) &&
  (known.get(roomOf(from))?.floor ?? 0) >= (known.get(roomOf(to))?.floor ?? Number.POSITIVE_INFINITY)

const goesPastADoor = (from: string, to: string): boolean => {
  const room = known.get(roomOf(to))
  return room?.door === true && roomOf(from) !== room.path && posix.basename(to) !== room.main
}

/** Files that can be reached from each other, as a path that ends where it began; `null` when there are none. */
const circle = (files: ReadonlyArray<Source>): ReadonlyArray<string> | null => {
  const importsOf = new Map(files.map(({ path, imports }) => [path, imports]))
  const done = new Set<string>()
  const search = (path: string, way: ReadonlyArray<string>): ReadonlyArray<string> | null => {
    if (way.includes(path)) return [...way.slice(way.indexOf(path)), path]
    if (done.has(path)) return null
    for (const target of importsOf.get(path) ?? []) {
      const found = search(target, [...way, path])
      if (found !== null) return found
    }
    done.add(path)
    return null
  }
  for (const { path } of files) {
    const found = search(path, [])
    if (found !== null) return found
  }
  return null
}

describe("the rooms of src", () => {
  test("are those of the list, and every one has files", () => {
    expect([...new Set(all.map(({ path }) => roomOf(path)))].sort()).toEqual([...known.keys()].sort())
  })

  test("have a file to begin with, whose head says what it is", () => {
    const text = new Map(all.map(({ path, text }) => [path, text]))
    const headless = ROOMS.filter(
      ({ path, main }) => !/^(\/\*\*|\/\/) ?/.test(text.get(posix.join(path, main)) ?? ""),
    )
    expect(headless.map(({ path }) => path)).toEqual([])
  })

  test("import only what lies further down the list", () => {
    expect(offences(all, pointsUp)).toEqual([])
  })

  test("with a door are imported through it only", () => {
    expect(offences(all, goesPastADoor)).toEqual([])
  })

  test("hold no files that import each other in a circle", () => {
    expect(circle(all)).toBeNull()
  })

  test("stand in docs/architecture.md as they are listed", () => {
    expect(marked(read("docs/architecture.md"), "rooms")).toBe(roomsTable())
  })
})

test("an arrow that points up, a way past a door and a circle would be seen", () => {
  const source = (path: string, ...imports: ReadonlyArray<string>): Source => ({ path, text: "", imports })
  expect(offences([source("server/http/body.ts", "server/api/ingest.ts")], pointsUp)).toHaveLength(1)
  expect(offences([source("server/api/ingest.ts", "server/http/body.ts")], pointsUp)).toEqual([])
  expect(offences([source("rebuild/partition.ts", "events/write/batch.ts")], goesPastADoor)).toHaveLength(1)
  expect(offences([source("rebuild/partition.ts", "events/write/index.ts")], goesPastADoor)).toEqual([])
  expect(circle([source("a.ts", "b.ts"), source("b.ts", "c.ts"), source("c.ts", "b.ts")])).toEqual([
    "b.ts",
    "c.ts",
    "b.ts",
  ])
})

describe("functions of src", () => {
  test(`fit a screen of ${SCREEN} lines, or the comment above says "Long:" and why`, () => {
    const unexplained = all
      .flatMap((source) => functionsLongerThan(SCREEN, source))
      .filter(({ comment }) => !/\bLong: \w+/.test(comment))
    expect(unexplained.map(({ place, lines }) => `${place} has ${lines} lines`)).toEqual([])
  })

  test("that do not would be seen, unless they are explained", () => {
    const body = "  f()\n".repeat(3)
    const text = `export const long = () => {\n${body}}\n\n/** Long: a list. */\nexport const list = () => {\n${body}}\n`
    const found = functionsLongerThan(4, { path: "a.ts", text, imports: [] })
    expect(found.map(({ place, comment }) => [place, comment.includes("Long: ")])).toEqual([
      ["a.ts:1", false],
      ["a.ts:8", true],
    ])
  })
})
