/** All that a deployment does with events, from the POST to the rebuild, and every answer on the way: equal on equal stores. */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { expect } from "vitest"
import { rebuild } from "../../src/commands/rebuild.ts"
import { retain } from "../../src/commands/retention.ts"
import { type CommandStores, withStores } from "../../src/commands/stores.ts"
import type { AppConfig } from "../../src/config/settings.ts"
import { DAY_MS } from "../../src/domain/time.ts"
import { compact } from "../../src/events/chunks/compaction.ts"
import { shrinkDays } from "../../src/events/chunks/shrink.ts"
import { now } from "./clock.ts"
import { run } from "./effects.ts"
import { eventually } from "./index.ts"
import { runNode, settings } from "./node.ts"

/** The same at each call. */
const uuid = (name: string): string => {
  const hex = createHash("sha256").update(name).digest("hex")
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

const SITES = ["main", "blog"]
const TYPES = ["page_view", "cv_theme_change", "letter_generate", "button_click"]
const DAYS = 6
const EVENTS = 240
const ERASED = uuid("visitor 3")
const STAYS = uuid("visitor 4")

/** The turn's event; its time is `begin`, or days and seconds before. */
const eventOf = (turn: number, begin: number) => ({
  id: uuid(`event ${turn}`),
  event_type: TYPES[turn % TYPES.length],
  event_data: {
    theme: `thème "${turn % 5}" \\ 'n'`,
    letter_type: turn % 3 === 0 ? "motivation" : "anti_motivation",
    ...{ x: ((turn * 7) % 100) + 0.1, y: ((turn * 13) % 100) + 0.7, width: 1000, height: 800 },
  },
  visitor_id: uuid(`visitor ${(turn * 7) % 31}`),
  site: SITES[turn % 5 === 0 ? 1 : 0],
  page_url: `/page/${turn % 4}`,
  timestamp: begin - (turn % DAYS) * DAY_MS - turn * 1000,
})

const command = <A, E>(
  config: AppConfig,
  body: (stores: CommandStores) => Effect.Effect<A, E, Scope.Scope>,
) => run(Effect.scoped(Effect.flatMap(withStores(config), body)))

/** What can be asked of a node, without what depends on the moment. */
const answers = async (node: Awaited<ReturnType<typeof runNode>>) => {
  const found: Record<string, unknown> = {}
  for (const site of SITES) {
    for (const period of ["day", "week", "month"])
      for (const figure of ["stats", "themes", "letters"]) {
        const path = `${figure}?site=${site}&period=${period}`
        found[path] = await node.data(path)
      }
    for (const path of [`timeline?site=${site}&limit=100`, `heatmap?site=${site}&page_url=/page/3`])
      found[path] = await node.data(path)
    const path = `/api/v1/analytics/export/visitors?site=${site}`
    const { status, text } = await node.get(path)
    expect({ path, status }).toEqual({ path, status: 200 })
    found[path] = text.split("\r\n").sort()
  }
  found.visitor = (await node.admin("GET", STAYS)).body.data
  return found
}

/** The same of a node that has just started: nodes keep answers for a moment. */
const asked = async (config: AppConfig) => {
  const node = await runNode(config)
  const found = await answers(node)
  await node.stop()
  return found
}

export interface Pipeline {
  /** Answers by what was asked, after each step. */
  readonly [step: string]: Record<string, unknown>
}

/**
 * Sends events of the days before `begin` (unix milliseconds), some of them twice, to a node whose Postgres is at `databaseUrl`; then
 * erases a visitor, compacts, deletes what has expired, and rebuilds the figures. Two of these, begun at the same time, are equal.
 */
export const wholePipeline = async (databaseUrl: string, begin: number): Promise<Pipeline> => {
  const config = await settings({ databaseUrl })
  const node = await runNode(config)
  const post = async (body: ReadonlyArray<object>) => {
    const response = await fetch(`${node.base}/api/v1/analytics/events`, {
      method: "POST",
      headers: { "Content-Type": "application/x-ndjson" },
      body: body.map((event) => JSON.stringify(event)).join("\n"),
    })
    expect({ status: response.status, body: await response.json() }).toMatchObject({ status: 201 })
  }
  const turns = Array.from({ length: EVENTS }, (_, turn) => turn)
  for (let from = 0; from < EVENTS; from += 40) {
    const batch = turns.slice(from, from + 40).map((turn) => eventOf(turn, begin))
    await post(batch)
    // The batch's first ones again.
    await post(batch.slice(0, 5))
    for (const event of batch.slice(30, 33)) expect(await node.post(event)).toBe(201)
  }
  await eventually(async () => {
    const { text } = await node.get("/metrics")
    expect(text.match(/^maicivy_stream_backlog\{.*\} (\d+)$/gm)).toEqual([
      'maicivy_stream_backlog{partition="0"} 0',
      'maicivy_stream_backlog{partition="1"} 0',
    ])
  })
  const sent = await answers(node)

  const erased = await node.admin("DELETE", ERASED)
  expect(erased).toMatchObject({ status: 200 })
  const { id: _, erased_at: __, ...receipt } = Object(Object(erased.body.data).receipt)
  expect((await node.admin("GET", ERASED)).body.data).toEqual([])

  await command(config, ({ postgres, metrics }) => compact(postgres, { now: now(), busy: false, metrics }))
  await command(config, ({ postgres }) => shrinkDays(postgres, now()))
  const retained = await command(config, (stores) =>
    Effect.map(
      retain(config, stores, { dryRun: false, yes: true, dropTables: true, retentionDays: 3 }, now),
      (report) => (report.skipped ? null : report.days),
    ),
  )
  await command(config, (stores) => rebuild(config, stores, { partitions: null, timeZone: null }, now))
  await node.stop()
  const rebuilt = await asked(config)
  const other = { ...config, partitions: 3, timeZone: "Europe/Paris" }
  await command(config, (stores) => rebuild(config, stores, other, now))
  const moved = await asked(other)
  return {
    sent,
    gone: { erased: { ...Object(erased.body.data), receipt }, retained },
    rebuilt,
    moved,
  }
}
