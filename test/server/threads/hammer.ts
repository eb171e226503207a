/** In a thread: takes as much of the budgets of some addresses as it is given, and says how much that was. */
import { parentPort, workerData } from "node:worker_threads"
import { RateLimit } from "../../../src/server/http/rateLimit.ts"
import { SharedWindows } from "../../../src/server/threads/sharedWindows.ts"

export interface Hammer {
  readonly memory: SharedArrayBuffer
  readonly thread: number
  readonly addresses: ReadonlyArray<string>
  readonly limit: number
  readonly tries: number
}

const { memory, thread, addresses, limit, tries }: Hammer = workerData
const rateLimit = new RateLimit(limit, new SharedWindows(memory, thread))
const granted = addresses.map(() => 0)
for (let i = 0; i < tries; i++)
  for (const [at, address] of addresses.entries())
    granted[at] = (granted[at] ?? 0) + rateLimit.take(address, 1, 1_000_000).granted
parentPort?.postMessage(granted)
