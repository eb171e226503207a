/** The files in a data folder through which a node and the tools on its machine find each other. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { secretIn } from "../config/secretFile.ts"

/** Where the key is stored that lifts the rate limit for tools on this machine. */
export const localWriteKeyPath = (dataDir: string): string => join(dataDir, "write-key")

/** The data folder's own write key, generated at the first start; local tools read it from the same place. */
export const localWriteKey = (dataDir: string): string => secretIn(localWriteKeyPath(dataDir))

/** The stores of the node that runs in the data folder, with their passwords. */
export interface StoreUrls {
  readonly redisUrl: string
  readonly databaseUrl: string
}

const storeUrlsPath = (dataDir: string) => join(dataDir, "stores.json")

/** Records the stores' URLs, for commands that run beside the node, until the scope closes. */
export const noteStoreUrls = (dataDir: string, urls: StoreUrls): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => writeFileSync(storeUrlsPath(dataDir), JSON.stringify(urls), { mode: 0o600 })),
    () => Effect.sync(() => rmSync(storeUrlsPath(dataDir), { force: true })),
  )

/** The URLs recorded by the node that holds the data folder; `null` when it has not got that far. */
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
