/** The map's shapes: a file of its own, which only who opens the map loads. */

export interface World {
  readonly viewBox: string
  readonly countries: ReadonlyArray<{ readonly code: string; readonly path: string }>
}

/** Loads the shapes. */
export const readWorld = async (): Promise<World> => {
  const { VIEW_BOX, COUNTRIES } = await import("./world.ts")
  const countries = COUNTRIES.split("\n").map((line) => ({ code: line.slice(0, 2), path: line.slice(3) }))
  return { viewBox: VIEW_BOX, countries }
}
