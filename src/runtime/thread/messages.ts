/**
 * What every thread beside the main one says and is told, whatever it is there for. Both sides are this program, so shapes are types,
 * not decoded.
 */
import type { MetricObjectWithValues, MetricValue } from "prom-client"

export type MetricsJson = ReadonlyArray<MetricObjectWithValues<MetricValue<string>>>

/** `Own` is what only threads of its kind are told. */
export type ToThread<Own = never> =
  | { readonly type: "stop" }
  | { readonly type: "metrics"; readonly request: number }
  | { readonly type: "own"; readonly own: Own }

/** `Own` is what only threads of its kind say. */
export type FromThread<Own = never> =
  /** `request` is null where none has asked. */
  | { readonly type: "metrics"; readonly request: number | null; readonly json: MetricsJson }
  | { readonly type: "ended"; readonly failure: string | null }
  | { readonly type: "own"; readonly own: Own }
