import type { ComponentChild } from "preact"
import { useState } from "preact/hooks"
import { isDone } from "../model/decode.ts"
import { remove } from "../model/read.ts"
import { useWording } from "../panels/parts.tsx"
import { useAction } from "./action.ts"
import type { Listed } from "./listed.ts"
import { Does, Removal, Rows, What } from "./rows.tsx"
import type { Token } from "./tokens.ts"

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
  <Rows
    listed={listed}
    none={texts.none}
    row={(token) => <TokenRow key={token.id} {...more} {...{ token, texts }} onChange={listed.again} />}
  />
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
      <What name={name}>{facts.join(" · ")}</What>
      <div class="does">
        {again !== null && (
          <Does
            {...{ label: shown?.label ?? "", of: name, name: "show" }}
            expanded={open}
            onClick={() => setOpen(!open)}
          />
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
