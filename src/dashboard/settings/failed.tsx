/** Why something that the reader did has failed. */
import type { ReadFailure } from "../model/readFailure.ts"
import { useWording } from "../panels/parts.tsx"

/** What a code means here, where that is more than it means elsewhere. */
export type Words = { readonly [code: string]: string }

export interface FailedProps {
  readonly failure: ReadFailure | null
  readonly words?: Words
  /** What could not be done, where that is not at hand. */
  readonly what?: string
}

/** Why something could not be done. */
export const Failed = ({ failure, words = {}, what }: FailedProps) => {
  const { t } = useWording()
  if (failure === null) return null
  const { code, message } = failure
  const known = Object.hasOwn(words, code) ? words[code] : t.failures.get(code)
  return (
    <p class="failure" role="alert">
      {what ?? t.settings.failed} {known ?? message}
    </p>
  )
}
