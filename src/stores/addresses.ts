/** Where the stores are, however they came to be. */
import type { AppConfig } from "../config/settings.ts"
import type { Expectations } from "./checkRedis.ts"
import type { RedisSettings } from "./redis.ts"

export interface StoreAddresses {
  readonly redis: RedisSettings
  readonly databaseUrl: string
}

/** What a node with these settings expects of its Redis. */
export const redisExpectations = (
  config: Pick<
    AppConfig,
    "redisCaFile" | "redisCertFile" | "redisKeyFile" | "redisKeyPrefix" | "ackReplicas"
  >,
): Required<Expectations> => ({
  certificates: { ca: config.redisCaFile, cert: config.redisCertFile, key: config.redisKeyFile },
  prefix: config.redisKeyPrefix,
  replicas: config.ackReplicas,
})
