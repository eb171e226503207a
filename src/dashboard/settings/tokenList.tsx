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

const TokenRow = ({ endpoint, token, factsOf, texts, onChange }: TokenRowProps) => {
  const { t, dateOf } = useWording()
  const action = useAction()
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
    </li>
  )
}
