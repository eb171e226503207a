/** Several sites as one, as dashboards watch them: what happens on a site is shown under its own name and under theirs. */
import { isSeveral, slugsOf } from "../../domain/siteChoice.ts"

/** Different choices that a node watches: each has figures of its own. */
export const MAX_CHOICES = 100
/** Those that wait for a place, and are remembered. */
const MAX_REFUSED = 1000

export class WatchedChoices {
  readonly #all = new Set<string>()
  readonly #refused = new Set<string>()
  /** The names under which a site's events are shown, where there are more than its own. */
  readonly #bySite = new Map<string, ReadonlyArray<string>>()

  /**
   * A dashboard watches a choice; nothing where it is of one site. `false` if it cannot, for there are too many.
   *
   * @param allSites the choice that has a place beside the others
   */
  watch(choice: string, allSites: string): boolean {
    if (!isSeveral(choice) || this.#all.has(choice)) return true
    const others = this.#all.size - (this.#all.has(allSites) ? 1 : 0)
    if (others >= MAX_CHOICES && choice !== allSites) return false
    this.#all.add(choice)
    for (const site of slugsOf(choice)) this.#bySite.set(site, [...this.namesOf(site), choice])
    return true
  }

  /** A choice could not be watched, and its dashboards know. */
  refuse(choice: string): void {
    if (this.#refused.size < MAX_REFUSED) this.#refused.add(choice)
  }

  /** It is watched by now, and its dashboards know. */
  admit(choice: string): void {
    this.#refused.delete(choice)
  }

  /** Those whose dashboards have been refused, and have heard nothing else since. */
  get refused(): ReadonlySet<string> {
    return this.#refused
  }

  /** Nobody watches it any more. */
  forget(choice: string): void {
    this.#refused.delete(choice)
    if (!this.#all.delete(choice)) return
    for (const site of slugsOf(choice)) {
      const left = this.namesOf(site).filter((name) => name !== choice)
      if (left.length > 1) this.#bySite.set(site, left)
      else this.#bySite.delete(site)
    }
  }

  /** The site, and the choices that it is one of. */
  namesOf(site: string): ReadonlyArray<string> {
    return this.#bySite.get(site) ?? [site]
  }

  /** All of them. */
  get all(): ReadonlySet<string> {
    return this.#all
  }
}
