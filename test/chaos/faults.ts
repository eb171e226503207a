/** Every fault, once, in the order in which they run. */
import { setTimeout as sleep } from "node:timers/promises"
import { EVENT_FAULTS } from "./faults/events.ts"
import type { Fault } from "./faults/fault.ts"
import { MOMENT_FAULTS } from "./faults/moments.ts"
import { NETWORK_FAULTS } from "./faults/network.ts"
import { OPERATION_FAULTS } from "./faults/operations.ts"
import { PROCESS_FAULTS } from "./faults/processes.ts"
import { SERVER_FAULTS } from "./faults/servers.ts"
import { SLOT_FAULTS } from "./faults/slots.ts"
import { STORE_FAULTS } from "./faults/stores.ts"

import type { Topology } from "./redis.ts"

export type { Fault } from "./faults/fault.ts"

export const FAULTS: ReadonlyArray<Fault> = [
  {
    name: "none",
    what: "nothing: the measure of the others",
    counters: true,
    strike: ({ milliseconds }) => sleep(milliseconds),
  },
  ...PROCESS_FAULTS,
  ...MOMENT_FAULTS,
  ...NETWORK_FAULTS,
  ...STORE_FAULTS,
  ...EVENT_FAULTS,
  ...OPERATION_FAULTS,
  ...SERVER_FAULTS,
  ...SLOT_FAULTS,
]

/** Those that a topology has. */
export const faultsOf = (topology: Topology): ReadonlyArray<Fault> =>
  FAULTS.filter(({ topologies }) => topologies?.includes(topology) ?? true)
