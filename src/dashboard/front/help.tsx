import { Dialogue } from "../panels/dialogue.tsx"
import { useWording } from "../panels/parts.tsx"
import { RANGE_KEYS } from "./keys.ts"

/** The list of keyboard shortcuts, over the page. */
export const Help = ({ onClose }: { readonly onClose: () => void }) => {
  const { t } = useWording()
  const { keys } = t.front
  const rows: ReadonlyArray<readonly [string, string]> = [
    ...[...RANGE_KEYS].map(([range, key]) => [key.toUpperCase(), t.front.ranges[range]] as const),
    ["[  ]", keys.move],
    ["R", keys.range],
    ["X", keys.compare],
    ["/", keys.filter],
    ["C", keys.clear],
    ["1 – 6", keys.metric],
    ["L", keys.live],
    ["?", keys.help],
  ]
  return (
    <Dialogue name="help" title={t.front.help} onClose={onClose}>
      <dl>
        {rows.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialogue>
  )
}
