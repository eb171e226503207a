/** The headers of a response of Node's, at the moment when they are written. */

/** What is used of a response. */
export interface HeldResponse {
  readonly headersSent: boolean
  getHeader(name: string): unknown
  setHeader(name: string, value: string | ReadonlyArray<string>): unknown
}

const isText = (value: unknown): value is string => typeof value === "string"

/** Headers as `writeHead` takes them: an object, a list of pairs, or names and values in turn. */
const entriesOf = (headers: unknown): ReadonlyArray<readonly [string, unknown]> => {
  if (typeof headers !== "object" || headers === null) return []
  if (!Array.isArray(headers)) return Object.entries(headers)
  const list: ReadonlyArray<unknown> = headers
  if (list.every(Array.isArray))
    return list.map(([name, value]: ReadonlyArray<unknown>) => [String(name), value])
  return list.flatMap((name, i) => (i % 2 === 0 && isText(name) ? [[name, list[i + 1]] as const] : []))
}

/** Headers by their names; several values of one come together. */
const grouped = (headers: unknown): ReadonlyMap<string, ReadonlyArray<string>> => {
  const groups = new Map<string, Array<string>>()
  for (const [name, value] of entriesOf(headers)) {
    if (value === undefined) continue
    const values = Array.isArray(value) ? value.map(String) : [String(value)]
    groups.set(name, [...(groups.get(name) ?? []), ...values])
  }
  return groups
}

/**
 * Calls `before` when a response's headers are about to be written. Those that are given to `writeHead` are set before: Node would
 * not keep them, and they would replace others of the same name.
 */
export const holdHeaders = (response: HeldResponse, before: () => void): void => {
  const { writeHead } = response as { readonly writeHead?: unknown }
  if (typeof writeHead !== "function") return
  const held = (...head: ReadonlyArray<unknown>): unknown => {
    const last = head.at(-1)
    const given = typeof last === "object" && last !== null
    let kept = head
    try {
      if (!response.headersSent) {
        if (given)
          for (const [name, values] of grouped(last))
            response.setHeader(name, values.length === 1 ? (values[0] ?? "") : values)
        before()
        if (given) kept = head.slice(0, -1)
      }
    } catch {
      // What cannot be set is for writeHead to refuse.
    }
    return Reflect.apply(writeHead, response, kept)
  }
  Object.defineProperty(response, "writeHead", { value: held, writable: true, configurable: true })
}
