/** Deliberate mistakes in a copy of the sources: a checker that does not detect each of them proves nothing. */
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"

export interface Sabotage {
  readonly name: string
  /** The fault under which the mistake must show. */
  readonly fault: string
  readonly edits: ReadonlyArray<{ readonly file: string; readonly from: string; readonly to: string }>
}

export const SABOTAGES: ReadonlyArray<Sabotage> = [
  {
    name: "skips the fence: figures are applied whatever the epoch and the position are",
    fault: "lost-replies",
    edits: [
      {
        file: "src/aggregates/lua/apply.lua",
        from: "if refusal then return refusal end\nif done then return -1 end\n",
        to: "",
      },
    ],
  },
  {
    name: "acknowledges before the append",
    fault: "lost-replies",
    edits: [
      {
        file: "src/stream/lane.ts",
        from: "    group.done.push(done)\n",
        to: "    queueMicrotask(() => done(null))\n",
      },
      // Whatever is in flight when the connection breaks, or is never sent, is then silently lost.
      {
        file: "src/stream/lane.ts",
        from: "return await runAcknowledged(appendScript, redis, keys, args, replicas)",
        to: "if (redis.status !== 'ready' || Math.random() < 0.001) throw new Error('Connection is closed.')\n      return await runAcknowledged(appendScript, redis, keys, args, replicas)",
      },
    ],
  },
  {
    name: "applies twice",
    fault: "none",
    edits: [
      {
        file: "src/actors/commit.ts",
        from: "    owner.position = last.streamId\n",
        to: "    yield* Effect.promise(() => applyTotals(owner.redis, { prefix, partition, epoch, move: null, totals: written.totals, calendar, now: owner.now() }))\n    owner.position = last.streamId\n",
      },
    ],
  },
  {
    name: "drops the idempotency check",
    fault: "none",
    edits: [
      {
        file: "src/events/write/slowPath.ts",
        from: "return entries.filter(({ streamId, event }) => event.id === null || first.has(streamId))",
        to: "return first.size < 0 ? [] : entries",
      },
    ],
  },
  {
    name: "forgets what an earlier try had written",
    fault: "lost-replies",
    edits: [
      {
        file: "src/events/write/slowPath.ts",
        from: "totals: counted.length === 0 ? totals : totalsOf(counted.concat(written), calendar),",
        to: "totals,",
      },
      {
        file: "src/events/write/slowPath.ts",
        from: "return { counted, totals: totalsOf(counted, calendar), duplicates",
        to: "return { counted, totals: { days: new Map(), lastSeen: new Map() }, duplicates",
      },
    ],
  },
]

/** Copies the project to `folder` with the mistake in it. Throws if an edit finds nothing to change. */
export const sabotaged = (root: string, folder: string, { name, edits }: Sabotage): string => {
  mkdirSync(folder, { recursive: true })
  for (const each of ["src", "package.json"])
    cpSync(join(root, each), join(folder, each), { recursive: true })
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"))
  for (const { file, from, to } of edits) {
    const path = join(folder, file)
    const before = readFileSync(path, "utf8")
    if (!before.includes(from))
      throw new Error(`"${name}": ${file} holds no ${JSON.stringify(from)} any more`)
    writeFileSync(path, before.replace(from, to))
  }
  return folder
}
