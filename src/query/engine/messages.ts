/** What a node and its query engine say to each other. */

import type { AppConfig } from "../../config/settings.ts"
import type { StoreAddresses } from "../../stores/addresses.ts"
import type { Funnel, Query } from "../language/index.ts"

/** What may be asked. The answer to a funnel has a row for each step, whose metric is its visitors. */
export type Question = Query | Funnel

/** A row of an answer: values of its dimensions, its metrics, and those of the time it is compared with. */
export interface AnswerRow {
  readonly dimensions: ReadonlyArray<string | null>
  readonly metrics: ReadonlyArray<number | null>
  /** `null` where the question compares nothing. */
  readonly comparison: ReadonlyArray<number | null> | null
}

export interface EngineAnswer {
  readonly rows: ReadonlyArray<AnswerRow>
  /** Rows that there are, whatever the limit. */
  readonly total: number
  /** Whether daily totals are in it, of days whose raw events have expired. */
  readonly imported?: boolean
  /** Metrics that are estimates. */
  readonly approximate?: ReadonlyArray<string>
  /** Sentences about what is not in it. */
  readonly notices?: ReadonlyArray<string>
}

/**
 * Why there is no answer: the question took too long; the engine found something wrong with it (a pattern that is none); there is no
 * room on the disk, or no database on this platform, which is said; or something else is wrong with the engine or its stores.
 */
export type EngineFailure = "deadline" | "invalid" | "unavailable" | "failed"

/** For so long what a question was told of the days' versions is told to others, too, milliseconds. */
export const FRESH_MS = 500

/** The folder of its files, within `DATA_DIR`. */
export const QUERY_FOLDER = "query"

/** Given to the engine before anything is asked. */
export interface EngineStart {
  readonly type: "start"
  readonly config: AppConfig
  readonly stores: StoreAddresses
  /** Its own, with the files that the engine before it has made. */
  readonly folder: string
}

export type ToEngine =
  | EngineStart
  | { readonly type: "ask"; readonly id: number; readonly query: Question }
  /** Whatever has gone, an erased visitor's events among it, is to go from the files. */
  | { readonly type: "look" }

export type FromEngine =
  /** It listens, with its stores or without. */
  | { readonly type: "ready" }
  | { readonly type: "answered"; readonly id: number; readonly answer: EngineAnswer }
  | {
      readonly type: "refused"
      readonly id: number
      readonly failure: EngineFailure
      readonly reason: string
    }
