/** What happens between the reading of the streams and the moment of Postgres. */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { Redis } from "ioredis"
import { expect, onTestFinished, test } from "vitest"
import { makeBackup } from "../../src/backup/backup.ts"
import { withStores } from "../../src/commands/stores.ts"
import type { AppConfig } from "../../src/config/settings.ts"
import { decodePayload } from "../../src/domain/payload.ts"
import { Calendar } from "../../src/domain/period.ts"
import { partitionOf } from "../../src/domain/visitor.ts"
import { makeBatchWriter } from "../../src/events/write/batchWriter.ts"
import { streamKeys } from "../../src/stores/redisKeys.ts"
import { replayDeadLetter } from "../../src/stream/deadLetters.ts"
import { now } from "../support/clock.ts"
import { run } from "../support/effects.ts"
import { connect, SITES } from "../support/events.ts"
import { redisUrl, temporaryFolder } from "../support/index.ts"
import { runNode, settings } from "../support/node.ts"
import { drained, expectFigures, restoreElsewhere } from "./elsewhere.ts"
import { bodyOf, type Sent, someEvents } from "./traffic.ts"

/** A backup during which something happens, once, when the streams have been read and Postgres is about to be. */
const backUpWhile = async (config: AppConfig, happening: () => Promise<void>) => {
  const folder = join(temporaryFolder(), "backup")
  let sessions = 0
  const manifest = await run(
    Effect.scoped(
      Effect.flatMap(withStores(config), (stores) =>
        makeBackup({
          ...{ ...stores, prefix: config.redisKeyPrefix, folder, program: "test", now },
          postgres: {
            ...stores.postgres,
            // The first one asks which tables there are, the second reads them.
            session: (operation) =>
              Effect.andThen(
                Effect.promise(async () => {
                  sessions++
                  if (sessions === 2) await happening()
                }),
                stores.postgres.session(operation),
              ),
          },
        }),
      ),
    ),
  )
  return { folder, manifest, sessions }
}

/** A deployment whose nodes only accept, so that all of its events wait. */
const waiting = async (events: ReadonlyArray<Sent>) => {
  const config = await settings()
  const front = await runNode({ ...config, roles: ["http"] })
  // Without ids, by which one that came twice would be told.
  for (const { id: _, ...body } of events.map(bodyOf)) expect(await front.post(body)).toBe(201)
  const redis = new Redis(redisUrl())
  onTestFinished(() => redis.disconnect())
  const keysOf = ({ visitor }: Sent) =>
    streamKeys(config.redisKeyPrefix, partitionOf(visitor, config.partitions))
  return { config, redis, keysOf }
}

/** Restores, and expects these events, counted once each. */
const expectRestored = async (folder: string, config: AppConfig, events: ReadonlyArray<Sent>) => {
  const target = await restoreElsewhere(folder, config)
  const node = await runNode(target)
  await drained(target)
  await expectFigures(node, events, "UTC")
  return target
}

const [first, ...others] = someEvents(20, 1)
if (first === undefined) throw new Error("there are no events")
const events = [first, ...others]

test("events that are stored in between come back once", async () => {
  const { config, redis, keysOf } = await waiting(events)
  const { folder, manifest } = await backUpWhile(config, async () => {
    const writer = makeBatchWriter(await connect(config.databaseUrl), SITES)
    const partition = partitionOf(first.visitor, config.partitions)
    const { epoch } = await run(writer.acquireEpoch(partition))
    const found = await redis.xrange(keysOf(first).events, "-", "+", "COUNT", 12)
    const entries = found.map(([streamId, fields]) => {
      const event = decodePayload(fields[1] ?? "")
      if (typeof event === "string") throw new Error(event)
      return { streamId, event }
    })
    await run(writer.write({ partition, epoch, entries, calendar: new Calendar("UTC") }))
    await redis.xdel(keysOf(first).events, ...found.map(([id]) => id))
  })
  expect(manifest.events).toBe(12)
  expect(manifest.waiting.reduce((sum, { lines }) => sum + lines, 0)).toBe(20)
  await expectRestored(folder, config, events)
})

test("an event that is set aside in between comes back as a dead letter only", async () => {
  const { config, redis, keysOf } = await waiting(events)
  const { folder } = await backUpWhile(config, async () => {
    const [found] = await redis.xrange(keysOf(first).events, "-", "+", "COUNT", 1)
    if (found === undefined) throw new Error("no event waits")
    const [id, [, payload = ""]] = found
    await redis.xadd(keysOf(first).dead, "*", "e", payload, "reason", "It is bad.", "entry", id)
    await redis.xdel(keysOf(first).events, id)
  })
  const target = await expectRestored(folder, config, others)
  const { dead } = streamKeys(target.redisKeyPrefix, partitionOf(first.visitor, target.partitions))
  expect(await redis.xlen(dead)).toBe(1)
})

test("a dead letter that is sent through again in between comes back as an event that waits: all is read again", async () => {
  const { config, redis, keysOf } = await waiting(events)
  const [found] = await redis.xrange(keysOf(first).events, "-", "+", "COUNT", 1)
  if (found === undefined) throw new Error("no event waits")
  const [id, [, payload = ""]] = found
  await redis.xdel(keysOf(first).events, id)
  const letter = await redis.xadd(keysOf(first).dead, "*", "e", payload, "reason", "x", "entry", id)
  const { folder, manifest, sessions } = await backUpWhile(config, () =>
    run(
      Effect.scoped(
        Effect.flatMap(withStores(config), (stores) =>
          replayDeadLetter(
            { ...stores, prefix: config.redisKeyPrefix, partitions: config.partitions },
            partitionOf(first.visitor, config.partitions),
            letter ?? "",
          ),
        ),
      ),
    ).then((replayed) => expect(replayed).toBe(true)),
  )
  expect(sessions).toBe(4)
  expect(manifest.dead_letters.lines).toBe(0)
  await expectRestored(folder, config, events)
})
