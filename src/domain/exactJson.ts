/** JSON whose numbers are kept as they were sent, or known not to be. */

/** Begins the text that stands for a number that is not held. No event may have U+0000 in a text of its own. */
const MARK = "\u0000not held: "

/** Whether a text may have such a number: 16 digits, or an exponent of three. Most have none, and are parsed once. */
const SUSPECT = /[:[,\s]-?(?:\d{16}|\d+(?:\.\d+)?[eE][+-]?\d{3})/

/** Texts, which may look like numbers, and numbers in doubt. */
const TOKENS =
  /"(?:[^"\\]|\\.)*"|(?<![\d.eE+-])-?(?=\d{16}|\d+(?:\.\d+)?[eE][+-]?\d{3})\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g

/** Whether a double holds a number: `9007199254740993` would become `…992`, `1e400` nothing. */
const isHeld = (source: string): boolean => {
  const value = Number(source)
  if (!Number.isFinite(value)) return false
  if (value === 0) return !/^-?[\d.]*[1-9]/.test(source)
  // A fraction is measured, and a double is as near as measures are; a whole number is a name or a count.
  if (Number.isSafeInteger(value) || !/^-?\d+$/.test(source)) return true
  return BigInt(source) === BigInt(value)
}

const marked = (token: string): string =>
  token.startsWith('"') || isHeld(token) ? token : JSON.stringify(MARK + token)

/** Like `JSON.parse`, with a text that {@link unheldNumber} knows for each number that would not be what was sent. */
export const parseExactly = (text: string): unknown => {
  const value: unknown = JSON.parse(text)
  // Not by a reviver: that is called for every value, and takes seconds for a body that is made for it.
  return SUSPECT.test(text) ? JSON.parse(text.replace(TOKENS, marked)) : value
}

/** The number that a text of {@link parseExactly} stands for, as it was sent; `null` for any other text. */
export const unheldNumber = (text: string): string | null =>
  text.startsWith(MARK) ? text.slice(MARK.length) : null
