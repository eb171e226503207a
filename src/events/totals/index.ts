/** What is kept of days and periods beside the events and outlives them: daily totals, and the unique visitors of a period. */
export { addTotals, type StoredTotal, type TotalRow, toDayTotals, toTotalRows } from "./dailyTotals.ts"
export { snapshotUniques, type UniquesOf } from "./periodUniques.ts"
