/** Chunks: up to 1,000 events as one row; how they are made, taken apart, merged and shrunk. */
export { bigints, integers, smallints, uuids } from "./binaryArrays.ts"
export {
  CHUNK_PARAMETERS,
  type ChunkEvent,
  type ChunkValues,
  insertChunk,
  toChunks,
  toData,
  UnstorableEvent,
} from "./chunk.ts"
export { scheduleCompaction } from "./compaction.ts"
export { CHUNK_KEY, eventsOf, within } from "./reading.ts"
export { type ChunkPlace, LOCK_CHUNKS, rewriteChunks } from "./rewrite.ts"
export { shrinkDays } from "./shrink.ts"
