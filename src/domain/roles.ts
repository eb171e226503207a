/** What users and keys may do. */

export const ROLES = ["viewer", "editor", "owner"] as const
export type Role = (typeof ROLES)[number]

export const KEY_SCOPES = ["read", "write", "admin"] as const
export type KeyScope = (typeof KEY_SCOPES)[number]

/** What a role may do, in the words of keys. */
export const SCOPES_OF: { readonly [role in Role]: ReadonlyArray<KeyScope> } = {
  viewer: ["read"],
  editor: ["read", "write"],
  owner: ["admin"],
}
