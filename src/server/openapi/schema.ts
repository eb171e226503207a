/** JSON Schema (2020-12, as OpenAPI 3.1 uses it) from the TypeScript shapes and regular expressions that the code has. */

export type Schema = { readonly [key: string]: unknown }

/**
 * An object with exactly the members of a type: the compiler requires each of them, so a new field of an answer does not
 * compile without its schema.
 */
export const shape = <T>(properties: { readonly [K in keyof T]-?: Schema }, more: Schema = {}): Schema => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
  ...more,
})

export const array = (items: Schema, more: Schema = {}): Schema => ({ type: "array", items, ...more })

export const nullable = (schema: Schema): Schema => ({ anyOf: [schema, { type: "null" }] })

export const count = { type: "integer", minimum: 0 } as const
export const text = { type: "string" } as const
export const instant = { type: "string", format: "date-time" } as const
export const day = { type: "string", format: "date" } as const

/** Patterns in a schema have no flags, so letters of one that ignores case are written in both cases. */
const bothCases = (source: string): string => {
  let inClass = false
  return source.replace(/\\.|\[|\]|([a-z])-([a-z])|[A-Za-z]/g, (part, from?: string, to?: string) => {
    if (part === "[") inClass = true
    else if (part === "]") inClass = false
    if (from !== undefined && to !== undefined)
      return inClass ? `${part}${from.toUpperCase()}-${to.toUpperCase()}` : part
    if (!/^[A-Za-z]$/.test(part)) return part
    const both = part.toUpperCase() + part.toLowerCase()
    return inClass ? both : `[${both}]`
  })
}

/** A string that a regular expression matches. */
export const matching = (expression: RegExp, more: Schema = {}): Schema => ({
  type: "string",
  pattern: expression.ignoreCase ? bothCases(expression.source) : expression.source,
  ...more,
})
