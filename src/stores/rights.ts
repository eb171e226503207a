/**
 * What a user of Redis has to be allowed, once: the start asks for it, and docs/operations.md has the line that grants it
 * (`ACL SETUSER`).
 */
import type { Redis } from "ioredis"
import { liveChannel, rebuiltPrefix } from "./redisKeys.ts"
import { Script } from "./script.ts"

const commands = (text: string): ReadonlyArray<string> => text.trim().split(/;\s+/)

/** Commands that are run, by this program or its scripts, with as many words as Redis wants to see; K is a key. */
const ON_KEYS = commands(`
  del K; eval text 1 K; evalsha hash 1 K; exists K; expire K 1; expireat K 1; expiretime K; get K; hget K f;
  hincrby K f 1; hmget K f; hset K f v; pfadd K m; pfcount K; pfmerge K K; rename K K; sadd K m; scard K; set K v; smismember K m;
  srem K m; sunionstore K K; type K; unlink K; xadd K * f v; xdel K 1; xgroup create K g 0; xgroup setid K g 0; xinfo groups K;
  xinfo stream K; xlen K; xrange K - +; xread streams K 0; xrevrange K + -; xsetid K 1; xtrim K maxlen 0; zadd K 1 m; zcard K;
  zcount K 0 1; zincrby K 1 m; zrange K 0 1; zrem K m; zremrangebyscore K 0 1; zscore K m
`)
/** C is the channel on which nodes tell each other what was counted. */
const ON_CHANNEL = ["publish C message", "subscribe C"]
const ON_NOTHING = ["scan 0", "time"]

const REWRITE = "bgrewriteaof"
/** Without this, a backup cannot have the visitors of periods whose raw events are partly deleted. */
const OF_BACKUPS = ["smembers K"]
/** Needed by some deployments only. */
const ON_A_CLUSTER = ["asking", "cluster info", "cluster slots"]
const WITH_REPLICAS = ["wait 1 1"]
const WITH_A_DATABASE = ["select 1"]
/** Without these, a node does not know Redis' settings, leaves deleted data on its disk, and has connections without names. */
const OPTIONAL = [REWRITE, "client setname name", "config get name", "info"]

/** Commands whose second word is a command as well. */
const CONTAINERS: ReadonlySet<string> = new Set(["client", "cluster", "config", "xgroup", "xinfo"])

/** A command as ACL rules call it: `xadd`, `xgroup|create`. */
const nameOf = (command: string): string => {
  const [first = "", second] = command.split(" ")
  return CONTAINERS.has(first) ? `${first}|${second}` : first
}

const granted = (names: ReadonlyArray<string>): string => names.map((each) => `+${nameOf(each)}`).join(" ")

/** The rules that grant what a deployment with a prefix needs: of its keys, of those while it rebuilds, and of its channel. */
const patternsOf = (prefix: string) => ({
  keys: `~${prefix}:*`,
  rebuilt: `~${rebuiltPrefix(prefix)}:*`,
  channel: `&${liveChannel(prefix)}`,
})

/** ACL rules for a user, as the documentation has them. */
export const aclRules = (prefix: string) => {
  const { keys, rebuilt, channel } = patternsOf(prefix)
  return {
    always: `${keys} ${rebuilt} ${channel} ${granted([...ON_KEYS, ...ON_CHANNEL, ...ON_NOTHING, ...OPTIONAL, ...OF_BACKUPS].sort())}`,
    cluster: granted(ON_A_CLUSTER),
    replicas: granted(WITH_REPLICAS),
    database: granted(WITH_A_DATABASE),
  }
}

/** What a deployment is like, as far as its rights depend on it. */
export interface Needs {
  /** Of its keys. */
  readonly prefix: string
  readonly cluster: boolean
  /** Whether it waits for replicas. */
  readonly replicas: boolean
  /** Whether its database is not the first one. */
  readonly database: boolean
}

const rightsScript = Script.load(new URL("./lua/rights.lua", import.meta.url))

/** Which of some commands the user may run, in their order. */
const mayRun = async (
  redis: Redis,
  asked: ReadonlyArray<string>,
  words: { readonly [placeholder: string]: string } = {},
): Promise<ReadonlyArray<boolean>> => {
  const args = asked.flatMap((command) => {
    const all = command.split(" ").map((word) => words[word] ?? word)
    return [all.length, ...all]
  })
  const reply = await rightsScript.run(redis, [], args)
  const answers: ReadonlyArray<unknown> = Array.isArray(reply) ? reply : []
  return asked.map((_, i) => answers[i] === 1)
}

/**
 * Rights that the user of a connection lacks, as the ACL rules that grant them; none where there is nothing to complain of. Rejects with
 * Redis' words where it may not even run a script.
 */
export const missingRights = async (redis: Redis, needs: Needs): Promise<ReadonlyArray<string>> => {
  const { keys, rebuilt, channel } = patternsOf(needs.prefix)
  const plain = [
    ...ON_NOTHING,
    ...(needs.cluster ? ON_A_CLUSTER : []),
    ...(needs.replicas ? WITH_REPLICAS : []),
    ...(needs.database ? WITH_A_DATABASE : []),
  ]
  // Where none of the commands may be run, it is the pattern that lacks.
  const lacking = async (asked: ReadonlyArray<string>, pattern: string, words: Record<string, string>) => {
    const may = await mayRun(redis, asked, words)
    return may.includes(true)
      ? asked.filter((_, i) => may[i] !== true).map((each) => `+${nameOf(each)}`)
      : [pattern]
  }
  const onKeys = await lacking(ON_KEYS, keys, { K: `${needs.prefix}:{0}:key` })
  const onRebuilt = await lacking(ON_KEYS, rebuilt, { K: `${rebuiltPrefix(needs.prefix)}:{0}:key` })
  const onChannel = await lacking(ON_CHANNEL, channel, { C: liveChannel(needs.prefix) })
  const may = await mayRun(redis, plain)
  return [
    ...new Set([
      ...onKeys,
      ...onRebuilt,
      ...onChannel,
      ...plain.filter((_, i) => may[i] !== true).map((each) => `+${nameOf(each)}`),
    ]),
  ]
}

/** Whether the user may have the append-only file written again. */
export const mayRewrite = async (redis: Redis): Promise<boolean> =>
  (await mayRun(redis, [REWRITE])).includes(true)
