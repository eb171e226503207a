/** Events on their way: sent together, again where that may help, and counted once, for each has an id. */
import { data, source, warn } from "./tag.ts"

interface Waiting {
  readonly json: string
  /** When it happened, by the page's stopwatch: clocks can be wrong. */
  readonly at: number
}

/** Browsers take 64 KiB of requests that outlive their page. */
const MAX_BYTES = 6e4
/** Events that are kept for later. */
const MAX_WAITING = 100

const url = `${new URL(data.endpoint || "{{endpoint}}", source)}{{events}}`

let waiting: Array<Waiting> = []
/** Batches on their way: what became of them is not known yet. */
const flying = new Set<Array<Waiting>>()
let pause = 0
let failures = 0

/** In two parts, what is too large in one. */
const halve = (batch: Array<Waiting>) => {
  const middle = batch.length / 2
  post(batch.slice(0, middle))
  post(batch.slice(middle))
}

const post = async (batch: Array<Waiting>) => {
  const body = `[${batch.map(({ json, at }) => json.replace("{", `{"age":${Math.round(performance.now() - at)},`))}]`
  if (batch[1] && new Blob([body]).size > MAX_BYTES) return halve(batch)
  // The page may have used up what may outlive it: without that, once it has failed.
  const ask = (failure?: unknown) =>
    fetch(url, {
      method: "POST",
      body,
      keepalive: !failure,
      credentials: (data.credentials || "include") as RequestCredentials,
      headers: { "Content-Type": "text/plain" },
    })
  let again = batch
  let wait = Math.min(2 ** ++failures, 60)
  flying.add(batch)
  try {
    const answer = await ask().catch(ask)
    wait = +(answer.headers.get("retry-after") || wait)
    if (!/429|5(?!0[15])../.test(`${answer.status}`)) again = []
    if (answer.status === 413 && batch[1]) halve(batch)
    else {
      const told = await answer.json()
      for (const { index, code, error } of told.data?.rejected || [told]) {
        const event = batch[index]
        if (!/LIMITED|UNAVAILABLE|FULL|DOWN/.test(code)) warn(error)
        else if (event) again.push(event)
      }
    }
  } catch {
    if (!again[0] || failures > 2) warn(`no answer from ${url}`)
  }
  // Not before the answer has been read: a page may be left meanwhile.
  flying.delete(batch)
  if (again[0]) {
    waiting = [...again, ...waiting].slice(-MAX_WAITING)
    pause = setTimeout(send, wait * 1000 * (1 + Math.random() / 4))
  } else failures = 0
}

/** Sends what waits, after what is on its way if that may have failed: who has no connection hears of no failure. */
export const send = (again?: unknown): void => {
  clearTimeout(pause)
  pause = 0
  const sent = again ? [...flying, waiting].flat() : waiting
  waiting = []
  if (sent[0]) post(sent)
}

/** Adds an event that happens now. One that is no JSON is dropped alone. */
export const add = (event: object): void => {
  try {
    waiting.push({ json: JSON.stringify(event), at: performance.now() })
    if (!pause) queueMicrotask(send)
  } catch (cause) {
    warn(cause)
  }
}
