/** The address of a request's client: the socket's, or the one that a trusted proxy reports. */

import { isIP, isIPv4 } from "node:net"
import { AddressList } from "../../domain/addressList.ts"
import { parseForwarded } from "./forwarded.ts"
import type { AddressHeader, RequestHeaders } from "./headers.ts"
import type { Addresses } from "./wire.ts"

const MAPPED_IPV4 = /^(?:0{0,4}:){0,5}:?ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i

/** The eight groups of an IPv6 address, in hexadecimal without leading zeros. */
const groups = (address: string): ReadonlyArray<string> => {
  const [head = "", tail] = address.split("::")
  const before = head === "" ? [] : head.split(":")
  const after = tail === undefined || tail === "" ? [] : tail.split(":")
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length
  return [...before, ...Array<string>(Math.max(zeros, 0)).fill("0"), ...after].map((group) =>
    Number.parseInt(group, 16).toString(16),
  )
}

/** An address in canonical spelling: IPv4-mapped IPv6 becomes IPv4, zones are dropped; `null` if it is not an address. */
export const normalizeAddress = (text: string): string | null => {
  if (isIPv4(text)) return text
  const [address = ""] = text.split("%")
  if (isIP(address) !== 6) return null
  const mapped = MAPPED_IPV4.exec(address)?.[1]
  if (mapped !== undefined && isIPv4(mapped)) return mapped
  if (address.includes(".")) return address.toLowerCase()
  const parts = groups(address)
  if (parts.slice(0, 5).every((part) => part === "0") && parts[5] === "ffff") {
    const [high = 0, low = 0] = parts.slice(6).map((part) => Number.parseInt(part, 16))
    return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
  }
  return parts.join(":")
}

/** What is limited as one client: an IPv4 address, or the /64 of an IPv6 subscriber (RFC 6177). */
export const limitKey = (address: string): string =>
  address.includes(":") ? `${groups(address).slice(0, 4).join(":")}::/64` : address

/** Binary address of a socket as text, in the spelling of {@link normalizeAddress}. */
export const socketAddress = (binary: ArrayBuffer): string => {
  const bytes = new Uint8Array(binary)
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`
  if (bytes.length !== 16) return "unknown"
  if (bytes[10] === 255 && bytes[11] === 255 && bytes.subarray(0, 10).every((byte) => byte === 0))
    return `${bytes[12]}.${bytes[13]}.${bytes[14]}.${bytes[15]}`
  const view = new DataView(binary)
  return Array.from({ length: 8 }, (_, i) => view.getUint16(i * 2).toString(16)).join(":")
}

/** Entries may carry a port: `1.2.3.4:5`, `[2001:db8::1]:5`. */
const withoutPort = (entry: string): string => {
  const bracketed = /^\[([^\]]+)\](?::\d+)?$/.exec(entry)?.[1]
  if (bracketed !== undefined) return bracketed
  return /^\d{1,3}(?:\.\d{1,3}){3}:\d+$/.test(entry) ? entry.slice(0, entry.indexOf(":")) : entry
}

/** How the address of a proxy's client is told, and by whom. */
export interface TrustSettings {
  /** Addresses and CIDRs. */
  readonly trustedProxies: ReadonlyArray<string>
  readonly clientAddressHeader: AddressHeader
  /** Whether the start of a proxy's connection tells its client. */
  readonly proxyProtocol: boolean
}

/** The proxies that are believed, and what they say. */
export class TrustedProxies {
  readonly #list: AddressList
  readonly #header: AddressHeader
  readonly #proxyProtocol: boolean

  constructor({ trustedProxies, clientAddressHeader, proxyProtocol }: TrustSettings) {
    this.#list = new AddressList(trustedProxies)
    this.#header = clientAddressHeader
    this.#proxyProtocol = proxyProtocol
  }

  /** Whether the peer of a connection, which {@link socketAddress} returns, is one of them. */
  trusts(address: string): boolean {
    return this.#list.has(address)
  }

  /** The address of a request's client. */
  clientOf(res: Addresses, headers: RequestHeaders): string {
    const peer = socketAddress(res.getRemoteAddress())
    if (!this.trusts(peer)) return peer
    const told = this.#proxyProtocol ? res.getProxiedRemoteAddress() : NOTHING
    // A connection of the proxy itself, such as a health check, tells none.
    return this.client(told.byteLength === 0 ? peer : socketAddress(told), headers)
  }

  /**
   * The client's address: the connection's, unless that is a trusted proxy; then the right-most that the header names and
   * that is not one, because the client may have written everything to its left. An entry that is not an address ends the
   * search at the hop before.
   */
  client(connection: string, headers: Pick<RequestHeaders, AddressHeader>): string {
    const told = headers[this.#header]
    if (told === "" || !this.trusts(connection)) return connection
    const entries =
      this.#header === "forwarded"
        ? parseForwarded(told).map((hop) => hop.get("for") ?? "unknown")
        : told.split(",")
    let client = connection
    for (const entry of entries.reverse()) {
      const address = normalizeAddress(withoutPort(entry.trim()))
      if (address === null) return client
      client = address
      if (!this.trusts(address)) return address
    }
    return client
  }
}

const NOTHING = new ArrayBuffer(0)
