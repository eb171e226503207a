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
  readonly redis: Wire
  readonly postgres: Wire
  readonly stop: () => Promise<void>
}

export interface Targets {
  /** Ports of 127.0.0.1. */
  readonly redis: () => number
  readonly postgres: () => number
}

const run = (...command: [string, ...Array<string>]): boolean =>
  spawnSync(command[0], command.slice(1), { stdio: "ignore" }).status === 0

const mustRun = (...command: [string, ...Array<string>]) => {
  if (!run(...command)) throw new Error(`${command.join(" ")} failed`)
}

/** Namespace names contain the run's process id, so that those of a killed run can be recognised. */
const PREFIX = "maicivy-chaos"
const LINKS = ["front", "redis", "postgres"] as const

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
  const [redis, postgres] = await Promise.all([plainWire(targets.redis), plainWire(targets.postgres)])
  return {
    ...{ host: "127.0.0.1", command: [], redis, postgres },
    stop: async () => {
      await Promise.all([redis.proxy.stop(), postgres.proxy.stop()])
    },
  }
}

/** A node in its own network namespace, with a link for senders and one for each store. */
export const namespacePlace = async (targets: Targets, seat: number): Promise<Place> => {
  const name = `${PREFIX}-${process.pid}-${seat}`
  run("ip", "netns", "del", name)
  mustRun("ip", "netns", "add", name)
  const inside: [string, ...Array<string>] = ["ip", "netns", "exec", name]
  // RFC 2544's block for testing: each namespace gets one of its 512 networks.
  const network = `198.${randomInt(18, 20)}.${randomInt(0, 256)}`
  const links = LINKS.map((link, i) => {
    const device = `mc${process.pid}${seat}${i}`
    const [near, far] = [`${network}.${4 * i + 1}`, `${network}.${4 * i + 2}`]
    mustRun("ip", "link", "add", device, "type", "veth", "peer", "name", link, "netns", name)
    mustRun("ip", "addr", "add", `${near}/30`, "dev", device)
    mustRun("ip", "link", "set", device, "up")
    mustRun(...inside, "ip", "addr", "add", `${far}/30`, "dev", link)
    mustRun(...inside, "ip", "link", "set", link, "up")
    return { link, device, near, far }
  })
  const wire = async (of: "redis" | "postgres"): Promise<Wire> => {
    const { device, near } = links[LINKS.indexOf(of)] ?? { device: "", near: "" }
    const proxy = await TcpProxy.start(targets[of], near)
    const netem = (...change: Array<string>) =>
      run("tc", "qdisc", "replace", "dev", device, "root", "netem", ...change) &&
      run(...inside, "tc", "qdisc", "replace", "dev", of, "root", "netem", ...change)
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
  const [redis, postgres] = await Promise.all([wire("redis"), wire("postgres")])
  return {
    ...{ host: links[0]?.far ?? "", command: inside, redis, postgres },
    stop: async () => {
      await Promise.all([redis.proxy.stop(), postgres.proxy.stop()])
      run("ip", "netns", "del", name)
    },
  }
}

/** Removes the namespaces of killed runs. */
export const removeNamespacesOfKilledRuns = (): void => {
  const { stdout } = spawnSync("ip", ["netns", "list"], { encoding: "utf8" })
  for (const line of (stdout ?? "").split("\n")) {
    const [name = "", pid] = new RegExp(`^${PREFIX}-(\\d+)-\\w+`).exec(line) ?? []
    if (name === "" || pid === undefined) continue
    try {
      process.kill(Number(pid), 0)
    } catch {
      run("ip", "netns", "del", name)
    }
  }
}
