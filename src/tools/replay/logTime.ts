/** Times as web servers write them. */
import { MINUTE_MS, parseInstant } from "../../domain/time.ts"

/** `17/May/2015:10:05:03 +0200`; HAProxy adds milliseconds, and leaves out the offset where the time is local. */
const COMMON =
  /^(\d{2})\/([A-Z][a-z]{2})\/(\d{4}):(\d{2}):(\d{2}):(\d{2})(\.\d+)?(?: ([+-])(\d{2}):?(\d{2}))?$/
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

const ISO = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:[.,]\d+)?(?:Z|[+-]\d{2}:?\d{2})$/i

/** As Caddy's console has it, in UTC. */
const SLASHED = /^(\d{4})\/(\d{2})\/(\d{2}) (\d{2}:\d{2}:\d{2})(\.\d+)?$/

const commonTime = (parts: RegExpExecArray): number | null => {
  const month = MONTHS.indexOf(parts[2] ?? "")
  const [day = 0, year = 0, hour = 0, minute = 0, second = 0] = [1, 3, 4, 5, 6].map((i) => Number(parts[i]))
  // 60 is a leap second. `Date.UTC` would turn 31 June into 1 July.
  if (month < 0 || day < 1 || hour > 23 || minute > 59 || second > 60) return null
  if (new Date(Date.UTC(year, month, day)).getUTCDate() !== day) return null
  const ms = Math.trunc(Number(parts[7] ?? 0) * 1000)
  if (parts[8] === undefined) return new Date(year, month, day, hour, minute, second, ms).getTime()
  const offset = (Number(parts[9]) * 60 + Number(parts[10])) * MINUTE_MS
  return Date.UTC(year, month, day, hour, minute, second, ms) - (parts[8] === "-" ? -offset : offset)
}

const orNull = (time: number): number | null => (Number.isFinite(time) ? time : null)

/** Unix milliseconds of a time in any of these forms, or `null`. */
export const parseLogTime = (text: string): number | null => {
  const common = COMMON.exec(text)
  if (common !== null) return commonTime(common)
  if (ISO.test(text)) return orNull(parseInstant(text.replace(" ", "T").replace(",", ".")))
  const slashed = SLASHED.exec(text)
  if (slashed === null) return null
  const [, year, month, day, time, fraction = ""] = slashed
  return orNull(parseInstant(`${year}-${month}-${day}T${time}${fraction}Z`))
}

/** Unix seconds, milliseconds, micro- or nanoseconds: a log's time lies between 1973 and 2286. */
export const parseUnixTime = (value: number): number | null => {
  let ms = value * 1000
  while (ms >= 1e13) ms /= 1000
  return ms >= 1e11 ? Math.trunc(ms) : null
}
