/** `doctor`: a report about a running deployment. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { storedSecret } from "../config/secretFile.ts"
import { type AppConfig, SETTINGS } from "../config/settings.ts"
import { nodeUrl } from "../domain/paths.ts"
import { localWriteKeyPath, notedStoreUrls } from "../node/dataFolder.ts"
import { redisExpectations } from "../stores/addresses.ts"
import { type Finding, failed } from "../tools/doctor/finding.ts"
import { examine, report, wantsColours } from "../tools/doctor/index.ts"
import { CommandError } from "./error.ts"
import { missingFolder } from "./stores.ts"

export interface DoctorOptions {
  /** `null`: the node that these settings would start. */
  readonly url: string | null
  readonly site: string | null
  readonly readOnly: boolean
  readonly json: boolean
  /** Seconds. */
  readonly timeout: number
}

/** Embedded stores belong to the node on this machine, never to another one. */
const addressesOf = (config: AppConfig, url: string | null) => {
  const noted = url === null ? notedStoreUrls(config.dataDir) : null
  return {
    redisUrl: config.redisUrl ?? noted?.redisUrl ?? null,
    redis: redisExpectations(config),
    databaseUrl: config.databaseUrl ?? noted?.databaseUrl ?? null,
  }
}

/** A folder that was named, and in which nothing is, is a mistake; that there is none is not, of a deployment elsewhere. */
const wrongFolder = (config: AppConfig, { url }: DoctorOptions): ReadonlyArray<Finding> => {
  const missing = missingFolder(config)
  const isNamed = config.dataDir !== SETTINGS.dataDir.parse(SETTINGS.dataDir.default)
  return url === null && isNamed && missing !== null ? [failed("DATA_DIR", missing)] : []
}

/** Prints the report; fails when a check has failed. */
export const doctor = (config: AppConfig, options: DoctorOptions) =>
  Effect.gen(function* () {
    const url = options.url ?? (nodeUrl(config.host, config.port) + config.basePath).replace(/\/+$/, "")
    const examined = yield* examine({
      deployment: {
        url,
        timeoutMs: options.timeout * 1000,
        adminToken: config.adminToken,
        // Of the node on this machine only.
        readKey: options.url === null ? storedSecret(localWriteKeyPath(config.dataDir)) : null,
        metricsToken: config.metricsToken,
        writeKey: config.writeKeys[0] ?? null,
      },
      site: options.site,
      readOnly: options.readOnly,
      metricsPrefix: config.metricsPrefix,
      stores: addressesOf(config, options.url),
      now: Date.now,
    })
    const findings = [...examined, ...wrongFolder(config, options)]
    const bad = findings.filter(({ state }) => state === "failed").length
    yield* Console.log(
      options.json
        ? JSON.stringify({ url, healthy: bad === 0, findings }, null, 2)
        : report(url, findings, wantsColours()),
    )
    if (bad > 0)
      return yield* new CommandError({ message: `${url} has ${bad} problem${bad === 1 ? "" : "s"}.` })
  })
