/** Samples a node and its stores during a scenario, twice a second: waiting and counted events, memory and CPU. */
import type { Series } from "../scenario.ts"
import type { BenchNode } from "./node.ts"
import { cpuSeconds, family, proportionalBytes, residentBytes } from "./processes.ts"
import type { Stores } from "./stores.ts"

const EVERY_MS = 500
const MB = 1e6

export type Part = "node" | "redis" | "postgres"
const PARTS: ReadonlyArray<Part> = ["node", "redis", "postgres"]

/** A number for each of the processes that share the machine. */
export type ByPart = Readonly<Record<Part, number>>

export interface Sample {
  /** Seconds since the sampler started. */
  readonly at: number
  readonly backlog: number
  /** Events in Redis' figures. */
  readonly counted: number
  /** MB; for PostgreSQL of all its processes, counting shared pages once. */
  readonly memory: ByPart
  /** Seconds of CPU used so far. */
  readonly cpu: ByPart
}

const sum = (values: ReadonlyArray<number>) => values.reduce((total, value) => total + value, 0)

/** Current memory of a node and its stores, MB. */
export const memoryOf = (node: BenchNode): ByPart => ({
  node: residentBytes(node.pid) / MB,
  redis: residentBytes(node.redisPid) / MB,
  postgres: sum(family(node.postgresPid).map(proportionalBytes)) / MB,
})

/** CPU used by a node and its stores, seconds. */
export const cpuOf = (node: BenchNode): ByPart => ({
  node: cpuSeconds(node.pid),
  redis: cpuSeconds(node.redisPid),
  postgres: sum(family(node.postgresPid).map(cpuSeconds)),
})

export interface Sampler {
  readonly samples: ReadonlyArray<Sample>
  readonly stop: () => Promise<void>
}

/** Samples until stopped. `onSample` is called with each sample. */
export const startSampler = (
  node: BenchNode,
  stores: Stores,
  onSample: (sample: Sample) => void = () => {},
): Sampler => {
  const samples: Array<Sample> = []
  const began = performance.now()
  let stopped = false
  const loop = async () => {
    while (!stopped) {
      const [backlog, { events }] = await Promise.all([stores.backlog(), stores.figures()])
      const sample = {
        at: (performance.now() - began) / 1000,
        backlog,
        counted: events,
        memory: memoryOf(node),
        cpu: cpuOf(node),
      }
      samples.push(sample)
      onSample(sample)
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS))
    }
  }
  const running = loop()
  return {
    samples,
    stop: async () => {
      stopped = true
      await running
    },
  }
}

const round = (value: number, digits: number): number => Number(value.toFixed(digits))

/** A plot's line from samples. */
export const seriesOf = (
  name: string,
  samples: ReadonlyArray<Sample>,
  value: (sample: Sample) => number,
): Series => ({
  name,
  points: samples.map((sample) => [round(sample.at, 1), round(value(sample), 1)] as const),
})

/** The growth per second of something that only grows, between samples. */
export const rateOf = (
  name: string,
  samples: ReadonlyArray<Sample>,
  value: (sample: Sample) => number,
): Series => ({
  name,
  points: samples.slice(1).map((sample, i) => {
    const before = samples[i] ?? sample
    const span = Math.max(sample.at - before.at, 1e-3)
    return [round(sample.at, 1), round((value(sample) - value(before)) / span, 1)] as const
  }),
})

/** Cores that each part kept busy between the first sample and the last one, which are `seconds` apart. */
export const coresUsed = (samples: ReadonlyArray<Pick<Sample, "cpu">>, seconds: number): ByPart => {
  const used = (part: Part) => ((samples.at(-1)?.cpu[part] ?? 0) - (samples[0]?.cpu[part] ?? 0)) / seconds
  return { node: used("node"), redis: used("redis"), postgres: used("postgres") }
}

/** In words: `node 0.55, redis 0.21, postgres 0.13`. */
export const inParts = (values: ByPart, digits: number): string =>
  PARTS.map((part) => `${part} ${values[part].toFixed(digits)}`).join(", ")

/** Lines of a plot from samples, one for each part. */
export const seriesByPart = (
  samples: ReadonlyArray<Sample>,
  value: (sample: Sample) => ByPart,
): ReadonlyArray<Series> => PARTS.map((part) => seriesOf(part, samples, (sample) => value(sample)[part]))

/** The greatest value among samples. */
export const peak = (samples: ReadonlyArray<Sample>, value: (sample: Sample) => number): number =>
  samples.reduce((most, sample) => Math.max(most, value(sample)), 0)
