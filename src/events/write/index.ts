/** Writes batches of a partition's events, each event once. */
export { acquireEpoch, type BatchEntry, UnknownPartition, type Written, writeBatch } from "./batchWriter.ts"
