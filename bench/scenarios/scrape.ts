/** `scrape`: how long Prometheus waits for `/metrics` while events arrive at half the sustained rate. */
import { prepareCorpus } from "../load/corpus.ts"
import { sendAtRate } from "../load/openLoop.ts"
import { passEvents } from "../load/passage.ts"
import { at, inWords } from "../load/percentiles.ts"
import { probe } from "../load/probe.ts"
import {
  atMost,
  byScale,
  type Context,
  checkAnswered,
  type Findings,
  figure,
  type Scenario,
  seconds,
} from "../scenario.ts"
import { startNode } from "../server/node.ts"
import { openStores } from "../server/stores.ts"

const SCRAPES_PER_SECOND = 5
const CONNECTIONS = 256

const run = async (context: Context): Promise<Findings> => {
  const node = await startNode(context)
  const stores = openStores(context, node)
  const corpus = prepareCorpus(context)
  const warmUp = byScale(context, { full: 10, quick: 5, smoke: 1 })
  const sustained = await passEvents({ context, node, stores }, corpus, warmUp, "sustained")
  const rate = sustained.perSecond / 2
  const duration = seconds(context, { full: 20, quick: 6, smoke: 1 })
  const sending = sendAtRate(context, {
    port: node.port,
    connections: CONNECTIONS,
    seconds: duration,
    corpusFile: corpus.file,
    rate,
  })
  const [scraped] = await probe(node.port, ["/metrics"], SCRAPES_PER_SECOND, sending)
  const sent = await sending
  const bytes = Buffer.byteLength(await (await fetch(`${node.url}/metrics`)).text())
  if (scraped === undefined) throw new Error("nothing was scraped")
  context.say(`scrape: ${inWords(scraped.latency)}`)
  return {
    figures: [
      figure(
        "/metrics, p99",
        at(scraped.latency, 99),
        "ms",
        atMost(10),
        `${scraped.latency.count} scrapes of ${(bytes / 1000).toFixed(0)} kB at ${Math.round(rate)} events/s; p50 ${at(scraped.latency, 50).toFixed(1)}, most ${scraped.latency.max.toFixed(1)} ms`,
      ),
    ],
    checks: [...checkAnswered(context, sent.failed + scraped.failed), ...sustained.checks],
    plots: [
      {
        title: "/metrics",
        over: "percentiles",
        unit: "ms",
        series: [{ name: "scrape", points: scraped.latency.at }],
      },
    ],
    remarks: [],
  }
}

export const scrape: Scenario = {
  name: "scrape",
  title: "/metrics under load",
  run,
}
