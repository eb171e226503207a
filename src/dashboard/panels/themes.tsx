import type { ThemeViews } from "../../domain/answers.ts"
import { shownName } from "../model/names.ts"
import type { Loaded } from "../model/state.ts"
import { Panel, PartView, useWording } from "./parts.tsx"

export interface ThemesPanelProps {
  readonly themes: Loaded<ReadonlyArray<ThemeViews>>
  readonly onAgain: () => void
}

export const ThemesPanel = ({ themes, onAgain }: ThemesPanelProps) => {
  const { t, number, percent } = useWording()
  return (
    <Panel name="themes" title={t.themes} hint={t.themesHint}>
      <PartView part={themes} onAgain={onAgain}>
        {(data) =>
          data.length === 0 ? (
            <p class="empty">{t.themesEmpty}</p>
          ) : (
            <ol class="ranking">
              {data.map(({ theme, views, percentage }) => (
                <li key={theme}>
                  <span class="name" translate={false}>
                    <bdi>{shownName(theme)}</bdi>
                  </span>
                  <span class="count" translate={false}>
                    <b data-theme={theme}>{number(views)}</b>
                    <span class="unseen"> {t.views},</span> {percent(percentage / 100)}
                  </span>
                  <i class="track" aria-hidden="true">
                    <i style={{ width: `${(views / (data[0]?.views ?? 1)) * 100}%` }} />
                  </i>
                </li>
              ))}
            </ol>
          )
        }
      </PartView>
    </Panel>
  )
}
