import type { State } from "../model/state.ts"
import { Panel, useWording } from "./parts.tsx"

/** How many visitors there are now. */
export const Now = ({ state }: { readonly state: State }) => {
  const { t, number } = useWording()
  const { realtime } = state
  const visitors = realtime === null ? "–" : number(realtime.current_visitors)
  return (
    <Panel name="now" title={t.now} hint={t.nowHint}>
      <p
        class="figure huge"
        translate={false}
        data-figure="current_visitors"
        style={{ "--characters": String(visitors.length) }}
      >
        {visitors}
      </p>
    </Panel>
  )
}
