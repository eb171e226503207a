/** Writes batches of a partition's events, each event once. */
export { acquireEpoch, type BatchEntry, writeBatch } from "./batchWriter.ts"
