/** What tests share: real stores, a part of them for each test, and waiting for a condition. */
export { eventually } from "./eventually.ts"
export { freePort } from "./freePort.ts"
export { freshDatabase, freshKeyPrefix, migratedDatabase, redisUrl } from "./isolation.ts"
export { type PrivateStore, privatePostgres, privateRedis } from "./privateStores.ts"
export { temporaryFolder } from "./temporaryFolder.ts"
