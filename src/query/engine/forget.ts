/** Files of another database. */
import { rmSync } from "node:fs"
import { join } from "node:path"
import { QUERY_FOLDER } from "./messages.ts"

/**
 * Removes the files of a data folder whose database becomes another one: they are known by where Postgres had the chunks, and another
 * server may have others there. They are a cache, and made again.
 */
export const forgetEventFiles = (dataDir: string): void =>
  rmSync(join(dataDir, QUERY_FOLDER), { recursive: true, force: true })
