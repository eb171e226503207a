// A machine that has more to do: a busy loop on each core, and a writer that calls fsync after each block.
// `node .ci/load.mjs <minutes>` goes on for so long, or until it is ended. Tests that pass beside it, on one core
// (`taskset -c 0` before both), judge no machine's speed.
import { fork } from "node:child_process"
import { fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const BLOCK = Buffer.alloc(256 * 1024)
const MOST_BYTES = 64 * 1024 * 1024

const spin = () => {
  for (let turn = 0; turn < 1e7; turn++);
}

/** Writes to a file that has no name any more, and so leaves nothing behind. */
const writer = () => {
  const folder = mkdtempSync(join(tmpdir(), "load-"))
  const file = openSync(join(folder, "blocks"), "w")
  rmSync(folder, { recursive: true })
  let at = 0
  return () => {
    writeSync(file, BLOCK, 0, BLOCK.length, at)
    fsyncSync(file)
    at = (at + BLOCK.length) % MOST_BYTES
  }
}

const [minutes, task, starter] = process.argv.slice(2)
if (task === undefined) {
  const spins = Array.from({ length: availableParallelism() }, () => "spin")
  const children = [...spins, "write"].map((each) =>
    fork(fileURLToPath(import.meta.url), [minutes, each, String(process.pid)]),
  )
  process.once("SIGTERM", () => {
    for (const child of children) child.kill()
  })
} else {
  const until = Date.now() + Number(minutes) * 60_000
  const work = task === "spin" ? spin : writer()
  while (Date.now() < until && process.ppid === Number(starter)) work()
  process.exit()
}
