/** What the server needs from the rest of the system: interfaces only, so that its tests need no stores. */
import type * as Effect from "effect/Effect"
import type { Accounts } from "../../access/accounts.ts"
import type { Attempts } from "../../access/attempts.ts"
import type { Figures } from "../../aggregates/figures.ts"
import type { ReadinessReport, SiteReceipt, VisitorReceipt } from "../../domain/answers.ts"
import type { Refusal } from "../../domain/frames.ts"
import type { Period } from "../../domain/period.ts"
import type { EventQueries as Questions } from "../../events/read/index.ts"
import type { SchemaTooNew } from "../../events/schema/index.ts"
import type { Goals } from "../../goals/goals.ts"
import type { Format, MetricsText } from "../../metrics/exposition.ts"
import type { VisitorKeys } from "../../privacy/dayKeys.ts"
import type { ErasureMustWait } from "../../privacy/erase.ts"
import type { EngineAnswer, QueryRefused, Question } from "../../query/engine/index.ts"
import type { SiteRefused, Sites } from "../../sites/index.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { AppendDone } from "../../stream/producer.ts"

export type { Figures } from "../../aggregates/figures.ts"
export type { VisitorKeys } from "../../privacy/dayKeys.ts"
export type { AppendFailure } from "../../stream/producer.ts"

/** Makes events durable. Hot: synchronous, one call per event. */
export interface Appender {
  /**
   * Appends an event to a partition. Calls `done` once, never synchronously: with `null` when the event is durable, else
   * with the reason.
   */
  append(partition: number, payload: string, done: AppendDone): void
  /** Resolves when no append is in progress. */
  settled(): Promise<void>
}

/** A row of an export: columns in the order of its keys. */
export type ExportRow = object

/** Reads of the raw events; exports write rows as they come, whatever their columns. */
export interface EventQueries extends Omit<Questions, "exportVisitors" | "exportVisitor"> {
  exportVisitors(site: string, period: Period): AsyncIterable<ExportRow>
  exportVisitor(visitorId: string): AsyncIterable<ExportRow>
}

/** What visitors may ask about their data. */
export interface Privacy {
  /**
   * Erases every raw event of a visitor, of all sites, wherever it is kept or still waits. Returns the receipt; a
   * failure means that the erasure may be incomplete and has to be asked for again.
   *
   * @param who as the audit log names them
   */
  erase(who: string, visitorId: string): Effect.Effect<VisitorReceipt, StoreError | ErasureMustWait>
}

/** Questions to the events. */
export interface Queries {
  readonly ask: (query: Question) => Effect.Effect<EngineAnswer, QueryRefused>
  /** Makes ready for questions that are about to come. */
  readonly prepare: Effect.Effect<void>
  /** The first event of each site, unix milliseconds. */
  readonly earliest: Effect.Effect<ReadonlyMap<string, number>, StoreError>
}

/** Users and tokens. */
export type AccountsService = Pick<Accounts, keyof Accounts>

/** Named filters of sites. */
export type GoalsService = Pick<Goals, keyof Goals>

/** What changes sites, and erases them. */
export interface SitesService extends Pick<Sites, keyof Sites> {
  /** Erases a site, wherever its events are kept or still wait. */
  readonly erase: (
    who: string,
    site: string,
  ) => Effect.Effect<SiteReceipt, SiteRefused | StoreError | SchemaTooNew>
}

/** Everything the server is given. */
export interface Services {
  readonly appender: Appender
  readonly visitorKeys: VisitorKeys
  readonly figures: Figures
  readonly queries: EventQueries
  readonly questions: Queries
  readonly privacy: Privacy
  readonly accounts: AccountsService
  readonly attempts: Attempts
  readonly goals: GoalsService
  readonly sites: SitesService
  /** Tells all nodes of events that were refused; what is lost is not told again. */
  readonly tellRefusals: (refusals: ReadonlyArray<Refusal>) => Effect.Effect<void>
  /** Asks the stores at each run. */
  readonly readiness: Effect.Effect<ReadinessReport>
  /** Reads every metric at each run. */
  readonly metricsText: (format: Format) => Effect.Effect<MetricsText>
}
