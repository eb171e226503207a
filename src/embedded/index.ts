/** Redis and PostgreSQL for a machine that has none: started or adopted, kept running, and stopped with the caller's scope. */
export { EmbeddedStoreError } from "./error.ts"
export { FILE_MODE, hasStore, makeFolder } from "./folder.ts"
export { DataDirInUse, lockDataDir } from "./lock.ts"
export { embeddedPostgres, type PostgresOptions } from "./postgres.ts"
export { isAlive } from "./process.ts"
export { embeddedRedis, type RedisOptions } from "./redis.ts"
export { findRedis } from "./redisBinary.ts"
export type { RunningStore } from "./store.ts"
