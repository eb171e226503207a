// Preloaded into a node (`--import`), in each of its threads: shifts its wall clock by what a file says, in milliseconds.
import { readFileSync } from "node:fs"

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
const now = Date.now.bind(Date)
const shifted = () => now() + offset
globalThis.Date = new Proxy(Date, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [shifted()] : args, newTarget),
  get: (target, name) => (name === "now" ? shifted : Reflect.get(target, name)),
})
