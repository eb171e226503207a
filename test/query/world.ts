/** A deployment to which things happen, and what its answers should be: a plain count over the events that Postgres has then. */
import { expect } from "vitest"
import { rebuild } from "../../src/commands/rebuild.ts"
import { retain } from "../../src/commands/retention.ts"
import { type CommandStores, withStores } from "../../src/commands/stores.ts"
import { Calendar } from "../../src/domain/period.ts"
import { DAY_MS, HOUR_MS } from "../../src/domain/time.ts"
import { compact } from "../../src/events/chunks/compaction.ts"
import type { AnswerRow } from "../../src/query/engine/messages.ts"
import { decodeQuery, type Query, QueryProblem, type Range } from "../../src/query/language/index.ts"
import { run, testScope } from "../support/effects.ts"
import { engines } from "../support/engines.ts"
import { rows } from "../support/events.ts"
import { eventually } from "../support/index.ts"
import { runNode, settings } from "../support/node.ts"
import { differences, storedEvents, type Unknown } from "./engine/compare.ts"
import { type Dice, randomQuestion } from "./engine/questions.ts"
import { type ReferenceEvent, referenceAnswer } from "./engine/reference.ts"
import { type Request, randomRequests } from "./requests.ts"

const SITES = ["main", "blog"] as const

/** What can happen to events, and to those who answer. */
export const HAPPENINGS = [
  ...(["events", "late events", "events sent again", "time passes", "erasure"] as const),
  ...(["compaction", "retention", "rebuild", "the engine is killed", "the node is started again"] as const),
]
export type Happening = (typeof HAPPENINGS)[number]

/** An event that was taken, and is neither erased nor expired. */
interface Taken {
  readonly site: string
  readonly visitor: string
  readonly at: number
}

const lineOf = ({ site, visitor, at }: Taken): string => `${site} ${visitor} ${at}`

/** Of two sorted lists. */
const difference = (wanted: ReadonlyArray<string>, found: ReadonlyArray<string>): string => {
  const at = wanted.findIndex((line, i) => line !== found[i])
  return `${wanted.length} events were taken, ${found.length} are stored; of ${wanted[at]} there is ${found[at]}`
}

const QUERY = "/api/v1/analytics/query"

const COUNTED = `
  SELECT slug AS site, to_char(day, 'YYYY-MM-DD') AS day FROM daily_totals JOIN sites ON sites.id = site_id
  WHERE metric = 'events' AND count > 0`

type Config = Awaited<ReturnType<typeof settings>>
type Node = Awaited<ReturnType<typeof runNode>>
type Question = ReturnType<typeof randomQuestion>

/** Late events are accepted for seven days. */
const LATE_DAYS = 6.9
const KEPT_DAYS = 9

/** A row as the API has it. */
interface Shown {
  readonly dimensions: ReadonlyArray<string | null>
  readonly metrics: ReadonlyArray<number | null>
  readonly comparison?: { readonly metrics: ReadonlyArray<number | null> }
}

/** The events of the whole deployment, by which it is seen that all are there. */
const EVENTS: Question = {
  sites: SITES,
  metrics: ["events"],
  date_range: "all",
  bots: "include",
  filters: [],
}

/** The clock stands still between two happenings, so that it is known what a question means. */
export class World {
  readonly #dice: Dice
  readonly #config: Config
  readonly #stores: CommandStores
  #node: Node | null = null
  readonly #calendar: Calendar
  #now: number
  #taken: Array<Taken> = []
  /** Sites and ids of events that were taken, be they erased since. */
  readonly #ids = new Set<string>()
  readonly #sent: Array<Request> = []
  #events: ReadonlyArray<ReferenceEvent> = []
  /** Days that daily totals have events of, and since when events are kept. */
  #counted: ReadonlyArray<{ readonly site: string; readonly startsAt: number }> = []
  #rawSince = Number.NEGATIVE_INFINITY
  /** What has happened, for whoever reads of a difference. */
  readonly happened: Array<string> = []

  private constructor(dice: Dice, config: Config, stores: CommandStores, now: number) {
    this.#dice = dice
    this.#config = config
    this.#stores = stores
    this.#calendar = new Calendar(config.timeZone)
    this.#now = now
  }

  /** A deployment with days of a time zone, at an instant. */
  static async begin(dice: Dice, timeZone: string, now: number): Promise<World> {
    const config = await settings({
      ...{ sites: [...SITES], timeZone, trustedProxies: ["127.0.0.0/8"] },
      partitions: 1 + dice.below(3),
    })
    const world = new World(dice, config, await testScope().run(withStores(config)), now)
    await world.#start()
    await world.happen("events")
    return world
  }

  async #start(): Promise<void> {
    await this.#node?.stop()
    this.#node = await runNode(this.#config, () => this.#now)
  }

  /** Does something, and waits until answers know of it. */
  async happen(what: Happening): Promise<void> {
    this.happened.push(what)
    await this.#happenings[what]()
    await this.#settled()
  }

  readonly #happenings: { readonly [H in Happening]: () => Promise<unknown> } = {
    events: () => this.#send(randomRequests(this.#dice, 40, this.#now, 0.5)),
    "late events": () => this.#send(randomRequests(this.#dice, 20, this.#now, LATE_DAYS)),
    "events sent again": () => this.#send(this.#sent.filter((each) => this.#isTimely(each)).slice(-10)),
    "time passes": () => {
      this.#now += this.#dice.of([HOUR_MS, DAY_MS, 3 * DAY_MS]) + this.#dice.below(DAY_MS)
      return this.#happenings.events()
    },
    erasure: () => this.#erase(),
    compaction: () => {
      const { postgres, metrics } = this.#stores
      return run(compact(postgres, { now: this.#now, busy: false, metrics }))
    },
    retention: () => this.#retain(),
    rebuild: () => {
      const command = { partitions: null, timeZone: null }
      return testScope().run(rebuild(this.#config, this.#stores, command, () => this.#now))
    },
    "the engine is killed": () => this.#killEngine(),
    "the node is started again": () => this.#start(),
  }

  #isTimely({ events }: Request): boolean {
    return events.every(({ timestamp }) => timestamp > this.#now - LATE_DAYS * DAY_MS)
  }

  async #erase(): Promise<void> {
    const visitors = [...new Set(this.#taken.map(({ visitor }) => visitor))]
    if (visitors.length === 0) return
    const gone = new Set([this.#dice.of(visitors), this.#dice.of(visitors), this.#dice.of(visitors)])
    // Put off while what was just sent waits to be stored.
    for (const visitor of gone)
      await eventually(async () => expect((await this.#node?.admin("DELETE", visitor))?.status).toBe(200))
    this.#taken = this.#taken.filter(({ visitor }) => !gone.has(visitor))
  }

  /** Of two clocks that do not agree, retention goes by the earlier one, which is Postgres': its days are counted from that. */
  async #retain(): Promise<void> {
    const retentionDays = KEPT_DAYS - (this.#now - Date.now()) / DAY_MS
    const command = { dryRun: false, yes: true, retentionDays, dropTables: this.#dice.chance(0.5) }
    const report = await testScope().run(retain(this.#config, this.#stores, command, Date.now))
    if (report.skipped) throw new Error("retention was skipped")
    const cutoff = Date.parse(report.cutoff)
    this.#taken = this.#taken.filter(({ at }) => at >= cutoff)
  }

  /** Kills it while it is asked; whoever asks then is told to ask again, on a busy machine for another reason. */
  async #killEngine(): Promise<void> {
    const asked = fetch(`${this.#node?.base}${QUERY}`, {
      ...{ method: "POST", body: JSON.stringify(EVENTS) },
    })
    for (const pid of engines()) process.kill(pid, "SIGKILL")
    expect([200, 408, 503]).toContain((await asked).status)
  }

  /** Asks questions, four at a time; returns those whose answers differ. */
  async ask(count: number): Promise<ReadonlyArray<unknown>> {
    const wrong: Array<unknown> = []
    const questions = Array.from({ length: count }, () => randomQuestion(this.#dice, this.#now))
    const asker = async () => {
      for (let body = questions.pop(); body !== undefined; body = questions.pop()) {
        const found = await this.#differencesOf(body)
        if (found.length > 0) wrong.push({ body, found: found.slice(0, 5), happened: this.happened.join() })
      }
    }
    await Promise.all([asker(), asker(), asker(), asker()])
    return wrong
  }

  async #differencesOf(body: Question): Promise<ReadonlyArray<string>> {
    const query = this.#decoded(body)
    const answer = await this.#answerTo(body)
    // Daily totals tell more than is stored.
    if (answer.imported) return []
    const reference = referenceAnswer(query, this.#events, this.#config.timeZone)
    return differences(query, answer, reference, this.#unknownTo(query))
  }

  /** What an answer cannot know: intervals that had events and have expired, and a time before that is not of whole days and had some. */
  #unknownTo(query: Query): Unknown {
    const { range, comparison } = query
    const firsts = [range, ...(comparison === null ? [] : [comparison])].map((each) =>
      this.#firstOf(query, each),
    )
    const first = Math.min(...firsts)
    return {
      interval: ({ until }) => until > first && until <= this.#rawSince,
      comparison:
        comparison !== null &&
        Number.isFinite(firsts[1]) &&
        this.#isOfTotals(query) &&
        !this.#isOfWholeDays(comparison),
    }
  }

  /** When the first expired day of a range begins of which there were events; infinity if there is none. */
  #firstOf({ sites }: Query, { from, until }: Range): number {
    const begin = this.#startOfDay(from)
    const end = Math.min(until, this.#rawSince)
    return Math.min(
      ...this.#counted
        .filter(({ site, startsAt }) => sites.includes(site) && startsAt >= begin && startsAt < end)
        .map(({ startsAt }) => startsAt),
    )
  }

  /** Whether a question is one that daily totals tell of. */
  #isOfTotals({ filters, bots, timeZone, dimensions, order, range }: Query): boolean {
    const [dimension] = dimensions
    const isOfDays =
      dimension === undefined ||
      (dimensions.length === 1 &&
        dimension.of === "time" &&
        order[0]?.by === "dimension" &&
        !["minute", "hour"].includes(dimension.interval))
    const isUnfiltered = filters.length === 0 && bots === "exclude" && timeZone === this.#config.timeZone
    return isOfDays && isUnfiltered && this.#isOfWholeDays(range)
  }

  /** As far as it has expired. */
  #isOfWholeDays({ from, until }: Range): boolean {
    const isKept = (at: number) => at >= this.#rawSince && this.#startOfDay(at) >= this.#rawSince
    return [from, until].every((at) => isKept(at) || this.#startOfDay(at) === at)
  }

  #startOfDay(at: number): number {
    return this.#calendar.startOf(this.#calendar.dayOf(at))
  }

  /** The first event of a site, or where it is kept no longer the beginning of its day. */
  #earliestOf(site: string): number | null {
    const stored = this.#events.filter((event) => event.site === site).map(({ createdAt }) => createdAt)
    const first = Math.min(...stored)
    const day = Math.min(
      ...this.#counted.filter((each) => each.site === site).map(({ startsAt }) => startsAt),
    )
    const isKept = stored.length > 0 && this.#startOfDay(first) <= day
    return isKept ? first : Number.isFinite(day) ? day : null
  }

  #decoded(body: Question) {
    const { timeZone } = this.#config
    const query = decodeQuery(body, {
      ...{ now: this.#now, sites: new Set(SITES), site: "main", timeZone },
      earliest: (site) => this.#earliestOf(site),
    })
    if (query instanceof QueryProblem) throw new Error(`${query.error} ${JSON.stringify(body)}`)
    return query
  }

  async #answerTo(body: Question) {
    return await eventually(() => this.#answerOnce(body))
  }

  /** Fails where the machine is too busy for an answer in time. */
  async #answerOnce(body: Question) {
    const response = await fetch(`${this.#node?.base}${QUERY}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    })
    const text = await response.text()
    if (response.status !== 200) throw new Error(`${response.status} ${text} to ${JSON.stringify(body)}`)
    const {
      data,
    }: { data: { results: ReadonlyArray<Shown>; meta: { total_rows: number; imported?: boolean } } } =
      JSON.parse(text)
    const rows = data.results.map(
      ({ dimensions, metrics, comparison }): AnswerRow => ({
        ...{ dimensions, metrics },
        comparison: comparison?.metrics ?? null,
      }),
    )
    return { rows, total: data.meta.total_rows, imported: data.meta.imported === true }
  }

  /** Waits until Postgres has what was taken, each event once, and answers have what Postgres has. */
  async #settled(): Promise<void> {
    const wanted = this.#taken.map(lineOf).sort()
    await eventually(async () => {
      this.#events = await storedEvents(this.#stores.postgres)
      const found = this.#events.map(({ site, visitorId, createdAt }) =>
        lineOf({ site, visitor: visitorId, at: createdAt }),
      )
      if (found.sort().join() !== wanted.join()) throw new Error(difference(wanted, found))
    })
    await this.#readTotals()
    await eventually(async () => expect(await this.#differencesOf(EVENTS)).toEqual([]))
  }

  async #readTotals(): Promise<void> {
    const { postgres } = this.#stores
    const days = await rows<{ site: string; day: string }>(postgres, COUNTED)
    this.#counted = days.map(({ site, day }) => ({ site, startsAt: this.#calendar.startOf(day) }))
    const [deployment] = await rows<{ since: Date | null }>(
      postgres,
      "SELECT raw_since AS since FROM deployment",
    )
    this.#rawSince = deployment?.since?.getTime() ?? Number.NEGATIVE_INFINITY
  }

  /** Sends requests; of an event whose id was taken before, nothing becomes. */
  async #send(requests: ReadonlyArray<Request>): Promise<void> {
    await Promise.all(requests.map((request) => this.#post(request)))
    for (const { id, site, visitor_id: visitor, timestamp: at } of requests.flatMap(({ events }) => events)) {
      const key = `${site} ${id}`
      if (id === undefined || !this.#ids.has(key)) this.#taken.push({ site, visitor, at })
      if (id !== undefined) this.#ids.add(key)
    }
    this.#sent.push(...requests)
  }

  async #post({ headers, events }: Request): Promise<void> {
    const body = JSON.stringify(events)
    const response = await fetch(`${this.#node?.base}/api/v1/analytics/events`, {
      ...{ method: "POST", headers, body },
    })
    expect(await response.json()).toMatchObject({ data: { accepted: events.length, rejected: [] } })
  }
}
