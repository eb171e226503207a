/**
 * An event's properties as a text of their own, in which a question finds one without taking the others apart: DuckDB's functions for
 * JSON take, on each thread and for each place that they stand at, several times the bytes of 2048 events' data, and no disk
 * (1.5: 128 MB for one of 600 bytes).
 *
 * A property is `\n`, its key, `\t`, a letter for its kind, and its value. What is no text, number or boolean is nobody's dimension.
 */
import type { Values } from "./values.ts"

/** The letters of kinds of values, which are those of `typeof`. */
const LETTERS = { string: "s", number: "n", boolean: "b" } as const

export type PropertyKind = keyof typeof LETTERS

/** On one line. {@link plain} takes that back. */
const onOneLine = (text: string): string =>
  /[\\\n]/.test(text) ? text.replaceAll("\\", "\\b").replaceAll("\n", "\\n") : text

/** SQL: a text that {@link onOneLine} has written. */
const plain = (text: string): string => `replace(replace(${text}, '\\n', chr(10)), '\\b', '\\')`

const keyOf = (key: string): string => onOneLine(key).replaceAll("\t", "\\t")

/** The properties of event_data, which is the JSON of an object; `null` where it has none. */
export const propertiesOf = (data: string | null): string | null => {
  const object: unknown = data === null ? null : JSON.parse(data)
  if (typeof object !== "object" || object === null) return null
  let properties = ""
  for (const [key, value] of Object.entries(object)) {
    const kind = typeof value
    if (kind === "string" || kind === "number" || kind === "boolean")
      properties += `\n${keyOf(key)}\t${LETTERS[kind]}${onOneLine(String(value))}`
  }
  return properties === "" ? null : properties
}

/** What means something in a pattern. */
const SPECIAL = /[\\^$.*+?()[\]{}|]/g

/** SQL: the value of an event's property as a text, as JavaScript writes it; NULL where it has none of these kinds. */
export const propertyValue = (key: string, kinds: ReadonlyArray<PropertyKind>, values: Values): string => {
  const letters = kinds.map((kind) => LETTERS[kind]).join("")
  const line = `\n${keyOf(key).replaceAll(SPECIAL, "\\$&")}\t([${letters}][^\n]*)`
  const found = `nullif(regexp_extract(data, ${values.add(line)}::VARCHAR, 1), '')`
  const value = `${found}[2:]`
  return kinds.includes("string") ? plain(value) : value
}
