/** Sentences that people wrote with a limit in them; tables are made from the code. */
import { expect, test } from "vitest"
import { LATE_WINDOW_MS } from "../../src/domain/lateWindow.ts"
import {
  CURRENT_VISITOR_MS,
  MAX_AGE_TEXT,
  MAX_AHEAD_TEXT,
  MAX_BATCH_BODY_BYTES,
  MAX_BATCH_EVENTS,
  MAX_EVENT_BODY_BYTES,
  MAX_THEME_LENGTH,
  MAX_THEMES,
  OTHER_THEME,
} from "../../src/domain/limits.ts"
import { DAY_MS, MINUTE_MS } from "../../src/domain/time.ts"
import { read } from "../support/documents.ts"

const LATE_DAYS = `${Math.floor(LATE_WINDOW_MS / DAY_MS)} days`
const LATE_MINUTES = `${(LATE_WINDOW_MS % DAY_MS) / MINUTE_MS} minutes`
const CURRENT = `${CURRENT_VISITOR_MS / MINUTE_MS} minutes`
const EVENTS = MAX_BATCH_EVENTS.toLocaleString("en-US")
const THEMES = MAX_THEMES.toLocaleString("en-US")
const MIB = MAX_BATCH_BODY_BYTES / 1024 ** 2

test.each([
  ["docs/api.md", `may be up to ${MAX_AGE_TEXT} in the past and ${MAX_AHEAD_TEXT} in the future`],
  ["docs/api.md", `remembered for at least ${LATE_DAYS}`],
  ["docs/api.md", `seen in the last ${CURRENT}`],
  ["docs/api.md", `in a body of at most ${MAX_EVENT_BODY_BYTES / 1024} KiB`],
  ["docs/api.md", `Up to ${EVENTS} events and ${MIB} MiB, as a JSON array`],
  ["docs/api.md", `cut at ${MAX_THEME_LENGTH} code units`],
  ["docs/api.md", `After ${THEMES} different names, further ones are summed as \`${OTHER_THEME}\``],
  ["docs/architecture.md", `holds up to ${THEMES} names`],
  ["docs/reliability.md", `within [${LATE_DAYS}](api.md#idempotency)`],
  ["docs/reliability.md", `accepted from ${MAX_AGE_TEXT} ago to ${MAX_AHEAD_TEXT} ahead`],
  ["docs/reliability.md", `events more than ${MAX_AHEAD_TEXT} ahead were refused`],
  ["docs/operations.md", `sent within the last ${LATE_DAYS}`],
  ["docs/operations.md", `Idempotency keys older than ${LATE_DAYS} are deleted`],
  ["docs/architecture.md", `dropped ${LATE_DAYS} and ${LATE_MINUTES} after the period has ended`],
  ["docs/architecture.md", `each visitor expires after ${CURRENT}`],
])("%s says: %s", (document, sentence) => {
  expect(read(document).replaceAll(/\s+/g, " ")).toContain(sentence)
})
