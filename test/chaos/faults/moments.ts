/** Strikes at chosen moments in the life of a batch or an append, recognised by the bytes between node and store. */
import { createHash } from "node:crypto"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { pathToFileURL } from "node:url"
import { scriptText } from "../../../src/stores/script.ts"
import type { Link, Watcher } from "../tcpProxy.ts"
import { again, type Seat, seatOf, type World } from "../world.ts"
import { endLeases, type Fault, oldestWaiting, restart, SINGLE } from "./fault.ts"

/** The name of a script in Redis, from the sources that are running, which may be a copy with a mistake. */
const shaOf = (root: string, script: string) =>
  createHash("sha1")
    .update(scriptText(pathToFileURL(join(root, "src", script))))
    .digest("hex")

type Moment = "lock" | "commit" | "figures" | "append"

const MOMENTS: { readonly [M in Moment]: string } = {
  lock: "inside its Postgres transaction, with the partition's row locked",
  commit: "after Postgres' commit, before the figures",
  figures: "after the figures, before their reply",
  append: "after an append, before its reply",
}

/** What the client sends before the reply that marks the moment. */
const askedFor = (root: string, moment: Moment): string | null =>
  moment === "lock"
    ? "batch_lock_partition"
    : moment === "figures"
      ? shaOf(root, "aggregates/lua/apply.lua")
      : null

/** The moment never comes that has not come by then. */
const MOMENT_WITHIN_MS = 60_000

/** Calls `strike` once at the next such moment. The store's reply at that moment never arrives. */
export const atMoment = (
  root: string,
  seat: Seat,
  moment: Moment,
  strike: (link: Link) => void,
): Promise<boolean> =>
  new Promise((resolve) => {
    const wire = moment === "commit" || moment === "lock" ? seat.postgres : seat.redis
    if (wire === null) return resolve(false)
    const question = askedFor(root, moment)
    const asked = new Set<Link>()
    const timer = setTimeout(() => done(false), MOMENT_WITHIN_MS)
    const done = (struck: boolean) => {
      clearTimeout(timer)
      wire.proxy.watcher = {}
      resolve(struck)
    }
    const isHere = (link: Link, chunk: Buffer): boolean => {
      if (moment === "append") return link.hello.includes("maicivy-append")
      if (moment === "commit") return link.hello.includes("maicivy actors") && chunk.includes("COMMIT\0")
      return asked.has(link)
    }
    const watcher: Watcher = {
      reply: (link, chunk) => {
        if (!isHere(link, chunk)) return false
        strike(link)
        done(true)
        return true
      },
      request: (link, chunk) => {
        if (question !== null && chunk.includes(question)) asked.add(link)
      },
    }
    wire.proxy.watcher = watcher
  })

const killAt = (name: string, moment: Moment): Fault => ({
  name,
  ...(moment !== "commit" && { topologies: SINGLE }),
  what: `kill -9 of a node ${MOMENTS[moment]}, repeatedly (leases are ended by hand to fit in more crashes)`,
  between: "proxies",
  milliseconds: 22_000,
  strike: async ({ world, milliseconds, note, broken }) => {
    let kills = 0
    await again(world, milliseconds, [300, 900], async () => {
      const seat = seatOf(world)
      const struck = await atMoment(world.options.root, seat, moment, () => seat.node.signal("SIGKILL"))
      if (!struck) return
      kills++
      await seat.node.end("SIGKILL")
      world.log(`killed ${seat.node.name} ${MOMENTS[moment]}`)
      await endLeases(world)
      await restart(world, seat)
    })
    note(`${kills} kills`)
    if (kills === 0) broken("the moment never came")
  },
})

/** How long a frozen owner's successor may take: the lease, the idle transaction's timeout, and the next check. */
const SUCCESSION_MS = 6000 + 10_000 + 6000

/** Whether the deployment catches up with its events in time. */
const catchesUp = async (world: World, milliseconds: number): Promise<boolean> => {
  const end = performance.now() + milliseconds
  while (performance.now() < end) {
    if ((await oldestWaiting(world)) < 2000) return true
    await sleep(100)
  }
  return false
}

export const MOMENT_FAULTS: ReadonlyArray<Fault> = [
  killAt("kill-between-stores", "commit"),
  killAt("kill-after-figures", "figures"),
  killAt("kill-after-append", "append"),
  {
    name: "lost-replies",
    topologies: SINGLE,
    what: "the connection breaks after a commit, a figures script or an append, before the reply arrives",
    between: "proxies",
    strike: async ({ world, milliseconds, note, broken }) => {
      let cuts = 0
      await again(world, milliseconds, [20, 200], async () => {
        const moment = world.random.pick(["commit", "figures", "append"])
        const seat = seatOf(world)
        if (!(await atMoment(world.options.root, seat, moment, (link) => link.cut())))
          return broken(`no moment came ${MOMENTS[moment]}`)
        cuts++
        world.log(`lost a reply of ${seat.node.name} ${MOMENTS[moment]}`)
      })
      note(`${cuts} replies lost`)
      if (cuts === 0) broken("no moment ever came")
    },
  },
  {
    name: "pause-in-transaction",
    topologies: SINGLE,
    what: `SIGSTOP of a node ${MOMENTS.lock}, for ${SUCCESSION_MS / 1000} s; with a second node, its share is taken over meanwhile`,
    between: "proxies",
    milliseconds: 1000,
    strike: async ({ world, note, broken }) => {
      const seat = seatOf(world)
      if (!(await atMoment(world.options.root, seat, "lock", () => seat.node.signal("SIGSTOP"))))
        return broken("the moment never came")
      const began = performance.now()
      world.log(`stopped ${seat.node.name} ${MOMENTS.lock}`)
      // Until the events waiting for the frozen owner are old.
      await sleep(4000)
      const others = world.seats.length > 1
      if (others && !(await catchesUp(world, SUCCESSION_MS))) broken("a frozen owner held its partition")
      if (others) note(`taken over after ${((performance.now() - began) / 1000).toFixed(1)} s`)
      await sleep(Math.max(0, SUCCESSION_MS - (performance.now() - began)))
      seat.node.signal("SIGCONT")
      world.log(`resumed ${seat.node.name}`)
    },
  },
]
