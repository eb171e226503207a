/**
 * The part of the Prometheus text format that decides whether a scrape is valid
 * (https://prometheus.io/docs/instrumenting/exposition_formats/).
 */

export interface Sample {
  readonly name: string
  /** The text between the braces. */
  readonly labels: string
  readonly value: number
}

export interface Exposition {
  /** Types by metric. */
  readonly types: ReadonlyMap<string, string>
  readonly samples: ReadonlyArray<Sample>
}

const TYPE = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram|summary|untyped)$/
const LABEL = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"'
const SAMPLE = new RegExp(
  `^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\\{((?:${LABEL}(?:,${LABEL})*,?)?)\\})? (\\S+)(?: -?\\d+)?$`,
)

const numberOf = (text: string): number => {
  if (/^[+-]?Inf$/.test(text))
    return text.startsWith("-") ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  return /^nan$/i.test(text) ? Number.NaN : Number(text)
}

const isNumber = (text: string): boolean =>
  /^([+-]?Inf|NaN)$/i.test(text) || (text !== "" && !Number.isNaN(Number(text)))

/** Parses a scrape. Returns a sentence about the first invalid line, if there is one. */
export const parseExposition = (text: string): Exposition | string => {
  const types = new Map<string, string>()
  const samples: Array<Sample> = []
  const seen = new Set<string>()
  for (const [i, line] of text.split("\n").entries()) {
    if (line === "") continue
    const wrong = (why: string) => `line ${i + 1} ${why}: ${line.slice(0, 100)}`
    if (line.startsWith("#")) {
      const [, name, type] = TYPE.exec(line) ?? []
      if (name !== undefined && type !== undefined) {
        if (types.has(name)) return wrong("gives a type for the second time")
        types.set(name, type)
      } else if (line.startsWith("# TYPE ")) return wrong("is no type")
      continue
    }
    const [, name = "", labels = "", value = ""] = SAMPLE.exec(line) ?? []
    if (name === "" || !isNumber(value)) return wrong("is no sample")
    if (seen.has(`${name}{${labels}}`)) return wrong("gives a series for the second time")
    seen.add(`${name}{${labels}}`)
    samples.push({ name, labels, value: numberOf(value) })
  }
  return text.endsWith("\n") ? { types, samples } : "the last line does not end"
}
