/** The operator's database of places: read at the start, and again whenever its file changes. */
import { readFile, stat } from "node:fs/promises"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { InvalidSettings } from "../config/settings.ts"
import { NO_PLACES, type Places, placesIn } from "./place.ts"

/** How often the file is looked at, milliseconds. */
const EVERY_MS = 5000

export interface PlacesOptions {
  /** Told each database that is read. */
  readonly onRead?: (places: Places) => void
  /** Milliseconds between two looks at the file. */
  readonly everyMs?: number
}

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** A file's places, and what tells that it has changed. */
interface Loaded {
  readonly places: Places
  readonly version: string
}

const versionOf = async (path: string): Promise<string> => {
  const { mtimeMs, size, ino } = await stat(path)
  return `${mtimeMs} ${size} ${ino}`
}

const load = (path: string): Effect.Effect<Loaded, InvalidSettings> =>
  Effect.tryPromise({
    try: async () => {
      // Before its contents: a change in between is noticed the next time.
      const version = await versionOf(path)
      return { places: placesIn(await readFile(path)), version }
    },
    catch: (cause) =>
      new InvalidSettings({
        message: `GEO_DATABASE is ${JSON.stringify(path)}: it should be a file in the MaxMind DB format, .mmdb (${reasonOf(cause)}).`,
      }),
  })

/**
 * The present database, as a function to be asked for each address; without a path it knows no place. The file is followed until
 * the scope closes: one that cannot be used any more is logged, and the last one that could goes on answering.
 */
export const openPlaces = (
  path: string | null,
  { onRead = () => {}, everyMs = EVERY_MS }: PlacesOptions = {},
): Effect.Effect<() => Places, InvalidSettings, Scope.Scope> =>
  Effect.gen(function* () {
    if (path === null) return () => NO_PLACES
    let current = yield* load(path)
    onRead(current.places)
    let refused = ""
    const follow = Effect.gen(function* () {
      const version = yield* Effect.promise(() => versionOf(path).catch(reasonOf))
      if (version === current.version || version === refused) return
      yield* load(path).pipe(
        Effect.matchEffect({
          onSuccess: (loaded) => {
            current = loaded
            onRead(loaded.places)
            return Effect.logInfo("places read again: GEO_DATABASE has changed")
          },
          onFailure: ({ message }) => {
            refused = version
            return Effect.logWarning("places not read again: the last database goes on answering").pipe(
              Effect.annotateLogs({ reason: message }),
            )
          },
        }),
      )
    })
    yield* Effect.forkScoped(Effect.repeat(follow, Schedule.spaced(everyMs)))
    return () => current.places
  })
