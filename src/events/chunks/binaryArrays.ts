/**
 * Arrays in the binary form of Postgres' protocol, which costs both sides less than half of what text does
 * (`array_recv` in src/backend/utils/adt/arrayfuncs.c): dimensions, whether there are NULLs, the elements' type, length and
 * first subscript; then each element behind its length, -1 for NULL. The driver sends a Buffer as it is.
 */

/** Bytes before the elements. */
const HEADER = 20
/** Object ids of the types (src/include/catalog/pg_type.dat). */
const TYPE = { int8: 20, int2: 21, int4: 23, text: 25, float8: 701, uuid: 2950 } as const
const UUID_BYTES = 16

const start = (bytes: number, type: number, length: number, nulls: boolean): Buffer => {
  const buffer = Buffer.allocUnsafe(HEADER + bytes)
  buffer.writeInt32BE(1, 0)
  buffer.writeInt32BE(nulls ? 1 : 0, 4)
  buffer.writeInt32BE(type, 8)
  buffer.writeInt32BE(length, 12)
  buffer.writeInt32BE(1, 16)
  return buffer
}

/** A `bigint[]`, of safe integers. */
export const bigints = (values: ArrayLike<number>): Buffer => {
  const buffer = start(12 * values.length, TYPE.int8, values.length, false)
  for (let i = 0, at = HEADER; i < values.length; i++, at += 12) {
    const value = values[i] ?? 0
    buffer.writeInt32BE(8, at)
    buffer.writeInt32BE(Math.floor(value / 0x1_0000_0000), at + 4)
    buffer.writeUInt32BE(value >>> 0, at + 8)
  }
  return buffer
}

/** An `integer[]`. */
export const integers = (values: ArrayLike<number>): Buffer => {
  const buffer = start(8 * values.length, TYPE.int4, values.length, false)
  for (let i = 0, at = HEADER; i < values.length; i++, at += 8) {
    buffer.writeInt32BE(4, at)
    buffer.writeInt32BE(values[i] ?? 0, at + 4)
  }
  return buffer
}

/** A `smallint[]`. */
export const smallints = (values: ArrayLike<number>): Buffer => {
  const buffer = start(6 * values.length, TYPE.int2, values.length, false)
  for (let i = 0, at = HEADER; i < values.length; i++, at += 6) {
    buffer.writeInt32BE(2, at)
    buffer.writeInt16BE(values[i] ?? 0, at + 4)
  }
  return buffer
}

/** A `float8[]`. */
export const doubles = (values: ArrayLike<number>): Buffer => {
  const buffer = start(12 * values.length, TYPE.float8, values.length, false)
  for (let i = 0, at = HEADER; i < values.length; i++, at += 12) {
    buffer.writeInt32BE(8, at)
    buffer.writeDoubleBE(values[i] ?? 0, at + 4)
  }
  return buffer
}

const DIGIT = new Uint8Array(128)
for (let digit = 0; digit < 16; digit++) {
  DIGIT[digit.toString(16).charCodeAt(0)] = digit
  DIGIT[digit.toString(16).toUpperCase().charCodeAt(0)] = digit
}

/** A `uuid[]`, of UUIDs in their usual form, in any case. */
export const uuids = (values: ReadonlyArray<string>): Buffer => {
  const buffer = start((4 + UUID_BYTES) * values.length, TYPE.uuid, values.length, false)
  let at = HEADER
  for (const uuid of values) {
    buffer.writeInt32BE(UUID_BYTES, at)
    at += 4
    for (let i = 0; i < 36; i += 2) {
      if (i === 8 || i === 13 || i === 18 || i === 23) i++
      buffer[at++] = ((DIGIT[uuid.charCodeAt(i)] ?? 0) << 4) | (DIGIT[uuid.charCodeAt(i + 1)] ?? 0)
    }
  }
  return buffer
}

/** A `text[]`. */
export const texts = (values: ReadonlyArray<string | null>): Buffer => {
  // UTF-8 takes at most 3 bytes a code unit.
  const most = values.reduce((sum, value) => sum + 4 + 3 * (value?.length ?? 0), 0)
  const buffer = start(most, TYPE.text, values.length, true)
  let at = HEADER
  for (const value of values) {
    const length = value === null ? -1 : buffer.write(value, at + 4)
    buffer.writeInt32BE(length, at)
    at += 4 + Math.max(0, length)
  }
  return buffer.subarray(0, at)
}
