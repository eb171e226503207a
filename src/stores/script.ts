/** Lua scripts in Redis. */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { Command } from "ioredis"
import { MAX_THEMES, OTHER_THEME } from "../domain/limits.ts"
import type { RedisConnection } from "./redis.ts"
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
  Object.entries({ GROUP, VISITOR_BUCKETS, MAX_THEMES, OTHER_THEME }),
)

/** A constant as a local variable of Lua. */
const local = (name: string): string => {
  const value = CONSTANTS.get(name)
  if (value === undefined) throw new Error(`no script knows a constant ${name}`)
  return `local ${name} = ${JSON.stringify(value)}`
}

/** A Lua script, sent by its hash; the text follows when the server does not know it (restarted, or a new node). */
export class Script {
  readonly #text: string
  readonly #sha: string

  constructor(text: string) {
    this.#text = text
    this.#sha = createHash("sha1").update(text).digest("hex")
  }

  /**
   * The script in a file beside the caller: `Script.load(new URL("./lua/append.lua", import.meta.url))`. A line
   * `-- include <path>` stands for the text of another file, a line `-- constants <names>` for values of {@link CONSTANTS}.
   */
  static load(url: URL): Script {
    const text = readFileSync(url, "utf8").replace(/^-- include (\S+)$/gm, (_, path: string) =>
      readFileSync(new URL(path, url), "utf8").trimEnd(),
    )
    return new Script(
      text.replace(/^-- constants (.+)$/gm, (_, names: string) => names.split(", ").map(local).join(" ")),
    )
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
    const count = parts.reduce((sum, part) => sum + part.count, 0)
    const call = (name: "evalsha" | "eval", script: string, args: ReadonlyArray<Buffer>) => {
      const head = encoded([name, script, keys.length, ...keys])
      const bytes = Buffer.concat([Buffer.from(`*${head.count + count}\r\n`), head.bytes, ...args])
      return { bytes, reply: redis.sendCommand(new EncodedCommand([name, script], keys, bytes)) }
    }
    const sent = parts.map((part) => part.bytes)
    const length = sent.reduce((sum, part) => sum + part.length, 0)
    const { bytes, reply } = call("evalsha", this.#sha, sent)
    try {
      return await reply
    } catch (cause) {
      if (!(cause instanceof Error && cause.message.startsWith("NOSCRIPT"))) throw cause
      return await call("eval", this.#text, [bytes.subarray(bytes.length - length)]).reply
    }
  }
}
