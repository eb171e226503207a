/** Scripts whose writes count once replicas have them, too (ACK_REPLICAS). */
import { APPEND_TIMEOUT_MS } from "../config/stopBudget.ts"
import type { RedisConnection } from "../stores/redis.ts"
import type { EncodedArguments } from "../stores/resp.ts"
import type { Script } from "../stores/script.ts"

/** What an append waits for replicas, milliseconds: what is refused then was told so within the time of an append. */
const REPLICATED_MS = APPEND_TIMEOUT_MS / 2

/** Fewer replicas than ACK_REPLICAS have what a script has written. The message is as Redis would have it. */
export class TooFewReplicas extends Error {}

/** Runs a script that writes; rejects when fewer replicas than are wanted have that by the time that an append may take. */
export const runAcknowledged = async (
  script: Script,
  redis: RedisConnection,
  keys: ReadonlyArray<string>,
  args: ReadonlyArray<EncodedArguments>,
  replicas: number,
): Promise<unknown> => {
  if (replicas === 0) return script.runEncoded(redis, keys, args)
  const ran = await script.runReplicated(redis, keys, args, { replicas, waitMs: REPLICATED_MS })
  if (ran.replicas >= replicas) return ran.reply
  throw new TooFewReplicas(
    `NOREPLICAS ${ran.replicas} of the ${replicas} replicas that ACK_REPLICAS wants have what was written`,
  )
}
