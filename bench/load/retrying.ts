/** A careful client: it resends each event, with its id, until it is acknowledged, whatever happens to the server. */
import { randomUUID } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { API_PATH } from "../../src/domain/paths.ts"
import { READY_MS } from "../server/node.ts"

/** Before an event's first retry; each further one waits twice as long, so that a server that starts has the machine for it. */
const AGAIN_MS = 20
const AGAIN_AT_MOST_MS = 500
const ANSWER_MS = 5_000
/** A server that was killed may take all the time there is for a start. */
const GIVE_UP_MS = READY_MS + 30_000

export interface RetryingOptions {
  /** The URL, asked for before each attempt because a restarted server may have another one. */
  readonly url: () => string
  readonly events: number
  readonly concurrency: number
  /** Called with the number of acknowledged events. */
  readonly onAcknowledged: (count: number) => void
}

/** Resolves when every event is acknowledged, with the number of retries. */
export const sendUntilAcknowledged = async (options: RetryingOptions): Promise<number> => {
  const { url, events, concurrency, onAcknowledged } = options
  let next = 0
  let acknowledged = 0
  let retries = 0
  const post = async (body: string): Promise<boolean> => {
    try {
      const response = await fetch(`${url()}${API_PATH}/event`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body,
        signal: AbortSignal.timeout(ANSWER_MS),
      })
      await response.arrayBuffer()
      return response.status === 201
    } catch {
      return false
    }
  }
  const sender = async () => {
    while (next < events) {
      const turn = next++
      const body = JSON.stringify({
        event_type: "page_view",
        id: randomUUID(),
        visitor_id: `00000000-0000-4000-8000-${(turn % 500).toString(16).padStart(12, "0")}`,
        page_url: `/page/${turn % 20}`,
      })
      const deadline = performance.now() + GIVE_UP_MS
      for (let again = AGAIN_MS; !(await post(body)); again = Math.min(2 * again, AGAIN_AT_MOST_MS)) {
        if (performance.now() > deadline)
          throw new Error(`an event was not acknowledged within ${GIVE_UP_MS / 1000} s`)
        retries++
        await sleep(again)
      }
      onAcknowledged(++acknowledged)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, sender))
  return retries
}
