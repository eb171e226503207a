/** The language of questions: what may be asked of the events, read and resolved; pure, no I/O. The door of this folder. */
export * from "./filters.ts"
export * from "./funnel.ts"
export * from "./intervals.ts"
export * from "./metrics.ts"
export * from "./problem.ts"
export * from "./query.ts"
export * from "./range.ts"
export * from "./values.ts"
