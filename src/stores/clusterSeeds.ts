/**
 * The nodes that clients of a cluster begin with: those that REDIS_URL names, and all that any client of this thread has learnt of.
 * A client that opens while the named nodes are down, or have been replaced, finds the cluster through the others.
 */
import type { HostAndPort } from "../config/redisUrl.ts"

export class ClusterSeeds {
  readonly #named: ReadonlyArray<HostAndPort>
  /** Read by every client whenever it connects, so what it holds changes and it does not. */
  readonly nodes: Array<HostAndPort>
  #turn = 0

  constructor(named: ReadonlyArray<HostAndPort>) {
    this.#named = named
    this.nodes = [...named]
  }

  /** Replaces what was learnt before: nodes that have left the cluster are not asked for ever. */
  learn(nodes: ReadonlyArray<HostAndPort>): void {
    if (nodes.length === 0) return
    const isNamed = (node: HostAndPort) =>
      this.#named.some(({ host, port }) => host === node.host && port === node.port)
    this.nodes.splice(0, this.nodes.length, ...this.#named, ...nodes.filter((node) => !isNamed(node)))
  }
  /** One after the other, for a client that needs no particular one. */
  next(): HostAndPort | undefined {
    return this.nodes[this.#turn++ % this.nodes.length]
  }
}

const byUrl = new Map<string, ClusterSeeds>()

/** The seeds that all clients of a URL share. */
export const seedsOf = (url: string, named: ReadonlyArray<HostAndPort>): ClusterSeeds => {
  const seeds = byUrl.get(url) ?? new ClusterSeeds(named)
  byUrl.set(url, seeds)
  return seeds
}
