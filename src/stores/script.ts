/** Lua scripts in Redis. */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { type Cluster, Command, Pipeline } from "ioredis"
import { MAX_EXACT_UNIQUES, MAX_THEMES, OTHER_THEME } from "../domain/limits.ts"
import { isCluster, type RedisConnection } from "./redis.ts"
import { GROUP, VISITOR_BUCKETS } from "./redisKeys.ts"
import { type EncodedArguments, encoded } from "./resp.ts"

/** A command whose bytes are known; its own arguments are those that tell a cluster's client the slot. */
class EncodedCommand extends Command {
  readonly #bytes: Buffer

  constructor(
    script: readonly [name: "evalsha" | "eval", script: string],
    keys: ReadonlyArray<string>,
    bytes: Buffer,
  ) {
    super(script[0], [script[1], keys.length, ...keys], { replyEncoding: "utf8" })
    this.#bytes = bytes
  }

  override toWritable(): Buffer {
    return this.#bytes
  }
}

/** What scripts and TypeScript both know. */
const CONSTANTS: ReadonlyMap<string, number | string> = new Map(
  Object.entries({ GROUP, VISITOR_BUCKETS, MAX_THEMES, OTHER_THEME, MAX_EXACT_UNIQUES }),
)

/** A constant as a local variable of Lua. */
const local = (name: string): string => {
  const value = CONSTANTS.get(name)
  if (value === undefined) throw new Error(`no script knows a constant ${name}`)
  return `local ${name} = ${JSON.stringify(value)}`
}

/**
 * What Redis is sent of a script's file: a line `-- include <path>` stands for the text of another file, a line
 * `-- constants <names>` for values of {@link CONSTANTS}.
 */
export const scriptText = (url: URL): string =>
  readFileSync(url, "utf8")
    .replace(/^-- include (\S+)$/gm, (_, path: string) => readFileSync(new URL(path, url), "utf8").trimEnd())
    .replace(/^-- constants (.+)$/gm, (_, names: string) => names.split(", ").map(local).join(" "))

/** A Lua script, sent by its hash; the text follows when the server does not know it (restarted, or a new node). */
export class Script {
  readonly #text: string
  readonly #sha: string

  constructor(text: string) {
    this.#text = text
    this.#sha = createHash("sha1").update(text).digest("hex")
  }

  /** The script in a file beside the caller: `Script.load(new URL("./lua/append.lua", import.meta.url))`. */
  static load(url: URL): Script {
    return new Script(scriptText(url))
  }

  /** Rejects with Redis' error. */
  run(
    redis: RedisConnection,
    keys: ReadonlyArray<string>,
    args: Iterable<string | number>,
  ): Promise<unknown> {
    return this.runEncoded(redis, keys, [encoded(args)])
  }

  /** The same with arguments that were encoded before, one part after the other. They are free again when this returns. */
  async runEncoded(
    redis: RedisConnection,
    keys: ReadonlyArray<string>,
    parts: ReadonlyArray<EncodedArguments>,
  ): Promise<unknown> {
    const call = new Call(keys, parts)
    try {
      return await redis.sendCommand(call.command("evalsha", this.#sha))
    } catch (cause) {
      if (!isRefusal(cause, "NOSCRIPT")) throw cause
      return await redis.sendCommand(call.command("eval", this.#text))
    }
  }

  /**
   * Like {@link runEncoded}, and asks the server that ran it how many of its replicas have all that the script wrote, waiting for
   * `replicas` of them up to `waitMs`. On a cluster that is moving the keys it tries again for as long.
   */
  async runReplicated(
    redis: RedisConnection,
    keys: ReadonlyArray<string>,
    parts: ReadonlyArray<EncodedArguments>,
    { replicas, waitMs }: { readonly replicas: number; readonly waitMs: number },
  ): Promise<Replicated> {
    const call = new Call(keys, parts)
    const until = performance.now() + waitMs
    let command = call.command("evalsha", this.#sha)
    while (true) {
      const [reply, acknowledged] = await sendTogether(redis, [
        command,
        new Command("wait", [replicas, waitMs]),
      ])
      if (!(reply instanceof Error)) {
        if (acknowledged instanceof Error) throw acknowledged
        return { reply, replicas: Number(acknowledged) }
      }
      // None of these has run the script.
      const isUnknown = isRefusal(reply, "NOSCRIPT")
      const isMoving = isRefusal(reply, "MOVED", "ASK", "TRYAGAIN") && performance.now() < until
      if (isMoving && isCluster(redis)) await refreshSlots(redis)
      else if (!isUnknown) throw reply
      command = isUnknown ? call.command("eval", this.#text) : call.command("evalsha", this.#sha)
    }
  }
}

/**
 * Sends commands to one server on one connection, for WAIT is about what its own connection has written. Resolves with replies and
 * errors; commands are not sent on to another server when only some of them were refused.
 */
const sendTogether = async (
  redis: RedisConnection,
  commands: ReadonlyArray<Command>,
): Promise<ReadonlyArray<unknown>> => {
  const pipeline = new Pipeline(redis)
  for (const command of commands) pipeline.sendCommand(command)
  const results = (await pipeline.exec()) ?? []
  return results.map(([error, reply]) => error ?? reply)
}

/** What a script replied, and how many replicas have what it wrote. */
export interface Replicated {
  readonly reply: unknown
  readonly replicas: number
}

/** A script's keys and arguments, encoded once however often they are sent. */
class Call {
  readonly #keys: ReadonlyArray<string>
  readonly #count: number
  readonly #arguments: Buffer

  constructor(keys: ReadonlyArray<string>, parts: ReadonlyArray<EncodedArguments>) {
    this.#keys = keys
    this.#count = parts.reduce((sum, part) => sum + part.count, 0)
    this.#arguments = Buffer.concat(parts.map((part) => part.bytes))
  }

  command(name: "evalsha" | "eval", script: string): EncodedCommand {
    const head = encoded([name, script, this.#keys.length, ...this.#keys])
    const frame = Buffer.from(`*${head.count + this.#count}\r\n`)
    return new EncodedCommand([name, script], this.#keys, Buffer.concat([frame, head.bytes, this.#arguments]))
  }
}

const isRefusal = (cause: unknown, ...words: ReadonlyArray<string>): boolean =>
  cause instanceof Error && words.some((word) => cause.message.startsWith(word))

/** Milliseconds until a cluster that is moving keys is asked again. */
const MOVING_MS = 50

/** Learns which server has which slot now. */
const refreshSlots = (cluster: Cluster): Promise<void> =>
  new Promise((resolve) => setTimeout(() => cluster.refreshSlotsCache(() => resolve()), MOVING_MS))
