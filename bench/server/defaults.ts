/** The settings that the bench leaves alone, as every node that it starts has them. */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { loadConfig } from "../../src/config/settings.ts"

/** The product's settings where the environment says nothing. */
export const DEFAULTS = Effect.runSync(
  loadConfig.pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({})))),
)

/** The site of events that name none. */
export const SITE = DEFAULTS.sites[0]
