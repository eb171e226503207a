/** Share links and API keys, as the API lists and makes them. */
import { DAY_MS } from "../../domain/time.ts"
import { isNumber, isText, listOf, orNull, shape } from "../model/decode.ts"

/** What is read of a share link or a key. */
export interface Token {
  readonly id: number
  readonly name: string
  readonly scopes: ReadonlyArray<string>
  readonly sites: ReadonlyArray<string> | null
  readonly has_password: boolean
  readonly embed_on: ReadonlyArray<string>
  /** Of a share link that can be copied again. */
  readonly token: string | null
  readonly created_at: string
  /** Of a key that was used. */
  readonly last_used_at: string | null
  readonly expires_at: string | null
}

/** Whether a body lists some of them. */
export const isTokensAnswer = shape<{ readonly data: ReadonlyArray<Token> }>({
  data: listOf(
    shape<Token>({
      id: isNumber,
      name: isText,
      scopes: listOf(isText),
      sites: orNull(listOf(isText)),
      has_password: (value): value is boolean => typeof value === "boolean",
      embed_on: listOf(isText),
      token: orNull(isText),
      created_at: isText,
      last_used_at: orNull(isText),
      expires_at: orNull(isText),
    }),
  ),
})

/** Whether a body is the answer to making one. */
export const isMadeAnswer = shape<{ readonly data: { readonly token: string } }>({
  data: shape<{ readonly token: string }>({ token: isText }),
})

/** Days after which something expires, as they are offered. */
export const EXPIRIES = ["never", "1", "7", "30", "90", "365"] as const
export type Expiry = (typeof EXPIRIES)[number]

/** When something that is made now expires, in ISO 8601; `null` for never. */
export const expiryOf = (expiry: Expiry): string | null =>
  expiry === "never" ? null : new Date(Date.now() + Number(expiry) * DAY_MS).toISOString()
