/**
 * Stamps: places in a prepared request where digits go while it is sent. In a file of its own, so that load generators
 * need not load what makes a corpus.
 */

/** Characters that no request contains: where the event's number and the round's number go. */
export const STAMPS = { event: "\u0001", round: "\u0002", lineEnd: "\u0003" } as const
/** Digits of a stamp. */
export const STAMP_DIGITS = 12

const STAMP = new RegExp(`([${STAMPS.event}${STAMPS.round}])`)

/** A request's text between its stamps, and the stamps, each a part of its own: for {@link stamped}. */
export const partsOf = (text: string): ReadonlyArray<string> => text.split(STAMP)

/** A request with its stamps filled in, as wrk's script does it. */
export const stamped = (parts: ReadonlyArray<string>, event: number, round: number): string => {
  const eventDigits = event.toString(16).padStart(STAMP_DIGITS, "0")
  const roundDigits = round.toString(16).padStart(STAMP_DIGITS, "0")
  let text = ""
  for (const part of parts)
    text += part === STAMPS.event ? eventDigits : part === STAMPS.round ? roundDigits : part
  return text
}
