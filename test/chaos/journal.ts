/** What was sent and how it was answered: the senders' side of the truth. */

export interface SentEvent {
  /** Sent as `event_data.k`, by which a row is recognised even if the event has no id. */
  readonly mark: number
  /** An event without an id is only sent once. */
  readonly id: string | null
  readonly site: string
  readonly visitor: string
  readonly type: string
  readonly theme: string | null
  readonly letter: string | null
  /** The event's timestamp, unix milliseconds. */
  readonly at: number
}

export interface JournalLine {
  readonly event: SentEvent
  sends: number
  acknowledged: boolean
  /** `performance.now()` of the first acknowledgement, and of when the request was sent that it answers. */
  acknowledgedAt: number
  sentAt: number
}

/** Marks an event as acknowledged, by an answer to a request that was sent then. */
export const acknowledge = (line: JournalLine, sentAt: number): void => {
  if (line.acknowledged) return
  line.acknowledged = true
  line.acknowledgedAt = performance.now()
  line.sentAt = sentAt
}

/** Events that were acknowledged after the one moment, and sent before the other (`performance.now()`), may be lost. */
export interface Loss {
  readonly from: number
  readonly until: number
}

/** However late a busy machine is told of it, what was sent after a store's end was not acknowledged before. */
export const mayBeLostIn = ({ from, until }: Loss, { acknowledgedAt, sentAt }: JournalLine): boolean =>
  acknowledgedAt >= from && sentAt <= until

export class Journal {
  readonly lines: Array<JournalLine> = []
  /** Answers by status, and connections that failed, by reason. */
  readonly answers = new Map<string, number>()
  /** Answers that break the contract: a 5xx other than 503, a 503 without `Retry-After`, a refusal of a valid event. */
  readonly wrongAnswers: Array<string> = []
  /** The durations of acknowledged requests, milliseconds. */
  readonly latencies: Array<number> = []

  add(event: Omit<SentEvent, "mark">): JournalLine {
    const line = {
      event: { ...event, mark: this.lines.length },
      sends: 0,
      acknowledged: false,
      acknowledgedAt: 0,
      sentAt: 0,
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
