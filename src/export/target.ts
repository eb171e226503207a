/** Where days are exported to: each file is there as a whole or not at all, whenever the export ends. */
import type * as Effect from "effect/Effect"
import type { ExportError } from "./error.ts"

export interface ExportTarget {
  /** A path or an address, as messages name it; files are below it. */
  readonly name: string
  /** A folder on this machine, for files that are being made. */
  readonly work: string
  /** The text of a file; `null` where there is none. */
  readonly read: (file: string) => Effect.Effect<string | null, ExportError>
  /** Bytes of a file; `null` where there is none. */
  readonly size: (file: string) => Effect.Effect<number | null, ExportError>
  /** Gives a file that was made in `work` its place; returns its bytes. */
  readonly put: (file: string, made: string) => Effect.Effect<number, ExportError>
  /** Writes a text to a file. */
  readonly write: (file: string, text: string) => Effect.Effect<void, ExportError>
  readonly remove: (file: string) => Effect.Effect<void, ExportError>
}
