/** Answers questions exactly, in a process of its own, from files that it makes of the chunks. The door of this folder. */

export { type Database, DatabaseError, NoDatabase, openDatabase } from "./database.ts"
export { linesToParquet } from "./dayParts.ts"
export { earliestEvents } from "./earliest.ts"
export { forgetEventFiles } from "./forget.ts"
export { type EngineAnswer, FRESH_MS, type Question } from "./messages.ts"
export { type QueryEngine, QueryRefused, queryEngine } from "./process.ts"
