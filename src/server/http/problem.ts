/** A refusal as it is answered, and which refusal answers which failure. */
import { StoreError } from "../../stores/errors.ts"
import type { AppendFailure } from "../../stream/producer.ts"
import { type GeneralCode, PROBLEMS, type ProblemCode } from "./problemCodes.ts"

/** Seconds after which a client may try again what a node cannot do now. */
const RETRY_AFTER_S = 2

/** A refused request: the code, one sentence for a person, and header lines that belong to the refusal. */
export class Problem {
  readonly code: ProblemCode
  readonly error: string
  /** Complete header lines, each with its CRLF. */
  readonly headers: string

  constructor(code: ProblemCode, error: string, headers = "") {
    this.code = code
    this.error = error
    this.headers =
      headers === "" && PROBLEMS[code].status.startsWith("503")
        ? `Retry-After: ${RETRY_AFTER_S}\r\n`
        : headers
  }

  /** The refusal with the code's own sentence. */
  static of(code: GeneralCode, headers = ""): Problem {
    return new Problem(code, PROBLEMS[code].error, headers)
  }

  /** The answer's body. */
  get body(): string {
    return JSON.stringify({ success: false, error: this.error, code: this.code })
  }
}

const APPEND_PROBLEMS: { readonly [failure in AppendFailure]: Problem } = {
  BACKLOG_FULL: Problem.of("BACKLOG_FULL"),
  STREAM_UNAVAILABLE: Problem.of("STREAM_UNAVAILABLE"),
}

/** The answer to an event that could not be made durable. */
export const appendProblem = (failure: AppendFailure): Problem => APPEND_PROBLEMS[failure]

export const STORE_UNAVAILABLE = Problem.of("STORE_UNAVAILABLE")
const INTERNAL_ERROR = Problem.of("INTERNAL_ERROR")

/** The answer to any failure of a read: an unavailable store may be asked again, anything else is a fault of this server. */
export const failureProblem = (failure: unknown): Problem =>
  failure instanceof Problem
    ? failure
    : failure instanceof StoreError && failure.unavailable
      ? STORE_UNAVAILABLE
      : INTERNAL_ERROR

export const SHUTTING_DOWN = Problem.of("SHUTTING_DOWN")
