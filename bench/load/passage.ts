/** Sends events as fast as the node processes them, from the POST to the figures: the sustained rate. */
import { type Check, type Context, checkAnswered, checkSent } from "../scenario.ts"
import type { BenchNode } from "../server/node.ts"
import { type Sample, startSampler } from "../server/sampler.ts"
import type { Stores } from "../server/stores.ts"
import { expectedFigures, type WrittenCorpus } from "./corpus.ts"
import { type Sent, startLoad } from "./sustained.ts"

/** Connections of the load generator: with fewer, all of them sometimes wait for answers while cores idle. */
export const CONNECTIONS = 512
/** Waiting events at which the load is paused and at which it resumes: a second or two of work. */
const PAUSE_AT = 60_000
const RESUME_AT = 30_000
/** Seconds between two lines of progress. */
const SAY_EVERY = 5

export interface Subject {
  readonly context: Context
  readonly node: BenchNode
  readonly stores: Stores
}

export interface Passage {
  readonly sent: Sent
  readonly events: number
  /** Seconds until nothing was waiting any more. */
  readonly seconds: number
  readonly perSecond: number
  readonly samples: ReadonlyArray<Sample>
  readonly checks: ReadonlyArray<Check>
}

/** Loads the node for some seconds, waits until everything is processed, and compares the stores with what was sent. */
export const passEvents = async (
  { context, node, stores }: Subject,
  corpus: WrittenCorpus,
  seconds: number,
  name: string,
): Promise<Passage> => {
  const rowsBefore = await stores.rows()
  const before = await stores.figures()
  const began = performance.now()
  const load = startLoad(context, {
    port: node.port,
    connections: CONNECTIONS,
    seconds,
    corpusFile: corpus.file,
  })
  let said = 0
  const sampler = startSampler(node, stores, ({ at, backlog, counted }) => {
    if (backlog > PAUSE_AT) load.pause()
    else if (backlog < RESUME_AT) load.resume()
    if (at - said < SAY_EVERY) return
    said = at
    context.say(`${name}: ${counted - before.events} counted, ${backlog} wait`)
  })
  await Promise.race([load.spent, load.ended])
  await stores.drained()
  const elapsed = (performance.now() - began) / 1000
  const sent = await load.ended
  await stores.drained()
  await sampler.stop()
  const after = await stores.figures()
  const expected = expectedFigures(corpus, sent.requests)
  const rows = (await stores.rows()) - rowsBefore
  const unsure = sent.failed * corpus.perRequest
  const exactly = (what: string, planned: number, actual: number) =>
    checkSent(`${name}: ${what}`, planned, actual, unsure)
  context.say(`${name}: ${Math.round(expected.events / elapsed)} events/s`)
  return {
    sent,
    events: expected.events,
    seconds: elapsed,
    perSecond: expected.events / elapsed,
    samples: sampler.samples,
    checks: [
      ...checkAnswered(context, sent.failed),
      exactly("rows in Postgres", expected.events, rows),
      exactly("events in Redis", expected.events, after.events - before.events),
      exactly("page views in Redis", expected.pageViews, after.pageViews - before.pageViews),
      exactly("letters in Redis", expected.letters, after.letters - before.letters),
    ],
  }
}
