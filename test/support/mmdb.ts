/** Writes small databases in the MaxMind DB format, version 2.0 (https://maxmind.github.io/MaxMind-DB/). */
import { isIPv4 } from "node:net"

type Value = string | number | ReadonlyArray<Value> | { readonly [key: string]: Value }

/** Bytes of a record in the search tree. */
const RECORD_BYTES = 3
/** Zeros between the tree and the data. */
const SEPARATOR = Buffer.alloc(16)
const METADATA_START = Buffer.concat([Buffer.from([0xab, 0xcd, 0xef]), Buffer.from("MaxMind.com")])

/** A control byte of a type and size; types beyond 7 have a second byte, sizes from 29 to 284 an extra one. */
const control = (type: number, size: number): Buffer => {
  const extended = type > 7
  const first = ((extended ? 0 : type) << 5) | Math.min(size, 29)
  return Buffer.from([first, ...(extended ? [type - 7] : []), ...(size >= 29 ? [size - 29] : [])])
}

const encode = (value: Value): Buffer => {
  if (typeof value === "string")
    return Buffer.concat([control(2, Buffer.byteLength(value)), Buffer.from(value)])
  if (typeof value === "number") {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(value)
    return Buffer.concat([control(6, 4), bytes])
  }
  if (Array.isArray(value)) return Buffer.concat([control(11, value.length), ...value.map(encode)])
  const entries = Object.entries(value)
  return Buffer.concat([
    control(7, entries.length),
    ...entries.flatMap(([key, each]) => [encode(key), encode(each)]),
  ])
}

/** The 128 bits of an address in the tree, where IPv4 lies below `::/96`. */
const bitsOf = (address: string): string => {
  if (isIPv4(address))
    return (
      "0".repeat(96) +
      address
        .split(".")
        .map((part) => Number(part).toString(2).padStart(8, "0"))
        .join("")
    )
  const [head = "", tail = ""] = address.split("::")
  const before = head.split(":").filter((part) => part !== "")
  const after = tail.split(":").filter((part) => part !== "")
  const groups = [...before, ...Array<string>(8 - before.length - after.length).fill("0"), ...after]
  return groups.map((group) => Number.parseInt(group, 16).toString(2).padStart(16, "0")).join("")
}

type Node = [left: Node | Buffer | null, right: Node | Buffer | null]

/** A database of networks (`192.0.2.0/24`, `2001:db8::/32`), none within another, and the record of each. */
export const mmdb = (networks: { readonly [network: string]: Value }): Buffer => {
  const root: Node = [null, null]
  for (const [network, record] of Object.entries(networks)) {
    const [address = "", length = ""] = network.split("/")
    const bits = bitsOf(address).slice(0, Number(length) + (isIPv4(address) ? 96 : 0))
    let node = root
    for (const bit of bits.slice(0, -1)) {
      const side = Number(bit)
      const next = node[side]
      const child: Node = Array.isArray(next) ? next : [null, null]
      node[side] = child
      node = child
    }
    node[Number(bits.at(-1))] = encode(record)
  }
  const nodes: Array<Node> = [root]
  for (const node of nodes) for (const side of node) if (Array.isArray(side)) nodes.push(side)
  const data: Array<Buffer> = []
  let dataBytes = 0
  const tree = Buffer.alloc(nodes.length * 2 * RECORD_BYTES)
  nodes.forEach((node, i) => {
    node.forEach((side, j) => {
      let record = nodes.length
      if (Array.isArray(side)) record = nodes.indexOf(side)
      else if (side !== null) {
        record = nodes.length + SEPARATOR.length + dataBytes
        data.push(side)
        dataBytes += side.length
      }
      tree.writeUIntBE(record, (2 * i + j) * RECORD_BYTES, RECORD_BYTES)
    })
  })
  const metadata = encode({
    ...{ node_count: nodes.length, record_size: 8 * RECORD_BYTES, ip_version: 6, database_type: "Test" },
    ...{ languages: ["en"], binary_format_major_version: 2, binary_format_minor_version: 0, build_epoch: 1 },
    description: { en: "Test" },
  })
  return Buffer.concat([tree, SEPARATOR, ...data, METADATA_START, metadata])
}
