import { unheldNumber } from "../../domain/exactJson.ts"

/** Why a question cannot be answered: one sentence that names the field, what was wrong and what would be right. */
export class QueryProblem {
  readonly error: string
  constructor(error: string) {
    this.error = error
  }
}

/** The longest text that a message repeats. */
const SHOWN = 60

/** A value as a message shows it. */
export const shown = (value: unknown): string => {
  const text =
    JSON.stringify(value, (_, each) => (typeof each === "string" ? (unheldNumber(each) ?? each) : each)) ??
    "nothing"
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}…`
}
