/** Compared figures, and the table of them. */
import { setTimeout as sleep } from "node:timers/promises"
import { canonical } from "./read.ts"

export interface Figure {
  readonly site: string
  readonly name: string
  readonly expected: string
  readonly actual: string
  readonly equal: boolean
}

/** Compares two values as JSON. */
export const figure = (site: string, name: string, expected: unknown, actual: unknown): Figure => {
  const [wanted, got] = [canonical(expected), canonical(actual)]
  return { site, name, expected: wanted, actual: got, equal: wanted === got }
}

/** Attempts before a figure counts as different: responses are cached for a moment, and midnight may pass. */
const ATTEMPTS = 8
const BETWEEN = 300

/** Compares what `ask` expects and gets, a few times if they differ. A failed request is a difference, too. */
export const attempt = async (
  site: string,
  name: string,
  ask: () => Promise<readonly [expected: unknown, actual: unknown]>,
): Promise<Figure> => {
  for (let tries = 1; ; tries++) {
    let result: Figure
    try {
      const [expected, actual] = await ask()
      result = figure(site, name, expected, actual)
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error)
      result = { site, name, expected: "an answer", actual: said, equal: false }
    }
    if (result.equal || tries === ATTEMPTS) return result
    await sleep(BETWEEN)
  }
}

const WIDTH = 34
/** Shortens two long texts to where they differ. */
const shorten = (text: string, other: string): string => {
  if (text.length <= WIDTH) return text
  let from = 0
  while (from < text.length && text[from] === other[from]) from++
  if (from === text.length && text.length === other.length) from = 0
  const start = Math.max(0, from - 6)
  return `${start > 0 ? "…" : ""}${text.slice(start, start + WIDTH - 2)}…`
}

/** The figures as a table, with only the different part of lists and objects. */
export const table = (figures: ReadonlyArray<Figure>): string => {
  const nameWidth = Math.max(6, ...figures.map(({ name }) => name.length))
  const siteWidth = Math.max(4, ...figures.map(({ site }) => site.length))
  const row = (site: string, name: string, expected: string, actual: string, mark: string) =>
    `${site.padEnd(siteWidth)}  ${name.padEnd(nameWidth)}  ${expected.padEnd(WIDTH)}  ${actual.padEnd(WIDTH)}  ${mark}`
  return [
    row("site", "figure", "expected", "actual", ""),
    ...figures.map(({ site, name, expected, actual, equal }) =>
      row(site, name, shorten(expected, actual), shorten(actual, expected), equal ? "ok" : "DIFFERS"),
    ),
  ].join("\n")
}
