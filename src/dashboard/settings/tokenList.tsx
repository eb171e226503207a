import type { ComponentChild } from "preact"
import { useState } from "preact/hooks"
import { remove } from "../model/read.ts"
import { PartView, useWording } from "../panels/parts.tsx"
import { type Listed, useAction } from "./listed.ts"
import { Removal } from "./parts.tsx"
import { isDone, type Token } from "./tokens.ts"

export interface TokenListProps {
  readonly endpoint: "shares" | "keys"
  readonly listed: Listed<Token>
  /** What there is to know of one, besides when it was made and when it ends. */
  readonly factsOf: (token: Token) => ReadonlyArray<string>
  /** What can be seen of one again: how the button is called, and what it shows; nothing for one of which there is nothing. */
  readonly shown?: { readonly label: string; readonly of: (token: Token) => ComponentChild }
  readonly texts: { readonly none: string; readonly revoke: string; readonly revokeQuestion: string }
}

/** The list of share links, or of keys. */
export const TokenList = ({ listed, texts, ...more }: TokenListProps) => (
  <PartView part={listed.part} onAgain={listed.again}>
    {(tokens) =>
      tokens.length === 0 ? (
        <p class="empty">{texts.none}</p>
      ) : (
        <ul class="listed">
          {tokens.map((token) => (
            <TokenRow key={token.id} {...more} {...{ token, texts }} onChange={listed.again} />
          ))}
        </ul>
      )
    }
  </PartView>
)

interface TokenRowProps extends Omit<TokenListProps, "listed"> {
  readonly token: Token
  readonly onChange: () => void
}

const TokenRow = ({ endpoint, token, factsOf, shown, texts, onChange }: TokenRowProps) => {
  const { t, dateOf } = useWording()
  const action = useAction()
  const [open, setOpen] = useState(false)
  const again = shown?.of(token) ?? null
  const { id, name, created_at, expires_at } = token
  const facts = [
    ...factsOf(token),
    t.settings.madeOn(dateOf(created_at)),
    ...(expires_at === null ? [] : [t.settings.until(dateOf(expires_at))]),
  ]
  return (
    <li data-listed={name}>
      <div class="what">
        <b translate={false}>
          <bdi>{name}</bdi>
        </b>
        <span class="hint">{facts.join(" · ")}</span>
      </div>
      <div class="does">
        {again !== null && (
          <button
            type="button"
            class="quiet"
            data-shows
            aria-label={`${shown?.label}: ${name}`}
            aria-expanded={open}
            onClick={() => setOpen(!open)}
          >
            {shown?.label}
          </button>
        )}
        <Removal
          label={texts.revoke}
          of={name}
          question={texts.revokeQuestion}
          action={action}
          onRemove={async (signal) => {
            await remove(`${endpoint}/${id}`, isDone, signal)
            onChange()
          }}
        />
      </div>
      {open && <div class="again">{again}</div>}
    </li>
  )
}
