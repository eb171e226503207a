/** Where the stores are, however they came to be. */
import type { AppConfig } from "../config/settings.ts"
import type { CertificateFiles } from "./certificates.ts"
import type { RedisSettings } from "./redis.ts"

export interface StoreAddresses {
  readonly redis: RedisSettings
  readonly databaseUrl: string
}

/** The files that the settings name for connections to Redis. */
export const redisCertificates = ({
  redisCaFile,
  redisCertFile,
  redisKeyFile,
}: Pick<AppConfig, "redisCaFile" | "redisCertFile" | "redisKeyFile">): CertificateFiles => ({
  ca: redisCaFile,
  cert: redisCertFile,
  key: redisKeyFile,
})
