/** The settings that the bench does not change, as every node that it starts has them. */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { loadConfig } from "../../src/config/settings.ts"

/** The product's settings in an empty environment. */
export const DEFAULTS = Effect.runSync(
  loadConfig.pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({})))),
)

/** The site of events that do not name one. */
export const SITE = DEFAULTS.sites[0]
