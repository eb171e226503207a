/** The map's shapes, as their file has them. */

export interface World {
  readonly viewBox: string
  readonly countries: ReadonlyArray<{ readonly code: string; readonly path: string }>
}

/** Whether a text is of shapes: what is before the node may answer with a page. */
export const isWorld = (text: string): boolean => /^-?\d+( -?\d+){3}\n/.test(text)

/** The shapes of a text: the box that they are in, then a line each: the ISO 3166-1 code, `--` where there is none, and the path of its area. */
export const worldOf = (text: string): World => {
  const [viewBox = "", ...lines] = text.trimEnd().split("\n")
  return { viewBox, countries: lines.map((line) => ({ code: line.slice(0, 2), path: line.slice(3) })) }
}
