import { join } from "node:path"
import * as Effect from "effect/Effect"
import { expect, test } from "vitest"
import { type MoveCommand, move } from "../../src/commands/move.ts"
import type { AppConfig } from "../../src/config/settings.ts"
import { now } from "../support/clock.ts"
import { run } from "../support/effects.ts"
import { freshDatabase, redisUrl, temporaryFolder } from "../support/index.ts"
import { runNode, settings } from "../support/node.ts"
import { expectFigures, send } from "./elsewhere.ts"
import { type Node, type Sent, someEvents } from "./traffic.ts"

const moveTo = (config: AppConfig, command: Partial<MoveCommand>) =>
  run(
    Effect.scoped(
      move(
        config,
        {
          ...{ databaseUrl: null, redisUrl: null, dataDir: null, partitions: null, timeZone: null },
          ...command,
        },
        now,
      ),
    ),
  )

test("a deployment moves out of its data folder and into another, changes zone and partitions, and knows who was there", async () => {
  const folder = temporaryFolder()
  const own = await settings()
  const inFolder = { ...own, redisUrl: null, databaseUrl: null }
  const events: Array<Sent> = []
  /** Sends events, and one of a sender without an id, who is known by the key of the day. */
  const sendMore = async (node: Node) => {
    const more = someEvents(50)
    await send(node, more)
    const body = { event_type: "letter_generate" }
    expect(await node.post({ ...body, site: "blog" })).toBe(201)
    events.push(...more, { id: "", visitor: "without an id", site: "blog", at: now(), body })
  }
  const first = { ...inFolder, dataDir: join(folder, "first") }
  const before = await runNode(first)
  await sendMore(before)
  await expectFigures(before, events, "UTC")
  const stores = { databaseUrl: await freshDatabase() }
  await before.stop()
  await expect(moveTo(first, stores)).rejects.toThrow("The new stores have to be named")
  await expect(moveTo(first, { dataDir: first.dataDir })).rejects.toThrow("where the deployment is now")

  const outside = { ...own, ...stores, redisUrl: redisUrl(), timeZone: "Europe/Paris" }
  await moveTo(first, { ...stores, redisUrl: outside.redisUrl, timeZone: "Europe/Paris" })
  const between = await runNode(outside)
  await expectFigures(between, events, "Europe/Paris")
  await sendMore(between)
  await expectFigures(between, events, "Europe/Paris")
  await expect(moveTo(outside, { dataDir: join(folder, "second") })).rejects.toThrow(
    "1 node(s) run: stop every node",
  )
  await between.stop()

  await moveTo(outside, { dataDir: join(folder, "second"), partitions: 5 })
  const second = { ...inFolder, dataDir: join(folder, "second"), partitions: 5, timeZone: "Europe/Paris" }
  const after = await runNode(second)
  await expectFigures(after, events, "Europe/Paris")
  await sendMore(after)
  await expectFigures(after, events, "Europe/Paris")
})
