/** What a statement has beside its text. */
import type { DimensionName } from "../../domain/dimensions.ts"

/** Values that a statement is given beside its text; whoever wrote them, they never become part of it. */
export class Values {
  readonly list: Array<string | number> = []
  /** Dimensions that the statement reads. */
  readonly dimensions = new Set<DimensionName>()

  /** Adds a value; returns its name in the statement. */
  add(value: string | number): string {
    return `$${this.list.push(value)}`
  }
}
