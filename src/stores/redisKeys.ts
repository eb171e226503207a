/**
 * Every Redis key, once: its type, its lifetime and its slot. `{p}` is a hash tag, so all keys of a partition share a
 * slot and one script may touch them on a cluster.
 *
 * | key | type | lives | holds |
 * |---|---|---|---|
 * | `P:{p}:events` | stream | for ever | events that were acknowledged and are not applied yet |
 * | `P:{p}:dead` | stream | for ever | poison events, with the reason |
 * | `P:{p}:state` | hash | for ever | `deployment`, `epoch`, `applied`; `lost` (figures), `probe`; `seen` (with ACK_REPLICAS); `head`, `deliveries` of the first entry; `tried_from`, `tried_to`, `attempts` of those tried separately |
 * | `P:{p}:lease` | string | 6 s, renewed | token of the actor that owns the partition |
 * | `P:{p}:S:K` | hash | 90 days a day, 365 a week or month | totals of site S in period K; `estimated` (apply.lua) |
 * | `P:{p}:S:K:themes` | zset | the same | views of themes |
 * | `P:{p}:S:K:hll` | HyperLogLog | the same | unique visitors |
 * | `P:{p}:S:K:visitors:B` | set of integers | until the period is closed | exact unique visitors, bucket B |
 * | `P:{p}:S:themes` | zset | for ever | views of themes, all time |
 * | `P:{p}:S:active` | zset | 10 min, renewed | visitors by last-seen time |
 * | `P:deployment` | hash | for ever | whose streams and figures these are: `id`, `database` (in words); `mark` of this Redis |
 * | `P:nodes` | zset | for ever | live nodes by the time their heartbeat ends; `http/…` ones have no actors |
 * | `P:attempts:H` | hash | 15 min | attempts at a password, of an address or at an account, by a hash of the day |
 * | `P:visitor-key:D` | string | until 10 min after day D | key of the cookieless visitor ids of day D |
 *
 * A rebuild makes figures under `P~rebuild` in place of `P` and renames them; `~` is in no prefix that a setting allows.
 */

/** Consumer group of every partition's stream: its position says how far the actors are. */
export const GROUP = "actors"

/** Keys of one partition's stream. */
export interface StreamKeys {
  readonly events: string
  readonly dead: string
  readonly state: string
  readonly lease: string
}

export const streamKeys = (prefix: string, partition: number): StreamKeys => {
  const base = `${prefix}:{${partition}}`
  return { events: `${base}:events`, dead: `${base}:dead`, state: `${base}:state`, lease: `${base}:lease` }
}

/** Sets that a period's exact visitors are spread over, by their fingerprint modulo this. */
export const VISITOR_BUCKETS = 64

/** Keys of one site's figures in one partition. */
export interface FigureKeys {
  readonly active: string
  readonly themes: string
  readonly period: (periodKey: string) => PeriodKeys
}

/** Keys of one period's figures; visitor buckets are `visitors` followed by their number. */
export interface PeriodKeys {
  readonly totals: string
  readonly themes: string
  readonly hll: string
  readonly visitors: string
}

export const figureKeys = (prefix: string, partition: number, site: string): FigureKeys => {
  const base = `${prefix}:{${partition}}:${site}`
  return {
    active: `${base}:active`,
    themes: `${base}:themes`,
    period: (periodKey) => {
      const period = `${base}:${periodKey}`
      return {
        totals: period,
        themes: `${period}:themes`,
        hll: `${period}:hll`,
        visitors: `${period}:visitors:`,
      }
    },
  }
}

/** Matches the keys of a site's figures in a partition, and no others: nothing in a slug means more than itself. */
export const siteKeys = (prefix: string, partition: number, site: string): string =>
  `${prefix}:{${partition}}:${site}:*`

/** What keys begin with while their figures are being rebuilt. */
export const rebuiltPrefix = (prefix: string): string => `${prefix}~rebuild`

export const deploymentKey = (prefix: string): string => `${prefix}:deployment`
export const nodesKey = (prefix: string): string => `${prefix}:nodes`
export const visitorKeyKey = (prefix: string, day: string): string => `${prefix}:visitor-key:${day}`

export const attemptsKey = (prefix: string, hash: string): string => `${prefix}:attempts:${hash}`

/** Pub/Sub channel on which nodes tell each other what was just counted. */
export const liveChannel = (prefix: string): string =>
  prefix === "maicivy" ? "analytics:realtime" : `${prefix}:analytics:realtime`
