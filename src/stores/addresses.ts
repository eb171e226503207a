/** Where the stores are, however they came to be. */
import type { RedisSettings } from "./redis.ts"

export interface StoreAddresses {
  readonly redis: RedisSettings
  readonly databaseUrl: string
}
