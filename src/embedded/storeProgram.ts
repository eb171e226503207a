/** What the life cycle of a store has to know of it: how it is prepared, started, asked and stopped. */
import type * as Effect from "effect/Effect"
import type { EmbeddedStoreError } from "./error.ts"

/** What differs between the stores. */
export interface StoreProgram {
  readonly store: EmbeddedStoreError["store"]
  /** Where its data are, and its processes' current directory. */
  readonly directory: string
  /** Prepares the directory and its files. Run before each start. */
  readonly prepare: Effect.Effect<void, EmbeddedStoreError>
  /** Mends what kept a start from working, if that can be told. Fails when it cannot be mended, with the way out. */
  readonly mend: Effect.Effect<void, EmbeddedStoreError>
  readonly command: (port: number) => Command
  /** Environment variables for the next start, beside those that every store gets. */
  readonly environment: () => Readonly<Record<string, string>>
  /** Whether a command line is that of one of its processes, wherever its data are. */
  readonly isProcess: (commandLine: ReadonlyArray<string>) => boolean
  /** Resolves if the store on this port accepts our password and has our data; rejects with the reason otherwise. */
  readonly probe: (port: number) => Promise<void>
  /** The signal that makes it flush its data and exit, and the one that makes it exit at once without losing any. */
  readonly stopSignal: NodeJS.Signals
  readonly haltSignal: NodeJS.Signals
}

export interface Command {
  readonly file: string
  readonly args: ReadonlyArray<string>
  /** The name to call it by, where that differs from the file's. */
  readonly argv0?: string
  readonly cwd: string
  readonly uid?: number
  readonly gid?: number
}
