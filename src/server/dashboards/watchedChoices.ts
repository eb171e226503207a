/** Several sites as one, as dashboards watch them: what happens on a site is shown under its own name and under theirs. */
import { isSeveral, slugsOf } from "../../domain/siteChoice.ts"

/** Different choices that a node watches: each has figures of its own. */
export const MAX_CHOICES = 100

export class WatchedChoices {
  readonly #all = new Set<string>()
  /** The names under which a site's events are shown, where there are more than its own. */
  readonly #bySite = new Map<string, ReadonlyArray<string>>()

  /** A dashboard watches a choice; nothing where it is of one site. `false` if it cannot, for there are too many. */
  watch(choice: string): boolean {
    if (!isSeveral(choice) || this.#all.has(choice)) return true
    if (this.#all.size >= MAX_CHOICES) return false
    this.#all.add(choice)
    for (const site of slugsOf(choice)) this.#bySite.set(site, [...this.namesOf(site), choice])
    return true
  }

  /** Nobody watches it any more. */
  forget(choice: string): void {
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
