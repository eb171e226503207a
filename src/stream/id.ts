/** Stream entry ids, `<milliseconds>-<sequence>`: order, successor, and the UUID of an event that brought none. */

/** The id before every entry. */
export const ZERO_ID = "0-0"

const parts = (id: string): [milliseconds: number, sequence: number] => {
  const dash = id.indexOf("-")
  return [Number(id.slice(0, dash)), Number(id.slice(dash + 1))]
}

/** Negative when `a` comes before `b`, 0 when they are the same, else positive. */
export const compareIds = (a: string, b: string): number => {
  const [aMs, aSeq] = parts(a)
  const [bMs, bSeq] = parts(b)
  return aMs - bMs || aSeq - bSeq
}

/** When Redis took an entry: unix milliseconds. */
export const timeOf = (id: string): number => parts(id)[0]

/** Sequence of an entry within its millisecond. */
export const sequenceOf = (id: string): number => parts(id)[1]

/**
 * The UUID (version 8, RFC 9562) of the event in a stream entry: 48 bits of milliseconds, 12 of partition, 60 of
 * sequence. Derived rather than drawn, so that a redelivered entry is the same event.
 */
export const eventIdOf = (partition: number, id: string): string => {
  const [ms, sequence] = parts(id)
  // Many entries are of one millisecond.
  if (last.ms !== ms || last.partition !== partition) {
    const time = ms.toString(16).padStart(12, "0")
    const start = `${time.slice(0, 8)}-${time.slice(8)}-8${partition.toString(16).padStart(3, "0")}-8`
    last = { ms, partition, start }
  }
  const seq = sequence.toString(16).padStart(15, "0")
  return `${last.start}${seq.slice(0, 3)}-${seq.slice(3)}`
}

let last = { ms: -1, partition: -1, start: "" }

/** The smallest id after `id`. */
export const nextId = (id: string): string => {
  const [ms, sequence] = parts(id)
  return `${ms}-${sequence + 1}`
}
