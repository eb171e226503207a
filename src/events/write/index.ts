/** Writes batches of a partition's events, each event once. */
export {
  type BatchEntry,
  type BatchWriter,
  makeBatchWriter,
  type Position,
  UnknownPartition,
  type Written,
} from "./batchWriter.ts"
export { erasedEntries } from "./erasedEntries.ts"
