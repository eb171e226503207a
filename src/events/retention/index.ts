/** Deletes what is older than the retention, on schedule or by command. */
export { ArchiveFailed, forgetInArchives } from "./archive.ts"
export { type RetentionTimes, retentionTimes } from "./due.ts"
export { METHOD_NAMES } from "./expiredDays.ts"
export { DEFAULT_PACE, removeExpiredRows } from "./expiredRows.ts"
export { type RetainedDay, type RetentionReport, runRetention } from "./retention.ts"
export { scheduleRetention } from "./schedule.ts"
export { type Shortening, shortening } from "./siteLimits.ts"
