/** Arguments of a command in the form of Redis' protocol, RESP (https://redis.io/docs/latest/develop/reference/protocol-spec/). */

const CARRIAGE_RETURN = 13
const LINE_FEED = 10
const DOLLAR = 36
const ZERO = 48
/** Bytes around an argument: `$`, its length in up to ten digits, and two line ends. */
const FRAME_BYTES = 15
const INITIAL_BYTES = 512
/** Room above this is given back when the arguments are cleared. */
const KEPT_BYTES = 1024 * 1024

const digitsOf = (number: number): number => {
  let digits = 1
  for (let rest = number; rest >= 10; rest = Math.floor(rest / 10)) digits++
  return digits
}

/** Writes a whole number of that many digits. */
const writeDigits = (buffer: Buffer, from: number, digits: number, number: number): void => {
  let rest = number
  for (let at = from + digits - 1; at >= from; at--) {
    const tenth = Math.floor(rest / 10)
    buffer[at] = ZERO + (rest - 10 * tenth)
    rest = tenth
  }
}

/**
 * Arguments of a call, encoded as they are added: text is written once, where the client would measure each argument, join all of
 * them to one string, and encode that.
 */
export class EncodedArguments {
  #buffer = Buffer.allocUnsafe(INITIAL_BYTES)
  #length = 0
  #count = 0

  /** How many there are. */
  get count(): number {
    return this.#count
  }

  /** The encoded arguments, to be read before the next change. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  add(value: string | number): void {
    if (typeof value === "string") this.#addText(value)
    else if (Number.isSafeInteger(value) && value >= 0) this.#addInteger(value)
    else this.#addText(String(value))
  }

  /** Digit by digit: the text of a number beyond 31 bits takes longer to make. */
  #addInteger(value: number): void {
    this.#makeRoom(2 * FRAME_BYTES)
    const bytes = digitsOf(value)
    const from = this.#startOf(digitsOf(bytes))
    writeDigits(this.#buffer, from, bytes, value)
    this.#close(from, bytes)
  }

  #addText(text: string): void {
    // UTF-8 takes at most 3 bytes a code unit.
    this.#makeRoom(3 * text.length + FRAME_BYTES)
    // Most text is ASCII: its length in bytes has as many digits as its length in code units.
    const guessed = this.#startOf(digitsOf(text.length))
    const bytes = this.#buffer.write(text, guessed)
    const from = this.#startOf(digitsOf(bytes))
    if (from !== guessed) this.#buffer.copyWithin(from, guessed, guessed + bytes)
    this.#close(from, bytes)
  }

  /** Where the next argument's own bytes begin when its length has that many digits: after `$`, these, and a line end. */
  #startOf(lengthDigits: number): number {
    return this.#length + lengthDigits + 3
  }

  /** Puts the frame around the bytes that begin at `from`. */
  #close(from: number, bytes: number): void {
    const buffer = this.#buffer
    const at = this.#length
    const end = from + bytes
    buffer[at] = DOLLAR
    writeDigits(buffer, at + 1, from - at - 3, bytes)
    buffer[from - 2] = CARRIAGE_RETURN
    buffer[from - 1] = LINE_FEED
    buffer[end] = CARRIAGE_RETURN
    buffer[end + 1] = LINE_FEED
    this.#length = end + 2
    this.#count++
  }

  clear(): void {
    if (this.#buffer.length > KEPT_BYTES) this.#buffer = Buffer.allocUnsafe(INITIAL_BYTES)
    this.#length = 0
    this.#count = 0
  }

  #makeRoom(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, this.#length + bytes))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
  }
}

/** Values as arguments. */
export const encoded = (values: Iterable<string | number>): EncodedArguments => {
  const all = new EncodedArguments()
  for (const value of values) all.add(value)
  return all
}
