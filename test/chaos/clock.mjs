// Preloaded into a node (`--import`), in each of its threads: shifts its wall clock by what a file says, in milliseconds.
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
