/** What was sent, and what was answered: the senders' side of the truth. */

export interface SentEvent {
  /** In `event_data.k`, by which a row is known again even when the event has no id. */
  readonly mark: number
  /** An event without one is sent once only. */
  readonly id: string | null
  readonly site: string
  readonly visitor: string
  readonly type: string
  readonly theme: string | null
  readonly letter: string | null
  /** Unix milliseconds, given with the event. */
  readonly at: number
}

export interface JournalLine {
  readonly event: SentEvent
  sends: number
  acknowledged: boolean
  /** `performance.now()` of the first answer that said so. */
  acknowledgedAt: number
}

/** Marks an event as acknowledged. */
export const acknowledge = (line: JournalLine): void => {
  if (line.acknowledged) return
  line.acknowledged = true
  line.acknowledgedAt = performance.now()
}

export class Journal {
  readonly lines: Array<JournalLine> = []
  /** Answers by status, and connections that failed, by reason. */
  readonly answers = new Map<string, number>()
  /** Answers that break the contract: a 5xx that is no 503, a 503 without `Retry-After`, a refusal of a valid event. */
  readonly wrongAnswers: Array<string> = []
  /** Milliseconds that acknowledged requests took. */
  readonly latencies: Array<number> = []

  add(event: Omit<SentEvent, "mark">): JournalLine {
    const line = {
      event: { ...event, mark: this.lines.length },
      sends: 0,
      acknowledged: false,
      acknowledgedAt: 0,
    }
    this.lines.push(line)
    return line
  }

  answered(kind: string): void {
    this.answers.set(kind, (this.answers.get(kind) ?? 0) + 1)
  }

  wrong(sentence: string): void {
    if (this.wrongAnswers.length < 100) this.wrongAnswers.push(sentence)
  }

  get acknowledged(): number {
    return this.lines.reduce((sum, line) => sum + (line.acknowledged ? 1 : 0), 0)
  }
}
