/** The tab of what was done: who made, changed, removed, revoked, exported and erased what. */
import { useState } from "preact/hooks"
import { isText, listOf, shape } from "../model/decode.ts"
import { shownName } from "../model/names.ts"
import { Panel, PartView, useWording } from "../panels/parts.tsx"
import { useListed } from "./listed.ts"

interface Line {
  readonly at: string
  readonly who: string
  readonly action: string
  readonly what: string
}

const isAuditAnswer = shape<{ readonly data: ReadonlyArray<Line> }>({
  data: listOf(shape<Line>({ at: isText, who: isText, action: isText, what: isText })),
})

/** Lines that are read at first, and at most. */
const FEW = 50
const MOST = 1000

export const AuditTab = () => {
  const { t, dateOf, shortClock } = useWording()
  const [limit, setLimit] = useState(FEW)
  const { part, again } = useListed("audit", { limit }, isAuditAnswer)
  const texts = t.settings.audit
  return (
    <Panel name="audit" title={t.settings.tabs.audit} hint={texts.hint}>
      <PartView part={part} onAgain={again} size="tall">
        {(lines) =>
          lines.length === 0 ? (
            <p class="empty">{texts.none}</p>
          ) : (
            <>
              <ol class="listed audit-lines">
                {lines.map(({ at, who, action, what }) => (
                  <li key={`${at} ${who} ${action} ${what}`} data-action={action}>
                    <time dateTime={at} class="hint">
                      {dateOf(at)} {shortClock(Date.parse(at))}
                    </time>
                    <span class="what">
                      <b translate={false}>
                        <bdi>{shownName(who)}</bdi>
                      </b>{" "}
                      {texts.actions.get(action) ?? action}
                      {what !== "" && (
                        <>
                          {": "}
                          <bdi translate={false}>{shownName(what)}</bdi>
                        </>
                      )}
                    </span>
                  </li>
                ))}
              </ol>
              {lines.length === limit && limit < MOST && (
                <button
                  type="button"
                  class="quiet older"
                  disabled={part.loading}
                  onClick={() => setLimit(MOST)}
                >
                  {texts.older}
                </button>
              )}
            </>
          )
        }
      </PartView>
    </Panel>
  )
}
