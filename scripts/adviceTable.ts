/**
 * The table of docs/troubleshooting.md of what stores say: `node scripts/adviceTable.ts` prints it, `--write` puts it between the
 * document's markers.
 */
import { type Advice, POSTGRES_ADVICE, REDIS_ADVICE } from "../src/stores/advice.ts"
import { markdownTable, printOrWrite } from "./marked.ts"

const TROUBLESHOOTING = new URL("../docs/troubleshooting.md", import.meta.url)

const rowsOf = (store: string, advice: { readonly [code: string]: Advice }) =>
  // A code of digits alone would come before all others.
  Object.entries(advice)
    .toSorted(([a], [b]) => Number(/^\d/.test(a)) - Number(/^\d/.test(b)))
    .map(([code, { meaning, remedy }]) => [
      `\`${code}\``,
      store,
      `${meaning[0]?.toUpperCase()}${meaning.slice(1)}. ${remedy}`,
    ])

/** The table in Markdown, one row per code. */
export const adviceTable = (): string =>
  markdownTable(
    ["code", "store", "cause and remedy"],
    [...rowsOf("Redis", REDIS_ADVICE), ...rowsOf("Postgres", POSTGRES_ADVICE)],
  )

if (import.meta.main) printOrWrite(TROUBLESHOOTING, { advice: adviceTable() })
