/** Lengths of time. A day here is a day in UTC; {@link file://./period.ts} has the days of the deployment's time zone. */

export const MINUTE_MS = 60_000
export const HOUR_MS = 60 * MINUTE_MS
export const DAY_MS = 24 * HOUR_MS

export const DAY_SECONDS = DAY_MS / 1000

/**
 * Unix milliseconds of an instant in ISO 8601, with four digits of a year; NaN for a day that its month does not have: `Date.parse`
 * takes 30 February for a day of March.
 */
export const parseInstant = (text: string): number => {
  const [year, month, day] = [text.slice(0, 4), text.slice(5, 7), text.slice(8, 10)].map(Number)
  if (year === undefined || month === undefined || day === undefined) return Number.NaN
  return day > 28 && day > new Date(Date.UTC(year, month, 0)).getUTCDate() ? Number.NaN : Date.parse(text)
}
