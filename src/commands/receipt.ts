/** A receipt of an erasure, as commands print it. */
import type { Receipt } from "../domain/answers.ts"

/** All that receipts have in common. */
export const receiptLines = ({
  id,
  erased_at,
  by,
  dead_letters,
  not_reached,
}: Receipt): ReadonlyArray<string> => [
  `receipt ${id}, ${erased_at}, by ${by}`,
  `dead letters\t${dead_letters}`,
  `not reached\t${not_reached.join(", ")}`,
]
