/**
 * The network between a node and a store. As root on Linux, the node has its own network namespace. A cut takes the
 * link down, so packets are dropped as on a real network, and connections that survive continue afterwards. Latency is
 * added by netem if the kernel has it. Anywhere else the TCP proxy does both.
 */
import { spawnSync } from "node:child_process"
import { randomInt } from "node:crypto"
import { TcpProxy } from "./tcpProxy.ts"

/** The connection between one node and one store. */
export interface Wire {
  readonly proxy: TcpProxy
  /** Drops packets both ways until it is mended. */
  readonly cut: (cut: boolean) => void
  /** Adds this many milliseconds each way. */
  readonly delay: (milliseconds: number) => void
  /** How it is done, for the notes. */
  readonly how: string
}

/** The network of a node: where it runs, and its wires. */
export interface Place {
  readonly host: string
  /** Prefix of the node's command. */
  readonly command: ReadonlyArray<string>
  /** `null` where several servers tell their addresses themselves, past any proxy. */
  readonly redis: Wire | null
  readonly postgres: Wire
  readonly stop: () => Promise<void>
}

/** A place of Redis servers, too. */
export interface Island extends Place {
  /** The address of its servers. */
  readonly here: string
  /** The address of the servers outside. */
  readonly there: string
  /** Packets between inside and outside vanish until it is mended; those to senders and Postgres do not. */
  readonly cut: (cut: boolean) => void
}

export interface Targets {
  /** Ports of 127.0.0.1. */
  readonly redis: (() => number) | null
  readonly postgres: () => number
}

const run = (...command: [string, ...Array<string>]): boolean =>
  spawnSync(command[0], command.slice(1), { stdio: "ignore" }).status === 0

const mustRun = (...command: [string, ...Array<string>]) => {
  if (!run(...command)) throw new Error(`${command.join(" ")} failed`)
}

/** Namespace names contain the run's process id, so that those of a killed run can be recognised. */
const PREFIX = "maicivy-chaos"
const BRIDGE = "mcb"

let possible: boolean | null = null

/** Whether namespaces with links into them can be created on this machine. */
export const canUseNamespaces = (): boolean => {
  if (possible === null) {
    const name = `${PREFIX}-${process.pid}-probe`
    possible =
      process.getuid?.() === 0 &&
      run("ip", "netns", "add", name) &&
      run("ip", "link", "add", `mcp${process.pid}`, "type", "veth", "peer", "name", "probe", "netns", name)
    run("ip", "netns", "del", name)
  }
  return possible
}

const plainWire = async (target: () => number): Promise<Wire> => {
  const proxy = await TcpProxy.start(target, "127.0.0.1")
  return {
    proxy,
    cut: (cut) => {
      proxy.cut = cut
    },
    delay: (milliseconds) => {
      proxy.delay = milliseconds
    },
    how: "TCP proxy",
  }
}

/** A node on this machine's own network, connected through TCP proxies. */
export const plainPlace = async (targets: Targets): Promise<Place> => {
  const [redis, postgres] = await Promise.all([
    targets.redis === null ? null : plainWire(targets.redis),
    plainWire(targets.postgres),
  ])
  return {
    ...{ host: "127.0.0.1", command: [], redis, postgres },
    stop: async () => {
      await Promise.all([redis?.proxy.stop(), postgres.proxy.stop()])
    },
  }
}

/** The end of a link that is outside a namespace, and both ends' addresses. */
interface Ends {
  readonly device: string
  readonly near: string
  readonly far: string
}

/** A network namespace of its own, and a way to link it. */
class Namespace {
  readonly name: string
  /** Put before the commands that run in it. */
  readonly inside: [string, ...Array<string>]
  readonly #seat: number
  // RFC 2544's block for testing: each namespace gets one of its 512 networks.
  readonly #network = `198.${randomInt(18, 20)}.${randomInt(0, 256)}`
  #links = 0

  constructor(seat: number) {
    this.name = `${PREFIX}-${process.pid}-${seat}`
    this.inside = ["ip", "netns", "exec", this.name]
    this.#seat = seat
    run("ip", "netns", "del", this.name)
    mustRun("ip", "netns", "add", this.name)
    mustRun(...this.inside, "ip", "link", "set", "lo", "up")
  }

  /** A link by the name that it has inside. With a bridge, that one has the outer address, and the link is plugged into it. */
  link(name: string, bridge?: string): Ends {
    const i = this.#links++
    const device = `mc${process.pid}${this.#seat}${i}`
    const [near, far] = [`${this.#network}.${4 * i + 1}`, `${this.#network}.${4 * i + 2}`]
    mustRun("ip", "link", "add", device, "type", "veth", "peer", "name", name, "netns", this.name)
    if (bridge !== undefined) {
      mustRun("ip", "link", "add", bridge, "type", "bridge")
      mustRun("ip", "link", "set", bridge, "up")
      mustRun("ip", "link", "set", device, "master", bridge)
    }
    mustRun("ip", "addr", "add", `${near}/30`, "dev", bridge ?? device)
    mustRun("ip", "link", "set", device, "up")
    mustRun(...this.inside, "ip", "addr", "add", `${far}/30`, "dev", name)
    mustRun(...this.inside, "ip", "link", "set", name, "up")
    return { device, near, far }
  }

  /** A link with a proxy at its outer end, which leads to a port of 127.0.0.1. */
  async wire(name: string, target: () => number): Promise<Wire> {
    const { device, near } = this.link(name)
    const proxy = await TcpProxy.start(target, near)
    const netem = (...change: Array<string>) =>
      run("tc", "qdisc", "replace", "dev", device, "root", "netem", ...change) &&
      run(...this.inside, "tc", "qdisc", "replace", "dev", name, "root", "netem", ...change)
    const hasNetem = netem("delay", "0ms")
    return {
      proxy,
      cut: (cut) => mustRun("ip", "link", "set", device, cut ? "down" : "up"),
      delay: (milliseconds) => {
        if (!hasNetem) proxy.delay = milliseconds
        else netem("delay", `${milliseconds}ms`)
      },
      how: hasNetem ? "network namespaces, netem" : "network namespaces, latency by the TCP proxy",
    }
  }

  remove(): void {
    run("ip", "netns", "del", this.name)
  }
}

/** A node in its own network namespace, with a link for senders and one for each store. */
export const namespacePlace = async (targets: Targets, seat: number): Promise<Place> => {
  const namespace = new Namespace(seat)
  const { far } = namespace.link("front")
  const [redis, postgres] = await Promise.all([
    targets.redis === null ? null : namespace.wire("redis", targets.redis),
    namespace.wire("postgres", targets.postgres),
  ])
  return {
    ...{ host: far, command: namespace.inside, redis, postgres },
    stop: async () => {
      await Promise.all([redis?.proxy.stop(), postgres.proxy.stop()])
      namespace.remove()
    },
  }
}

/** A network whose node and servers are together, and together are cut off from the other servers, but not from senders. */
export const startIsland = async (targets: Targets, seat: number): Promise<Island> => {
  const namespace = new Namespace(seat)
  const front = namespace.link("front")
  const postgres = await namespace.wire("postgres", targets.postgres)
  const bridge = `${BRIDGE}${process.pid}`
  const { device, near, far } = namespace.link("servers", bridge)
  return {
    ...{ host: front.far, command: namespace.inside, redis: null, postgres },
    ...{ here: far, there: near },
    cut: (cut) => mustRun("ip", "link", "set", device, ...(cut ? ["nomaster"] : ["master", bridge])),
    stop: async () => {
      await postgres.proxy.stop()
      namespace.remove()
      run("ip", "link", "del", bridge)
    },
  }
}

const isAlive = (pid: string): boolean => {
  try {
    process.kill(Number(pid), 0)
    return true
  } catch {
    return false
  }
}

/** Removes the namespaces and bridges of killed runs. */
export const removeNamespacesOfKilledRuns = (): void => {
  const lines = (...args: ReadonlyArray<string>) =>
    (spawnSync("ip", args, { encoding: "utf8" }).stdout ?? "").split("\n")
  for (const line of lines("netns", "list")) {
    const [name = "", pid = ""] = new RegExp(`^${PREFIX}-(\\d+)-\\w+`).exec(line) ?? []
    if (name !== "" && !isAlive(pid)) run("ip", "netns", "del", name)
  }
  for (const line of lines("-brief", "link", "show", "type", "bridge")) {
    const [name = "", pid = ""] = new RegExp(`^${BRIDGE}(\\d+)\\b`).exec(line) ?? []
    if (name !== "" && !isAlive(pid)) run("ip", "link", "del", name)
  }
}
