/** A node as a process of its own, and what it has counted. */
import { ROOT } from "../support/documents.ts"
import { freshKeyPrefix, migratedDatabase, redisUrl } from "../support/index.ts"
import { startProcess } from "../support/process.ts"
import { NODE } from "../support/program.ts"

/** Of the administration. */
export const TOKEN = "0123456789abcdef"

/** A node as users start it, over stores of the test's own. */
export const startNode = async (settings: { readonly [name: string]: string } = {}) =>
  startProcess(NODE, {
    cwd: ROOT,
    env: {
      REDIS_URL: redisUrl(),
      DATABASE_URL: await migratedDatabase(),
      REDIS_KEY_PREFIX: freshKeyPrefix().replace(":", ""),
      RATE_LIMIT_PER_MINUTE: "0",
      ADMIN_TOKEN: TOKEN,
      ...settings,
    },
  })

/** A row of the timeline. */
export interface Row {
  readonly event_type: string
  readonly event_data: unknown
  readonly page_url: string
  readonly referrer: string | null
  readonly visitor_id: string
  readonly created_at: string
}

/** What the node has counted of a site, oldest first. */
export const timeline = async (node: string, site = "main"): Promise<ReadonlyArray<Row>> => {
  const answer = await fetch(`${node}/api/v1/analytics/timeline?limit=100&site=${site}`, {
    headers: { Authorization: `Bearer ${TOKEN}` },
  })
  const body: { data: ReadonlyArray<Row> } = JSON.parse(await answer.text())
  return body.data.toReversed()
}
