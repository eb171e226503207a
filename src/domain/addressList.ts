/** Addresses and CIDRs, and whether an address is among them. */
import { BlockList, isIPv4 } from "node:net"

const familyOf = (address: string) => (isIPv4(address) ? "ipv4" : "ipv6")

export class AddressList {
  readonly #list = new BlockList()
  readonly #any: boolean

  constructor(ranges: ReadonlyArray<string>) {
    this.#any = ranges.length > 0
    for (const range of ranges) {
      const [address = "", bits] = range.split("/")
      if (bits === undefined) this.#list.addAddress(address, familyOf(address))
      else this.#list.addSubnet(address, Number(bits), familyOf(address))
    }
  }

  /** Whether an address, in the spelling of sockets, is among them. */
  has(address: string): boolean {
    return this.#any && this.#list.check(address, familyOf(address))
  }
}
