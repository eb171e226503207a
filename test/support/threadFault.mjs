// Preloaded into a process (`--import`), in each of its threads: those that take requests beside the main one throw where nobody
// catches it, once the file that TEST_FAULT_FILE names is there.
import { existsSync, rmSync } from "node:fs"
import { isMainThread, workerData } from "node:worker_threads"

const file = process.env.TEST_FAULT_FILE ?? ""

if (!isMainThread && typeof workerData?.thread === "number")
  setInterval(() => {
    if (!existsSync(file)) return
    rmSync(file)
    throw new Error("a fault of the test's own")
  }, 20).unref()
