/** The sources of `src` as the parser of the bundler sees them: what each imports, and its functions. */
import { readFileSync } from "node:fs"
import { join, posix } from "node:path"
import { parseSync } from "rolldown/utils"
import { filesIn, ROOT } from "../support/documents.ts"

export interface Source {
  /** Below `src`, with slashes. */
  readonly path: string
  readonly text: string
  /** What it imports of `src`, types included. */
  readonly imports: ReadonlyArray<string>
}

/** A function, with the comment above the statement or member that it is part of. */
export interface LongFunction {
  /** `path:line`. */
  readonly place: string
  readonly lines: number
  readonly comment: string
}

const parse = (path: string, text: string) => {
  const parsed = parseSync(path, text)
  const [error] = parsed.errors
  if (error !== undefined) throw new Error(`${path}: ${error.message}`)
  return parsed
}

/** Every program text of `src` but what is built. */
export const sources = (): ReadonlyArray<Source> =>
  [...filesIn("src", ".ts"), ...filesIn("src", ".tsx"), ...filesIn("src", ".js")]
    .filter((file) => !/^src\/(dashboard|tracker)\/built\//.test(file))
    .map((file) => {
      const text = readFileSync(join(ROOT, file), "utf8")
      const path = file.slice("src/".length)
      const { module } = parse(path, text)
      const named = [
        ...module.staticImports.map((each) => each.moduleRequest.value),
        ...module.staticExports.flatMap((each) =>
          each.entries.flatMap(({ moduleRequest }) => (moduleRequest === null ? [] : [moduleRequest.value])),
        ),
        ...module.dynamicImports.map(({ moduleRequest }) =>
          text.slice(moduleRequest.start + 1, moduleRequest.end - 1),
        ),
      ]
      const imports = named
        .filter((name) => name.startsWith("."))
        .map((name) => posix.join(posix.dirname(path), name))
        .filter((target) => !target.startsWith(".."))
      return { path, text, imports: [...new Set(imports)] }
    })

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && "type" in value && "start" in value && "end" in value

const FUNCTIONS = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"])
/** What a comment stands above. */
const COMMENTED = /^(.*Declaration|.*Statement|MethodDefinition|PropertyDefinition|Property)$/

/** The functions of a source that have more lines than `most`. */
export const functionsLongerThan = (most: number, { path, text }: Source): ReadonlyArray<LongFunction> => {
  const { program, comments } = parse(path, text)
  const lineOf = (at: number) => text.slice(0, at).split("\n").length
  const commentAbove = (at: number) =>
    comments
      .filter(({ end }) => end <= at && /^[\s;]*$/.test(text.slice(end, at)))
      .map(({ value }) => value)
      .join()
  const found: Array<LongFunction> = []
  const visit = (value: unknown, comment: string): void => {
    if (Array.isArray(value)) for (const each of value) visit(each, comment)
    if (!isNode(value)) return
    // An exported declaration begins after the comment and `export`.
    const own = COMMENTED.test(value.type) ? commentAbove(value.start) : ""
    const above = own === "" ? (value.type === "ExportNamedDeclaration" ? "" : comment) : own
    const lines = lineOf(value.end) - lineOf(value.start) + 1
    if (FUNCTIONS.has(value.type) && lines > most)
      found.push({ place: `${path}:${lineOf(value.start)}`, lines, comment: above })
    for (const child of Object.values(value)) visit(child, above)
  }
  visit(program.body, "")
  return found
}
