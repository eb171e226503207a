/** A read that the server refused or that did not reach it. */
export class ReadFailure extends Error {
  /** The answer's `code`; `OFFLINE` without an answer, `UNKNOWN` for one that says neither what was asked nor why not. */
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** The `code` of what a read has failed with. */
export const failureCode = (failure: unknown): string =>
  failure instanceof ReadFailure ? failure.code : "UNKNOWN"
