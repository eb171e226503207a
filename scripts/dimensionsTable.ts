/**
 * The table of dimensions in docs/events.md, generated from their list: `node scripts/dimensionsTable.ts` prints it, `--write`
 * puts it between the document's markers.
 */
import { DIMENSIONS, type DimensionKind } from "../src/domain/dimensions.ts"
import { markdownTable, printOrWrite } from "./marked.ts"

const EVENTS = new URL("../docs/events.md", import.meta.url)

const FROM: { readonly [K in DimensionKind]: string } = {
  event: "the event",
  request: "its request",
  visit: "its visit",
}

/** The table in Markdown, one row per dimension. */
export const dimensionsTable = (): string =>
  markdownTable(
    ["dimension", "from", "what it is"],
    [
      ...Object.entries(DIMENSIONS).map(([name, { kind, what }]) => [`\`${name}\``, FROM[kind], what]),
      ["`data.<key>`", FROM.event, "A text, number or boolean at the top of `event_data`."],
    ],
  )

if (import.meta.main) printOrWrite(EVENTS, { dimensions: dimensionsTable() })
