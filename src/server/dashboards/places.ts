/** How many dashboards a node and an address may have. */
import type { AppConfig } from "../../config/settings.ts"

/** Why there is no place for another. */
export type PlaceRefusal = "TOO_MANY_CONNECTIONS" | "CONNECTION_LIMIT"

/** What a node allows. */
export type PlaceLimits = Pick<AppConfig, "wsMaxConnections" | "wsMaxConnectionsPerIp">

/** Room for dashboards. */
export interface Places {
  /** Takes a place for a dashboard of an address. Returns `null`, or why there is none. */
  enter(address: string): PlaceRefusal | null
  /** Gives a place back. */
  leave(address: string): void
}
