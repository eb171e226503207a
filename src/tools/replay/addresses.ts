/** Which of the addresses of a line is the visitor's. */
import { BlockList, isIP } from "node:net"

/** An address without the port or the brackets that it may have; `null` for what is none. */
export const addressOf = (text: string): string | null => {
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? text
  if (isIP(bare) !== 0) return bare
  const host = /^(.+):\d{1,5}$/.exec(bare)?.[1]
  return host !== undefined && isIP(host) === 4 ? host : null
}

/** The addresses in a list of `X-Forwarded-For`, the client's first. */
export const addressesIn = (list: string): ReadonlyArray<string> =>
  list.split(",").flatMap((each) => addressOf(each.trim()) ?? [])

/** Networks that nobody on the internet is in: whoever comes from there is a proxy of one's own, or a neighbour. */
const PRIVATE = [
  ...["127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"],
  ...["::1/128", "fc00::/7", "fe80::/10"],
]

/** Whose word about others is believed. */
export class Proxies {
  readonly #list = new BlockList()

  /** @param networks addresses or CIDRs, beside private networks */
  constructor(networks: ReadonlyArray<string>) {
    for (const network of [...PRIVATE, ...networks]) {
      const [address = "", bits] = network.split("/")
      const family = isIP(address) === 6 ? "ipv6" : "ipv4"
      this.#list.addSubnet(
        address,
        bits === undefined ? (family === "ipv6" ? 128 : 32) : Number(bits),
        family,
      )
    }
  }

  /** Whether an address or CIDR is one. */
  static isNetwork(text: string): boolean {
    const [address = "", bits, ...more] = text.split("/")
    const most = isIP(address) === 6 ? 128 : 32
    return (
      isIP(address) !== 0 &&
      more.length === 0 &&
      (bits === undefined || (/^\d+$/.test(bits) && Number(bits) <= most))
    )
  }

  #trusts(address: string): boolean {
    const family = isIP(address)
    // A socket of the machine's own has no address, and a name is nobody's that could be trusted.
    if (family === 0) return address.startsWith("unix:")
    return this.#list.check(address, family === 6 ? "ipv6" : "ipv4")
  }

  /** The visitor's: the nearest one that is no proxy's, or the farthest there is. */
  clientOf(addresses: ReadonlyArray<string>): string {
    return addresses.findLast((address) => !this.#trusts(address)) ?? addresses[0] ?? ""
  }
}
