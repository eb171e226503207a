/** The map's shapes: a file of its own, which only who opens the map loads. */

import { ReadFailure } from "../model/readFailure.ts"

/** Made by `npm run build:map`. */
const ADDRESS = new URL("./world.txt", import.meta.url)

export interface World {
  readonly viewBox: string
  readonly countries: ReadonlyArray<{ readonly code: string; readonly path: string }>
}

/** The shapes of a text: the box that they are in, then a line each: the ISO 3166-1 code, `--` where there is none, and the path of its area. */
export const worldOf = (text: string): World => {
  const [viewBox = "", ...lines] = text.trimEnd().split("\n")
  return { viewBox, countries: lines.map((line) => ({ code: line.slice(0, 2), path: line.slice(3) })) }
}

/** Loads the shapes. Not as a module: one that could not be loaded is not asked for again until the page is. */
export const readWorld = async (signal: AbortSignal): Promise<World> => {
  const answer = await fetch(ADDRESS, { signal }).catch((cause: unknown) => {
    throw new ReadFailure("OFFLINE", String(cause))
  })
  if (!answer.ok) throw new ReadFailure("UNKNOWN", `${ADDRESS.pathname} is answered with ${answer.status}`)
  return worldOf(await answer.text())
}
