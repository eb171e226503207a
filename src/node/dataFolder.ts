/** The files of a data folder by which a node and the tools beside it find each other. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { secretIn } from "../config/secretFile.ts"

/** Where the key is kept that lifts the rate limit for tools on this machine. */
export const localWriteKeyPath = (dataDir: string): string => join(dataDir, "write-key")

/** The data folder's own write key, made at the first start; local tools read it from the same place. */
export const localWriteKey = (dataDir: string): string => secretIn(localWriteKeyPath(dataDir))

/** The stores of the node that runs in the data folder, with their passwords. */
export interface StoreUrls {
  readonly redisUrl: string
  readonly databaseUrl: string
}

const storeUrlsPath = (dataDir: string) => join(dataDir, "stores.json")

/** Notes the stores' URLs for commands that work beside the node, until the scope closes. */
export const noteStoreUrls = (dataDir: string, urls: StoreUrls): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => writeFileSync(storeUrlsPath(dataDir), JSON.stringify(urls), { mode: 0o600 })),
    () => Effect.sync(() => rmSync(storeUrlsPath(dataDir), { force: true })),
  )

/** The URLs that the node which holds the data folder has noted; `null` when it has not come so far. */
export const notedStoreUrls = (dataDir: string): StoreUrls | null => {
  if (!existsSync(storeUrlsPath(dataDir))) return null
  const noted: unknown = JSON.parse(readFileSync(storeUrlsPath(dataDir), "utf8"))
  return typeof noted === "object" &&
    noted !== null &&
    "redisUrl" in noted &&
    "databaseUrl" in noted &&
    typeof noted.redisUrl === "string" &&
    typeof noted.databaseUrl === "string"
    ? { redisUrl: noted.redisUrl, databaseUrl: noted.databaseUrl }
    : null
}
