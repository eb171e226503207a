/** Keys of Redis by a pattern. */
import { isCluster, mastersOf, type RedisConnection } from "./redis.ts"

/** Every key that a pattern matches, on every node of a cluster. */
const scanOnce = async (redis: RedisConnection, pattern: string): Promise<ReadonlySet<string>> => {
  const keys = new Set<string>()
  for (const node of mastersOf(redis))
    for await (const page of node.scanStream({ match: pattern, count: 1000 }))
      if (Array.isArray(page)) for (const key of page) keys.add(String(key))
  return keys
}

/**
 * The same, and none passed by: a key that a cluster moves from a node that is yet to be scanned to one that was is met by the next
 * scan. Nobody else writes these keys meanwhile.
 */
export const keysLike = async (redis: RedisConnection, pattern: string): Promise<ReadonlyArray<string>> => {
  let keys = await scanOnce(redis, pattern)
  while (isCluster(redis)) {
    const again = await scanOnce(redis, pattern)
    if (again.size === keys.size && keys.isSubsetOf(again)) break
    keys = again
  }
  return [...keys]
}
