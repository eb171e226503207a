/** Events that cannot be processed, and more events than can be processed. */
import { setTimeout as sleep } from "node:timers/promises"
import { silentDashboard } from "../dashboards.ts"
import { acknowledge } from "../journal.ts"
import type { Link } from "../tcpProxy.ts"
import { again, PARTITIONS, PREFIX, type World } from "../world.ts"
import { endLeases, type Fault, post, SINGLE } from "./fault.ts"

const KILLER = "custom:killer"

const deadLetters = (world: World) =>
  world.stores.redis.use(async (redis) => {
    let sum = 0
    for (let p = 0; p < PARTITIONS; p++) sum += await redis.xlen(`${PREFIX}:{${p}}:dead`)
    return sum
  })

export const EVENT_FAULTS: ReadonlyArray<Fault> = [
  {
    name: "poison",
    what: "entries that cannot be decoded, and entries that Postgres refuses, among the others",
    counters: true,
    strike: (strike) =>
      strike.world.stores.redis.use(async (redis) => {
        const { world } = strike
        await again(world, strike.milliseconds, [200, 1500], async () => {
          const partition = world.random.integer(0, PARTITIONS - 1)
          const payload = world.random.pick([
            "{}",
            "\u0000",
            "[2]",
            `[1,"main",null,"${world.random.uuid()}","page_view",9007199254740991,null,null,null]`,
            `[1,"main",null,"${world.random.uuid()}","page_view",${Date.now()},"\\u0000",null,null]`,
          ])
          await redis.xadd(`${PREFIX}:{${partition}}:events`, "*", "e", payload)
          strike.otherDeadLetters++
          world.log(`poisoned partition ${partition} with ${JSON.stringify(payload)}`)
        })
      }),
  },
  {
    name: "fatal-event",
    topologies: SINGLE,
    what: "an event that kills every node that processes it, until it is dead-lettered",
    between: "proxies",
    strike: async ({ world, journal, poison, broken, note }) => {
      const line = journal.add({
        id: world.random.uuid(),
        site: "main",
        visitor: world.random.uuid(),
        type: KILLER,
        theme: null,
        letter: null,
        at: Date.now(),
      })
      acknowledge(line, performance.now())
      line.sends = 1
      poison.add(line.event.mark)
      let kills = 0
      const tails = new WeakMap<Link, string>()
      for (const { node, postgres } of world.seats) {
        if (postgres === null) continue
        postgres.proxy.watcher = {
          request: (link, chunk) => {
            const text = (tails.get(link) ?? "") + chunk.toString("latin1")
            tails.set(link, text.slice(-20))
            if (!text.includes(KILLER)) return
            node.signal("SIGKILL")
            link.cut()
            kills++
          },
        }
      }
      await post(world, {
        event_type: KILLER,
        id: line.event.id,
        visitor_id: line.event.visitor,
        timestamp: line.event.at,
        event_data: { k: line.event.mark },
      })
      world.log("sent the event that kills")
      const end = performance.now() + 80_000
      while ((await deadLetters(world)) === 0 && performance.now() < end) {
        for (const seat of world.seats) {
          if (seat.node.pid !== null) continue
          world.log(`${seat.node.name} has died`)
          await endLeases(world)
          await seat.node.start()
        }
        await sleep(50)
      }
      if ((await deadLetters(world)) === 0)
        broken(`the fatal event is not dead-lettered after ${kills} kills`)
      note(`dead-lettered after ${kills} kills`)
      for (const { postgres } of world.seats) if (postgres !== null) postgres.proxy.watcher = {}
      for (const { node } of world.seats) if (node.pid === null) await node.start()
    },
  },
  {
    name: "silent-dashboard",
    topologies: SINGLE,
    what: "dashboards that connect and never read; the others and the events are not affected, memory stays bounded",
    counters: true,
    env: () => ({ LIVE_EVENTS_PER_SECOND: "5000" }),
    load: { pause: 10 },
    memoryLimit: 450,
    strike: async ({ world, milliseconds, note }) => {
      const silent = world.seats.flatMap(({ node }) => [
        silentDashboard(node.port),
        silentDashboard(node.port),
      ])
      await sleep(milliseconds)
      const dropped = await Promise.all(
        silent.map((each) => Promise.race([each.dropped.then(() => 1), sleep(100).then(() => 0)])),
      )
      const count = dropped.reduce<number>((sum, each) => sum + each, 0)
      for (const { socket } of silent) socket.destroy()
      note(`${count} of ${silent.length} dropped`)
      // The kernel's buffers absorb some megabytes before the server has to decide.
      for (const { node } of world.seats) {
        const text = await (await fetch(`${node.url}/metrics`)).text()
        const slow = Number(/websocket_dropped_total\{reason="slow"\} (\d+)/.exec(text)?.[1] ?? 0)
        note(`${node.name}: ${slow} slow`)
      }
    },
  },
  {
    name: "overload",
    topologies: SINGLE,
    what: "ten times more events than can be processed, for a minute: Postgres is available one moment in 25, senders push as fast as they get answers, against a `MAX_BACKLOG` of 4,000",
    env: () => ({ MAX_BACKLOG: "4000" }),
    load: { senders: 24, pause: 2, batch: 120, mostPatient: 60 },
    memoryLimit: 512,
    milliseconds: 60_000,
    strike: async ({ world, journal, milliseconds, broken, note }) => {
      const sent = () => journal.lines.reduce((sum, { sends }) => sum + sends, 0)
      const before = { sent: sent(), taken: journal.acknowledged }
      const end = performance.now() + milliseconds
      world.log("Postgres is slow")
      while (performance.now() < end) {
        world.stores.postgres.pause()
        await sleep(960)
        world.stores.postgres.resume()
        await sleep(40)
      }
      world.log("Postgres is as fast as ever")
      const offered = sent() - before.sent
      const taken = journal.acknowledged - before.taken
      const perSecond = (count: number) => Math.round(count / (milliseconds / 1000))
      note(
        `${perSecond(offered)} events/s sent, ${perSecond(taken)} taken (1 of ${(offered / taken).toFixed(1)})`,
      )
      if ((journal.answers.get("503") ?? 0) === 0) broken("overload was never answered with 503")
    },
  },
]
