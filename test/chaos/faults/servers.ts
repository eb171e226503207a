/** Servers of a Redis that replicate one another: killed, failed over, cut off, left behind, restarted. */
import { setTimeout as sleep } from "node:timers/promises"
import { eventually } from "../../support/eventually.ts"
import type { RedisServer } from "../../support/redisServer.ts"
import { canUseNamespaces } from "../network.ts"
import type { Replicated, SentinelRedis } from "../redis.ts"
import { again, type Strike, seatOf, type World } from "../world.ts"
import { endLeases, type Fault, REPLICATED, restart } from "./fault.ts"

/** The servers of a cluster, or those that Sentinels watch. */
const serversOf = ({ stores }: World): Replicated => {
  if (stores.redis.topology === "single") throw new Error("this fault needs replicas")
  return stores.redis.set
}

const sentinelsOf = ({ stores }: World): SentinelRedis => {
  if (stores.redis.topology !== "sentinel") throw new Error("there are no Sentinels")
  return stores.redis
}

const draw = <A>(world: World, of: ReadonlyArray<A>): A => {
  const drawn = of[world.random.integer(0, of.length - 1)]
  if (drawn === undefined) throw new Error("there is nothing to draw from")
  return drawn
}

/** Between a master's death and its replica's election, and well after it. */
const deadFor = (world: World) => sleep(world.random.integer(200, 4000))

/** Kills a server for a time and waits until all follow their masters again. */
const killFor = async (world: World, server: RedisServer, dead: () => Promise<unknown>) => {
  const servers = serversOf(world)
  const was = (await servers.masters()).includes(server) ? "master" : "replica"
  await server.kill()
  world.log(`killed the ${was} ${server.port}`)
  await dead()
  await server.start()
  world.log(`${server.port} runs again`)
  await servers.whole()
}

/** Bytes of more events on their way to a replica than one request has: an actor has read what came with the first one. */
const SOME_EVENTS = 12_288

/** Waits until a master has taken some events since an offset, or for so long that it seems to be of keys that nobody writes. */
const hasWritten = (world: World, master: RedisServer, offset: number) =>
  eventually(
    async () => {
      if ((await master.replicationOffset()) < offset + SOME_EVENTS)
        throw new Error(`${master.port} takes no events`)
    },
    { timeout: 60_000 },
  ).catch((error) => world.log(String(error)))

/** Waits until another one is the master in its place. */
const succeeded = (servers: Replicated, dead: RedisServer) =>
  eventually(async () => {
    const masters = await servers.masters()
    if (masters.includes(dead) || masters.length < servers.shards)
      throw new Error(`nobody has succeeded ${dead.port}`)
  })

const failOverByHand = async (world: World) => {
  const servers = serversOf(world)
  const master = draw(world, await servers.masters())
  const replica = draw(world, await servers.replicasOf(master))
  world.log(`failing ${master.port} over by hand`)
  await servers.failOver(replica)
  await servers.whole()
}

const killAServer = (world: World) =>
  killFor(world, draw(world, serversOf(world).servers), () => deadFor(world))

/** Those of the strikes of `all-at-once` that need replicas. What was struck before is waited for: one is enough to lose. */
export const serverStrikes = (world: World): Readonly<Record<string, () => Promise<void>>> => {
  const whole = () => serversOf(world).whole()
  return {
    "kill a server": () => whole().then(() => killAServer(world)),
    "fail over by hand": () => whole().then(() => failOverByHand(world)),
  }
}

const failsOverByHand: Fault = {
  name: "failover",
  topologies: REPLICATED,
  what: "replicas are made masters by hand, repeatedly: CLUSTER FAILOVER, or SENTINEL FAILOVER after CLIENT PAUSE of the master",
  strike: ({ world, milliseconds }) => again(world, milliseconds, [300, 2000], () => failOverByHand(world)),
}

const island: Fault = {
  name: "minority",
  topologies: REPLICATED,
  what: "a master and a node, which can still reach each other, are cut off from the other servers for 3 to 9 s",
  between: "island",
  replacesMaster: true,
  // Senders wait long for the node that is cut off; others have to send it what the master beside it takes.
  load: { senders: 24, batch: 3 },
  milliseconds: 18_000,
  missing: () => (canUseNamespaces() ? null : "it needs network namespaces"),
  strike: async ({ world, milliseconds }) => {
    const { island, seats } = world
    const servers = serversOf(world)
    const alone = servers.servers.find(({ host }) => host === island?.here)
    if (island === null || alone === undefined) throw new Error("there is no island")
    // Sentinels choose by priority, the smaller the better.
    await alone.ask((redis) => redis.config("SET", "replica-priority", 1))
    await again(world, milliseconds, [500, 2000], async () => {
      if (!(await alone.isMaster())) await servers.failOver(alone)
      const postgres = world.random.chance(0.5) ? seats.at(-1)?.postgres : null
      island.cut(true)
      postgres?.cut(true)
      world.log(`the master ${alone.port} and a node are cut off${postgres ? ", from Postgres, too" : ""}`)
      await sleep(world.random.integer(3000, 9000))
      island.cut(false)
      postgres?.cut(false)
      world.log("the network is whole again")
      await servers.whole()
    })
  },
}

const restartInTurn = async ({ world }: Strike) => {
  const servers = serversOf(world)
  for (const server of servers.servers) {
    const isMaster = (await servers.masters()).includes(server)
    // As operators do, and as they should not.
    if (isMaster && world.random.chance(0.5))
      await servers.failOver(draw(world, await servers.replicasOf(server)))
    await server.kill("SIGTERM")
    await server.start()
    world.log(`${server.port} was restarted`)
    await servers.whole()
  }
}

export const SERVER_FAULTS: ReadonlyArray<Fault> = [
  {
    name: "server-kill",
    topologies: REPLICATED,
    what: "kill -9 of a master or a replica at random moments; it is restarted with its data after up to 4 s",
    replacesMaster: true,
    strike: ({ world, milliseconds }) => again(world, milliseconds, [500, 2000], () => killAServer(world)),
  },
  {
    name: "server-pause",
    topologies: REPLICATED,
    what: "SIGSTOP of a master or a replica for 1 to 8 s, then SIGCONT: a master that wakes up may have a successor",
    replacesMaster: true,
    strike: ({ world, milliseconds }) =>
      again(world, milliseconds, [500, 2000], async () => {
        const server = draw(world, serversOf(world).servers)
        server.signal("SIGSTOP")
        world.log(`froze ${server.port}`)
        await sleep(world.random.integer(1000, 8000))
        server.signal("SIGCONT")
        world.log(`${server.port} goes on`)
        await serversOf(world).whole()
      }),
  },
  {
    name: "named-kill",
    topologies: ["cluster"],
    what: "kill -9 of the server that REDIS_URL names first; a node is killed and restarted in the meantime",
    replacesMaster: true,
    strike: async ({ world }) => {
      const [named] = serversOf(world).servers
      if (named === undefined) throw new Error("there is no server")
      await killFor(world, named, async () => {
        const seat = seatOf(world)
        await seat.node.end("SIGKILL")
        world.log(`killed ${seat.node.name}`)
        await endLeases(world)
        await restart(world, seat)
        await sleep(6000)
      })
    },
  },
  {
    name: "master-and-replica",
    topologies: REPLICATED,
    what: "kill -9 of a master until its replica has succeeded it, then of that one, in turn",
    replacesMaster: true,
    strike: async ({ world, milliseconds }) => {
      const servers = serversOf(world)
      let master = draw(world, await servers.masters())
      await again(world, milliseconds, [200, 1000], async () => {
        const shard = [master, ...(await servers.replicasOf(master))]
        await killFor(world, master, () => succeeded(servers, master))
        const masters = await servers.masters()
        master = shard.find((each) => masters.includes(each)) ?? master
      })
    },
  },
  failsOverByHand,
  island,
  {
    name: "lagging-replica",
    topologies: REPLICATED,
    what: "one or all replicas of a master are frozen for 1 to 4 s, and every other time Postgres, so that events wait; then they and the master are killed, and a replica succeeds it",
    replacesMaster: true,
    strike: ({ world, milliseconds }) => {
      let times = 0
      return again(world, milliseconds, [500, 2000], async () => {
        const servers = serversOf(world)
        const master = draw(world, await servers.masters())
        const all = await servers.replicasOf(master)
        const replicas = world.random.chance(0.5) ? all : [draw(world, all)]
        const eventsWait = times++ % 2 === 0
        if (eventsWait) world.stores.postgres.pause()
        for (const replica of replicas) replica.signal("SIGSTOP")
        world.log(
          `${replicas.length} of ${all.length} replicas of ${master.port} are frozen${eventsWait ? ", Postgres, too" : ""}`,
        )
        const offset = await master.replicationOffset()
        await sleep(world.random.integer(1000, 4000))
        if (eventsWait) await hasWritten(world, master, offset)
        await killFor(world, master, async () => {
          // With what has arrived but is unread: a replica that was resumed would read it.
          for (const replica of replicas) await replica.kill()
          for (const replica of replicas) await replica.start()
          world.stores.postgres.resume()
          await succeeded(servers, master)
        })
      })
    },
  },
  {
    name: "rolling-restart",
    topologies: REPLICATED,
    what: "every server is restarted (SIGTERM), one after the other; half of the masters are failed over first",
    replacesMaster: true,
    strike: restartInTurn,
  },
  {
    name: "failover-unpaused",
    topologies: ["sentinel"],
    what: "SENTINEL FAILOVER alone: until the other replica follows the new master, both masters take events, each with a replica",
    replacesMaster: true,
    strike: ({ world, milliseconds }) =>
      again(world, milliseconds, [300, 2000], async () => {
        const { set } = sentinelsOf(world)
        world.log(`failing ${(await set.master()).port} over by hand`)
        await set.replaceMaster()
        await set.whole()
      }),
  },
  {
    name: "sentinel-kill",
    topologies: ["sentinel"],
    what: "kill -9 of a Sentinel, with the master killed while it is dead every other time",
    replacesMaster: true,
    strike: ({ world, milliseconds }) => {
      const { set } = sentinelsOf(world)
      let times = 0
      return again(world, milliseconds, [500, 2000], async () => {
        const sentinel = draw(world, set.sentinels)
        await sentinel.kill()
        world.log(`killed the Sentinel ${sentinel.port}`)
        if (times++ % 2 === 1) await deadFor(world)
        else {
          const master = await set.master()
          await master.kill()
          await succeeded(set, master)
          await master.start()
        }
        await sentinel.start()
        await set.whole()
      })
    },
  },
]
