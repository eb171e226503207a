/** Writes batches of a partition's events, each event once. */
export { acquireEpoch, type BatchEntry, type Written, writeBatch } from "./batchWriter.ts"
