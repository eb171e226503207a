// Preloaded into every thread of a node (`--import`): shifts its wall clock by the milliseconds in a file.
import { readFileSync } from "node:fs"
import { shiftDate } from "../support/shiftDate.mjs"

const file = process.env.CHAOS_CLOCK_FILE ?? ""
let offset = 0
const look = () => {
  try {
    offset = Number(readFileSync(file, "utf8"))
  } catch {
    offset = 0
  }
}
look()
setInterval(look, 100).unref()
shiftDate(() => offset)
