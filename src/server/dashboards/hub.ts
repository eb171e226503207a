/**
 * Which frames dashboards get, and when. Deltas from every node come in through {@link Hub.receive}; frames go out to
 * topics, each serialised once however many listen:
 *
 * - `site/events`: one frame per event, to each group of dashboards within its budget; the events beyond it are summed
 *   into the group's next stats message (`eventFeed.ts`)
 * - `site/stats`: `stats_update` at most once a second while the figures change
 * - `site/themes`, `site/letters`: the same for the most viewed themes and today's letters
 * - `site/day`, `site/week`, `site/month`: the same for all figures of that period
 * - `site/all`: a heartbeat, to every dashboard of the site
 * - the same for `site,site/…`: several sites as one, for as long as dashboards watch them together
 * - `query/…`: the answer to a question that dashboards follow, when it has changed (`liveQuestions.ts`)
 *
 * Nothing is read from the stores for a site that nobody watches.
 */
import type { Refusal, Topic } from "../../domain/frames.ts"
import { PERIODS } from "../../domain/period.ts"
import { choiceOf, isSeveral, slugsOf } from "../../domain/siteChoice.ts"
import { GROUPS } from "../../live/budget.ts"
import type { LiveDelta } from "../../live/delta.ts"
import type { SiteDirectory } from "../../sites/index.ts"
import { Problem } from "../http/problem.ts"
import type { ChoiceFigures } from "../services/choiceFigures.ts"
import type { Runner } from "../services/readCache.ts"
import { EventFeed, type EventFeedOptions } from "./eventFeed.ts"
import { topicOf } from "./fanOut.ts"
import { FigureReads } from "./figureReads.ts"
import { type FollowedQuestion, LiveQuestions, type LiveQuestionsOptions } from "./liveQuestions.ts"
import {
  FIGURE_TOPICS,
  type FigureTopic,
  figuresErrorFrame,
  figuresFrame,
  heartbeatFrame,
  initialStatsFrame,
  isFigureTopic,
  refusalsFrame,
  statsUpdateFrame,
} from "./protocol.ts"
import { RecentRefusals } from "./recentRefusals.ts"
import { mayPass, RETRY_MS } from "./retry.ts"
import { Throttle } from "./throttle.ts"
import { MAX_CHOICES, WatchedChoices } from "./watchedChoices.ts"

const TOO_MANY = new Problem(
  "TOO_MANY_QUERIES",
  `The node watches ${MAX_CHOICES} different choices of sites.`,
)

export interface HubOptions extends Omit<EventFeedOptions, "choices"> {
  readonly sites: Pick<SiteDirectory, "current">
  readonly figures: ChoiceFigures
  readonly questions: LiveQuestionsOptions["questions"]
  readonly run: Runner
  /** Milliseconds between heartbeats. */
  readonly heartbeatMs: number
  /** Minimum milliseconds between two figures frames of one kind and site. */
  readonly updateMs: number
}

/** What sends the figures of a site, or of several as one. */
interface Senders {
  readonly stats: Throttle
  readonly figures: Readonly<Record<FigureTopic, Throttle>>
}

export class Hub {
  readonly #options: HubOptions
  readonly #events: EventFeed
  readonly #reads: FigureReads
  readonly #questions: LiveQuestions
  /** By choice of sites. */
  readonly #senders = new Map<string, Senders>()
  readonly #choices = new WatchedChoices()
  readonly #refusals: RecentRefusals
  readonly #heartbeat: NodeJS.Timeout

  constructor(options: HubOptions) {
    const { figures, run, heartbeatMs } = options
    this.#options = options
    this.#events = new EventFeed({ ...options, choices: this.#choices })
    this.#reads = new FigureReads(figures, run)
    this.#questions = new LiveQuestions(options)
    this.#refusals = new RecentRefusals(options.now)
    this.#heartbeat = setInterval(() => this.#beat(), heartbeatMs)
    this.#heartbeat.unref()
  }

  /** What sends the figures of a site, or of several as one; `undefined` where there is none such. */
  #sendersOf(site: string): Senders | undefined {
    const known = this.#senders.get(site)
    const isThere = this.#options.sites.current.declared.has(site) || this.#choices.all.has(site)
    if (known !== undefined || !isThere) return known
    const made = this.#newSenders(site)
    this.#senders.set(site, made)
    return made
  }

  #newSenders(site: string): Senders {
    const { updateMs } = this.#options
    const sending = (topic: FigureTopic) => new Throttle(updateMs, () => this.#sendFigures(site, topic))
    return {
      stats: new Throttle(updateMs, () => this.#sendStats(site)),
      figures: {
        themes: sending("themes"),
        letters: sending("letters"),
        day: sending("day"),
        week: sending("week"),
        month: sending("month"),
      },
    }
  }

  /** Takes what a node, this one or another, has just counted. */
  receive(delta: LiveDelta): void {
    this.#events.receive(delta)
    for (const [site, types] of Object.entries(delta.omitted))
      for (const type of Object.keys(types)) this.#typeCounted(site, type)
    for (const { site, type } of delta.events) this.#typeCounted(site, type)
    for (const [site, count] of Object.entries(delta.counted)) {
      if (count === 0) continue
      this.#questions.changed(site)
      for (const name of this.#choices.namesOf(site)) {
        this.#reads.changed(name, "realtime")
        this.#sendersOf(name)?.stats.trigger()
        for (const period of PERIODS) this.#figuresChanged(name, period)
      }
    }
  }

  /** What is known of sites has changed: questions that name no time zone may have another one, and a site may have been erased. */
  sitesChanged(): void {
    this.#questions.changed(null)
    for (const site of [...this.#options.sites.current.declared, ...this.#choices.all]) this.#allChanged(site)
  }

  #allChanged(site: string): void {
    this.#reads.changed(site, "realtime")
    if (this.#isHeard(site, "stats")) this.#sendersOf(site)?.stats.trigger()
    for (const topic of FIGURE_TOPICS) {
      this.#reads.changed(site, topic)
      if (this.#isHeard(site, topic)) this.#sendersOf(site)?.figures[topic].trigger()
    }
  }

  #isHeard(site: string, topic: Topic): boolean {
    return this.#options.fanOut.listeners(topicOf(site, topic)) > 0
  }

  /** Takes what a node, this one or another, has just refused. */
  refused(refusals: ReadonlyArray<Refusal>): void {
    const { sites, fanOut } = this.#options
    for (const refusal of refusals) this.#refusals.add(refusal)
    for (const site of [...sites.current.declared, ...this.#choices.all]) {
      const topic = topicOf(site, "refusals")
      if (fanOut.listeners(topic) === 0) continue
      const concerns = this.#concerns(site)
      const told = refusals.filter((each) => concerns(each.site))
      if (told.length > 0) fanOut.publish(topic, refusalsFrame(site, told))
    }
  }

  /** Whoever sets a site up hears of what names it, and of what names none that there is: the name may be a typing error. */
  #concerns(site: string): (named: string) => boolean {
    const { declared } = this.#options.sites.current
    const slugs = slugsOf(site)
    return (named) => slugs.includes(named) || !declared.has(named)
  }

  #typeCounted(site: string, type: string): void {
    const topic = type === "cv_theme_change" ? "themes" : type === "letter_generate" ? "letters" : null
    if (topic !== null) for (const name of this.#choices.namesOf(site)) this.#figuresChanged(name, topic)
  }

  #figuresChanged(site: string, topic: FigureTopic): void {
    this.#reads.changed(site, topic)
    this.#sendersOf(site)?.figures[topic].trigger()
  }

  async #sendStats(site: string): Promise<void> {
    const { fanOut } = this.#options
    const topic = topicOf(site, "stats")
    if (fanOut.listeners(topic) === 0) return this.#events.restart(site)
    const data = await this.#reads.again(site, "realtime")
    if (data instanceof Problem) return this.#failed(site, "stats", data, this.#senders.get(site)?.stats)
    for (let group = 0; group < GROUPS; group++) {
      if (fanOut.listeners(topic, group) === 0) continue
      fanOut.publish(topic, statsUpdateFrame(site, data, this.#events.omitted(site, group)), { group })
    }
    this.#events.restart(site)
  }

  async #sendFigures(site: string, topic: FigureTopic): Promise<void> {
    const { fanOut } = this.#options
    const name = topicOf(site, topic)
    if (fanOut.listeners(name) === 0) return
    const data = await this.#reads.again(site, topic)
    if (data instanceof Problem)
      return this.#failed(site, topic, data, this.#senders.get(site)?.figures[topic])
    fanOut.publish(name, figuresFrame(site, topic, data))
  }

  /** There were no figures to send to a topic. */
  #failed(site: string, topic: Topic, problem: Problem, sending: Throttle | undefined): void {
    this.#options.fanOut.publish(topicOf(site, topic), figuresErrorFrame(site, problem, topic))
    sending?.rest(RETRY_MS)
    if (mayPass(problem)) sending?.trigger()
  }

  /** A dashboard was sent why there are no figures: it is sent them as soon as there are some, though nothing happens. */
  #owed(problem: Problem, sending: Throttle | undefined): void {
    if (!mayPass(problem)) return
    sending?.rest(RETRY_MS)
    sending?.trigger()
  }

  /** The frame that a client is sent on connecting and on `refresh_stats`. */
  async initialStats(site: string): Promise<string> {
    if (!this.#watches(site)) return figuresErrorFrame(site, TOO_MANY)
    const data = await this.#reads.json(site, "realtime")
    return data instanceof Problem ? figuresErrorFrame(site, data) : initialStatsFrame(site, data)
  }

  /** The frame that a client is sent on subscribing to a topic, or `null` for topics that begin with the next event. */
  async firstFrame(site: string, topic: Topic): Promise<string | null> {
    if (topic === "refusals") return refusalsFrame(site, this.#refusals.of(this.#concerns(site)))
    if (!isFigureTopic(topic)) return null
    if (!this.#watches(site)) return figuresErrorFrame(site, TOO_MANY, topic)
    const data = await this.#reads.json(site, topic)
    if (!(data instanceof Problem)) return figuresFrame(site, topic, data)
    this.#owed(data, this.#sendersOf(site)?.figures[topic])
    return figuresErrorFrame(site, data, topic)
  }

  /** The frame that a client is sent on following a question; `null` while there is no answer yet, which is published. */
  async follow(question: FollowedQuestion): Promise<string | null> {
    return this.#questions.follow(question)
  }

  #beat(): void {
    const { sites, fanOut } = this.#options
    this.#forgetUnheard()
    this.#admitRefused()
    for (const site of [...sites.current.declared, ...this.#choices.all]) {
      const topic = topicOf(site, "all")
      if (fanOut.listeners(topic) === 0) continue
      void this.#reads.json(site, "realtime").then((data) => {
        fanOut.publish(
          topic,
          data instanceof Problem ? figuresErrorFrame(site, data) : heartbeatFrame(site, data),
        )
      })
    }
  }

  /** The choice that there is always a place for: nobody can take it from all who watch it. */
  get #allSites(): string {
    return choiceOf(this.#options.sites.current.declared)
  }

  /** Whether a dashboard can be told of a site, or of several as one. */
  #watches(site: string): boolean {
    if (!isSeveral(site)) return true
    const all = this.#allSites
    if (this.#choices.watch(site, all)) return true
    this.#forgetUnheard()
    if (this.#choices.watch(site, all)) return true
    this.#choices.refuse(site)
    return false
  }

  /** Sends their figures to dashboards that were refused, as far as there are places by now; the others hear again that there are none. */
  #admitRefused(): void {
    const { fanOut } = this.#options
    const all = this.#allSites
    for (const choice of this.#choices.refused) {
      const topic = topicOf(choice, "all")
      if (fanOut.listeners(topic) === 0) this.#choices.forget(choice)
      else if (this.#choices.watch(choice, all)) {
        this.#choices.admit(choice)
        this.#allChanged(choice)
      } else fanOut.publish(topic, figuresErrorFrame(choice, TOO_MANY))
    }
  }

  /** Forgets the choices of sites that nobody watches any more. */
  #forgetUnheard(): void {
    for (const choice of this.#choices.all) {
      if (this.#options.fanOut.listeners(topicOf(choice, "all")) > 0) continue
      this.#choices.forget(choice)
      this.#events.restart(choice)
      this.#stopSenders(choice)
    }
  }

  #stopSenders(site: string): void {
    const senders = this.#senders.get(site)
    if (senders === undefined) return
    for (const throttle of [senders.stats, ...Object.values(senders.figures)]) throttle.stop()
    this.#senders.delete(site)
  }

  /** Sends nothing more. */
  stop(): void {
    clearInterval(this.#heartbeat)
    this.#questions.stop()
    for (const site of [...this.#senders.keys()]) this.#stopSenders(site)
  }
}
