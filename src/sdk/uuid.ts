/** UUIDs, also where the platform makes none. */

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** Makes a UUID (RFC 9562) of its first 16 bytes: version 4 of random ones, 8 of any others. */
export const uuidOf = (given: Uint8Array, version: 4 | 8): string => {
  const bytes = given.slice(0, 16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | (version << 4)
  // Variant 1.
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-")
}

/** `crypto.randomUUID` is missing on pages without TLS. */
export const randomUuid = (): string =>
  typeof crypto.randomUUID === "function"
    ? crypto.randomUUID()
    : uuidOf(crypto.getRandomValues(new Uint8Array(16)), 4)
