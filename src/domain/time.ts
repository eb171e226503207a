/** Lengths of time. A day here is a day in UTC; {@link file://./period.ts} has the days of the deployment's time zone. */

export const MINUTE_MS = 60_000
export const HOUR_MS = 60 * MINUTE_MS
export const DAY_MS = 24 * HOUR_MS

export const DAY_SECONDS = DAY_MS / 1000
