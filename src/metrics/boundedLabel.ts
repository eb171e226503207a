/** A label whose values come from outside: the most frequent ones have a series, however many others somebody makes up. */

/** Distinct values that have a series of their own, the known ones among them. */
export const MAX_LABEL_VALUES = 200
/** Longest value, in UTF-16 code units. */
const MAX_LABEL_LENGTH = 200
/** What all other values are counted as. */
const OTHER = "other"

/** Values without a series that are remembered. */
const MAX_RIVALS = 2000
/** How many times as frequent as the rarest value with a series a rival has to be, so that two alike do not take turns. */
const LEAD = 2
/** Counts after which all of them are halved: what was frequent long ago makes room, and numbers stay small. */
const AGE_AFTER = 100 * MAX_LABEL_VALUES

export interface BoundedLabelOptions {
  /** Values that always have a series. */
  readonly known?: ReadonlyArray<string>
  /** Called when a value loses its series to a more frequent one. */
  readonly onEvicted?: (value: string) => void
}

/**
 * Chooses the values that have a series. While there is room, each new one gets it at once. Afterwards a value has to become more
 * frequent than one that has it, by counts that are halved from time to time (as the sketch of TinyLFU, Einziger et al. 2017): values
 * that were made up once do not keep out what visitors really see.
 */
export class BoundedLabel {
  readonly #known: ReadonlySet<string>
  readonly #onEvicted: (value: string) => void
  /** Counts of the values that have a series. */
  #chosen = new Map<string, number>()
  /** Counts of others. */
  #rivals = new Map<string, number>()
  /** At most the count of the rarest chosen value. */
  #least = 0
  #counted = 0

  constructor({ known = [], onEvicted = () => {} }: BoundedLabelOptions = {}) {
    this.#known = new Set(known)
    this.#onEvicted = onEvicted
  }

  /** The label's value for `text`, which was seen `times` more. */
  value(text: string, times = 1): string {
    if (this.#known.has(text)) return text
    if (text.length > MAX_LABEL_LENGTH) return OTHER
    this.#counted += times
    if (this.#counted >= AGE_AFTER) this.#age()
    const count = this.#chosen.get(text)
    if (count === undefined && !this.#isChosenNow(text, times)) return OTHER
    this.#chosen.set(text, (count ?? this.#rivals.get(text) ?? 0) + times)
    this.#rivals.delete(text)
    return text
  }

  /** Whether a value without a series gets one; else it is remembered. */
  #isChosenNow(text: string, times: number): boolean {
    if (this.#known.size + this.#chosen.size < MAX_LABEL_VALUES) return true
    const count = (this.#rivals.get(text) ?? 0) + times
    if (count > LEAD * this.#least) {
      const [rarest, least] = this.#rarest()
      this.#least = least
      if (count > LEAD * least) {
        this.#chosen.delete(rarest)
        this.#onEvicted(rarest)
        return true
      }
    }
    this.#rivals.set(text, count)
    if (this.#rivals.size > MAX_RIVALS) this.#forget()
    return false
  }

  #rarest(): readonly [value: string, count: number] {
    let rarest: readonly [string, number] = ["", Number.POSITIVE_INFINITY]
    for (const each of this.#chosen) if (each[1] < rarest[1]) rarest = each
    return rarest
  }

  /** Forgets the rarer half of the rivals, of those that are alike the earlier ones. */
  #forget(): void {
    const byCount = [...this.#rivals].sort(([, a], [, b]) => a - b)
    this.#rivals = new Map(byCount.slice(MAX_RIVALS / 2))
  }

  #age(): void {
    const halved = (counts: ReadonlyMap<string, number>) =>
      new Map([...counts].map(([value, count]) => [value, count / 2] as const))
    this.#counted /= 2
    this.#chosen = halved(this.#chosen)
    this.#rivals = halved(this.#rivals)
    this.#least = 0
  }
}
