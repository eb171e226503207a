/** SHA-256 (FIPS 180-4) wherever the SDK runs: Web Crypto's has to be waited for, and Node's own is not everywhere. */

/** The first 32 bits of a fraction. */
const fraction = (number: number): number => ((number % 1) * 2 ** 32) | 0

/** The first 64 primes. */
const PRIMES: ReadonlyArray<number> = [
  ...[2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101],
  ...[103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167, 173, 179, 181, 191, 193, 197, 199],
  ...[211, 223, 227, 229, 233, 239, 241, 251, 257, 263, 269, 271, 277, 281, 283, 293, 307, 311],
]
const START = Int32Array.from(PRIMES.slice(0, 8), (prime) => fraction(Math.sqrt(prime)))
const ROUNDS = Int32Array.from(PRIMES, (prime) => fraction(Math.cbrt(prime)))

const turned = (word: number, bits: number): number => (word >>> bits) | (word << (32 - bits))

/** A text's bytes with the end that the standard wants: a one, zeros, and the length in bits. */
const padded = (bytes: Uint8Array): DataView => {
  const whole = new Uint8Array(64 * Math.ceil((bytes.length + 9) / 64))
  whole.set(bytes)
  whole[bytes.length] = 0x80
  const view = new DataView(whole.buffer)
  // No text here has 2 ** 32 bits.
  view.setUint32(whole.length - 4, 8 * bytes.length)
  return view
}

/** The words of the rounds of one block. */
const schedule = (view: DataView, at: number, words: Int32Array): void => {
  for (let i = 0; i < 64; i++) {
    if (i < 16) words[i] = view.getInt32(at + 4 * i)
    else {
      const [a = 0, b = 0, c = 0, d = 0] = [words[i - 15], words[i - 2], words[i - 16], words[i - 7]]
      const first = turned(a, 7) ^ turned(a, 18) ^ (a >>> 3)
      const second = turned(b, 17) ^ turned(b, 19) ^ (b >>> 10)
      words[i] = c + first + d + second
    }
  }
}

/** The hash, 32 bytes. */
export const sha256 = (bytes: Uint8Array): Uint8Array => {
  const view = padded(bytes)
  const state = START.slice()
  const words = new Int32Array(64)
  for (let at = 0; at < view.byteLength; at += 64) {
    schedule(view, at, words)
    let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state
    for (let i = 0; i < 64; i++) {
      const chosen = (e & f) ^ (~e & g)
      const most = (a & b) ^ (a & c) ^ (b & c)
      const low = (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + chosen
      const next = (h + low + (ROUNDS[i] ?? 0) + (words[i] ?? 0)) | 0
      const high = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + most
      ;[h, g, f, e, d, c, b, a] = [g, f, e, (d + next) | 0, c, b, a, (next + high) | 0]
    }
    for (const [i, word] of [a, b, c, d, e, f, g, h].entries()) state[i] = (state[i] ?? 0) + word
  }
  const hash = new DataView(new ArrayBuffer(32))
  for (const [i, word] of state.entries()) hash.setInt32(4 * i, word)
  return new Uint8Array(hash.buffer)
}
