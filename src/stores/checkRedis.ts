/** Looks at Redis before anything runs: a server that cannot be used stops the start, settings that endanger data warn. */
import * as Effect from "effect/Effect"
import type { Redis } from "ioredis"
import { type HostAndPort, parseRedisUrl, shownHost, shownRedisUrl } from "../config/redisUrl.ts"
import { Expected } from "../config/values.ts"
import { type CertificateFiles, certificateProblem, NO_CERTIFICATES } from "./certificates.ts"
import { type StoreWarning, UnusableStore } from "./checks.ts"
import { introductionOf, judgeRedis, type RedisFacts } from "./judgeRedis.ts"
import { masterBy, nodesOf, replicasBy } from "./peers.ts"
import { converse, type Destination } from "./redisClient.ts"
import { mayRewrite, missingRights } from "./rights.ts"

export type { RedisFacts } from "./judgeRedis.ts"

/** Names the Redis that cannot be used and says why, without user and password. */
const unusable = (url: Destination, reasons: ReadonlyArray<string>): UnusableStore =>
  new UnusableStore({
    message: `REDIS_URL ${shownRedisUrl(url)} cannot be used: ${reasons.join("; ").replace(/\.$/, "")}.`,
  })

/** What may be wrong where the server refuses the password, or hangs up without a word. */
const hintAt = (message: string, { tls, certificates }: Destination): string => {
  if (/WRONGPASS/.test(message))
    return " (a password without a user stands after a colon, redis://:password@host, with %25 for each % in it; REDIS_PASSWORD takes one as it is)"
  if (!/Connection is closed|ECONNRESET|EPIPE|certificate required/.test(message)) return ""
  if (!tls) return " (if it wants TLS, write rediss://)"
  return certificates.cert === null
    ? " (if it asks clients for a certificate, set REDIS_CERT_FILE and REDIS_KEY_FILE)"
    : ""
}

/** What the deployment expects of its Redis, beside the URL. */
export interface Expectations {
  readonly certificates?: CertificateFiles
  /** Of its keys; rights are asked for where it is given. */
  readonly prefix?: string
  /** How many replicas it waits for. */
  readonly replicas?: number
}

const lackingRights = (url: Destination, rules: ReadonlyArray<string>): string => {
  const user = url.username === "" ? "default" : url.username
  return `the user ${user} lacks rights, which "ACL SETUSER ${user} ${rules.join(" ")}" grants`
}

const NO_REWRITE: StoreWarning = {
  text: "Redis does not let this user have its append-only file rewritten (BGREWRITEAOF): what is deleted stays in it until Redis rewrites it by itself.",
  grave: false,
}

/** One server, judged: what is known of it, or why it cannot be used. */
interface Judged {
  readonly place: HostAndPort
  readonly found: RedisFacts | string
}

/** Judges the server of a connection. */
const judge = async (
  redis: Redis,
  url: Destination,
  place: HostAndPort,
  { prefix, replicas = 0 }: Expectations,
  isPeer: boolean,
): Promise<RedisFacts | string> => {
  const found = judgeRedis(await introductionOf(redis), place, url, isPeer, replicas)
  if (typeof found === "string" || prefix === undefined) return found
  const missing = await missingRights(redis, {
    ...{ prefix, cluster: found.cluster, replicas: replicas > 0 },
    database: url.database > 0 && !found.cluster,
  })
  if (missing.length > 0) return lackingRights(url, missing)
  return (await mayRewrite(redis)) ? found : { ...found, warnings: [...found.warnings, NO_REWRITE] }
}

/** The server of one host of the URL, and the others: those that may take its place, or have other slots. */
interface First extends Judged {
  readonly peers: ReadonlyArray<HostAndPort>
}

/** Asks one host of the URL; rejects with an error that names it and the reason. */
const judgeBy = async (url: Destination, host: HostAndPort, expectations: Expectations): Promise<First> => {
  let place = host
  try {
    if (url.masterName !== null) place = await masterBy(url, host)
    const first = await converse(url, place, "server", async (redis) => {
      const found = await judge(redis, url, place, expectations, false)
      const isNode = typeof found !== "string" && found.cluster
      return { place, found, peers: isNode ? await nodesOf(redis, place, url) : [] }
    })
    return url.masterName === null ? first : { ...first, peers: await replicasBy(url, host) }
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`${shownHost(place)}: ${message}${hintAt(message, url)}`)
  }
}

/** What a peer is given to answer all questions: one that is down must not keep the start. */
const PEER = "5 seconds"
/** How many are asked at a time. */
const AT_ONCE = 16

/** Judges the servers that a first one has named, or says of one that it could not be asked. */
const judgePeers = (
  url: Destination,
  { found, peers }: First,
  expectations: Expectations,
): Effect.Effect<ReadonlyArray<Judged>> =>
  Effect.forEach(
    peers,
    (place) =>
      Effect.tryPromise({
        try: () => converse(url, place, "server", (redis) => judge(redis, url, place, expectations, true)),
        catch: (cause) => (cause instanceof Error ? cause.message : String(cause)),
      }).pipe(
        Effect.timeoutOrElse({ duration: PEER, orElse: () => Effect.fail(`no answer within ${PEER}`) }),
        Effect.map((judged): Judged => ({ place, found: judged })),
        Effect.catch((reason) => Effect.succeed<Judged>({ place, found: unasked(found, reason) })),
      ),
    { concurrency: AT_ONCE },
  )

const unasked = (first: RedisFacts | string, reason: string): RedisFacts | string =>
  typeof first === "string"
    ? first
    : {
        ...first,
        warnings: [
          {
            text: `Redis could not be looked at (${reason}): make sure that its settings and rights are those of the others.`,
            grave: false,
          },
        ],
        hints: [],
      }

/** The sentences about several servers, each once: it names those it is about, unless that is all of them. */
const merged = (
  servers: ReadonlyArray<{ readonly place: HostAndPort; readonly about: ReadonlyArray<StoreWarning> }>,
): ReadonlyArray<StoreWarning> => {
  const places = new Map<string, Array<string>>()
  const all = servers.flatMap(({ place, about }) => about.map((warning) => ({ place, warning })))
  for (const { place, warning } of all) {
    const known = places.get(warning.text) ?? []
    places.set(warning.text, [...known, shownHost(place)])
  }
  return [...places].map(([text, at]) => ({
    text: at.length === servers.length ? text : text.replace(/^Redis/, `Redis at ${at.join(", ")}`),
    grave: all.some(({ warning }) => warning.text === text && warning.grave),
  }))
}

/**
 * Asks the hosts of a URL in turn until one answers, and judges the server; then those that it names, the nodes of a cluster and the
 * replicas that Sentinels may make masters. Fails when none answers, since a URL that is wrong is told best at the start, or when one
 * that does cannot be used.
 */
export const checkRedis = (
  text: string,
  expectations: Expectations = {},
): Effect.Effect<RedisFacts, UnusableStore> =>
  Effect.gen(function* () {
    const url = destinationOf(text, expectations.certificates ?? NO_CERTIFICATES)
    if (typeof url === "string") return yield* new UnusableStore({ message: url })
    const reasons: Array<string> = []
    for (const host of url.hosts) {
      const first = yield* Effect.promise(() =>
        judgeBy(url, host, expectations).catch((error: Error) => {
          reasons.push(error.message)
          return null
        }),
      )
      if (first === null) continue
      const judged = [first, ...(yield* judgePeers(url, first, expectations))]
      const wrong = judged.flatMap(({ place, found }) =>
        typeof found === "string" ? [`${shownHost(place)}: ${found}`] : [],
      )
      if (wrong.length > 0 || typeof first.found === "string") return yield* unusable(url, wrong)
      const about = (facts: "warnings" | "hints") =>
        merged(
          judged.flatMap(({ place, found }) =>
            typeof found === "string" ? [] : [{ place, about: found[facts] }],
          ),
        )
      return { ...first.found, warnings: about("warnings"), hints: about("hints") }
    }
    return yield* unusable(url, reasons)
  })

/** What the settings say, or a sentence about what is wrong with them. */
const destinationOf = (text: string, certificates: CertificateFiles): Destination | string => {
  const url = parseRedisUrl(text)
  if (url instanceof Expected) return `REDIS_URL cannot be used: it should be ${url.what}.`
  if (!url.tls && Object.values(certificates).some((file) => file !== null))
    return "REDIS_CA_FILE, REDIS_CERT_FILE and REDIS_KEY_FILE need a REDIS_URL that begins with rediss:// or rediss+sentinel://."
  return certificateProblem("REDIS", certificates) ?? { ...url, certificates }
}
