/** JSON whose numbers are kept as they were sent, or known not to be. */

/** A number that a double cannot hold: `9007199254740993` would become `…992`, `1e400` nothing. */
export class UnheldNumber {
  readonly source: string
  constructor(source: string) {
    this.source = source
  }
}

/** Whether a text may have such a number: 16 digits, or an exponent of three. Most have none, and are parsed once. */
const SUSPECT = /[:[,\s]-?(?:\d{16}|\d+(?:\.\d+)?[eE][+-]?\d{3})/

const isHeld = (value: number, source: string): boolean => {
  if (!Number.isFinite(value)) return false
  if (value === 0) return !/^-?[\d.]*[1-9]/.test(source)
  // A fraction is measured, and a double is as near as measures are; a whole number is a name or a count.
  if (Number.isSafeInteger(value) || !/^-?\d+$/.test(source)) return true
  return BigInt(source) === BigInt(value)
}

const marked = (_key: string, value: unknown, context?: { readonly source?: string }): unknown => {
  const source = context?.source
  return typeof value !== "number" || source === undefined || isHeld(value, source)
    ? value
    : new UnheldNumber(source)
}

/** Like `JSON.parse`, with an {@link UnheldNumber} for each number that would not be what was sent. */
export const parseExactly = (text: string): unknown => {
  const value: unknown = JSON.parse(text)
  return SUSPECT.test(text) ? JSON.parse(text, marked) : value
}
