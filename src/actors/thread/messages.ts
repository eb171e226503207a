/** In both threads: what they say to each other. Both are this program, so shapes are types, not decoded. */
import type { MetricObjectWithValues, MetricValue } from "prom-client"
import type { AppConfig } from "../../config/settings.ts"
import type { StoreAddresses } from "../../stores/addresses.ts"

/** Given to the thread at its start. */
export interface ThreadData {
  readonly config: AppConfig
  readonly stores: StoreAddresses
  readonly node: string
}

export type MetricsJson = ReadonlyArray<MetricObjectWithValues<MetricValue<string>>>

export type ToThread = { readonly type: "stop" } | { readonly type: "metrics"; readonly request: number }

export type FromThread =
  /** `request` is null where none has asked. */
  | { readonly type: "metrics"; readonly request: number | null; readonly json: MetricsJson }
  | { readonly type: "ended"; readonly failure: string | null }
