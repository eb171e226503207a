/**
 * Stamps: places in a prepared request that are filled with digits as it is sent. In a separate file, so that load
 * generators need not load the code that makes a corpus.
 */

/** Characters that no request contains, in place of the event's number and the round's number. */
export const STAMPS = { event: "\u0001", round: "\u0002", lineEnd: "\u0003" } as const
/** The number of digits in a stamp. */
export const STAMP_DIGITS = 12

const STAMP = new RegExp(`([${STAMPS.event}${STAMPS.round}])`)

/** Splits a request at its stamps, which are parts of their own, for {@link stamped}. */
export const partsOf = (text: string): ReadonlyArray<string> => text.split(STAMP)

/** A request with its stamps filled in, the same way as wrk's script does it. */
export const stamped = (parts: ReadonlyArray<string>, event: number, round: number): string => {
  const eventDigits = event.toString(16).padStart(STAMP_DIGITS, "0")
  const roundDigits = round.toString(16).padStart(STAMP_DIGITS, "0")
  let text = ""
  for (const part of parts)
    text += part === STAMPS.event ? eventDigits : part === STAMPS.round ? roundDigits : part
  return text
}
