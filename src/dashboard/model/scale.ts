/** How far pictures go. */

/** Of senders that count pixels, the share of clicks that a picture has room for. */
const SHOWN = 0.98

/**
 * The coordinate at which a picture of clicks ends: percents go to 100. Where most are beyond, their sender counts pixels, and nearly
 * all of them decide. One click far away, which anybody can send, moves no other.
 */
export const farthest = (places: ReadonlyArray<{ readonly at: number; readonly count: number }>): number => {
  const sorted = [...places].sort((a, b) => a.at - b.at)
  const all = sorted.reduce((sum, { count }) => sum + count, 0)
  /** Up to which coordinate a share of the clicks is. */
  const reached = (share: number) => {
    let clicks = 0
    return sorted.find(({ count }) => {
      clicks += count
      return clicks >= share * all
    })?.at
  }
  return (reached(0.5) ?? 0) <= 100 ? 100 : (reached(SHOWN) ?? 100)
}
