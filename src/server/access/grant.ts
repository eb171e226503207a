/** What comes with a grant. */

import type { Need } from "../http/access.ts"
import type { Sites } from "../http/query.ts"

/** What comes with each scope. */
const WITHIN = {
  figures: ["figures"],
  read: ["figures", "read"],
  write: ["write"],
  admin: ["figures", "read", "write", "admin", "metrics"],
  metrics: ["metrics"],
} as const satisfies { readonly [scope: string]: ReadonlyArray<Need> }

export type Scope = keyof typeof WITHIN

/** All of them. */
export const SCOPES: ReadonlyArray<Scope> = ["figures", "read", "write", "admin", "metrics"]

export const needsOf = (scopes: ReadonlyArray<Scope>): ReadonlySet<Need> =>
  new Set(scopes.flatMap((scope): ReadonlyArray<Need> => WITHIN[scope]))

/** The sites of `all` that are among `some`; the same object where that is all. */
export const visibleOf = (all: Sites, some: ReadonlySet<string> | null): Sites => {
  if (some === null) return all
  const declared = new Set([...all.declared].filter((site) => some.has(site)))
  const [first = ""] = declared
  return { declared, default: declared.has(all.default) ? all.default : first }
}
