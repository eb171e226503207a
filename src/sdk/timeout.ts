/** Like `setTimeout`, but lets a process end before it is over; in browsers timers are plain numbers. */
export const backgroundTimeout = (action: () => void, ms: number): ReturnType<typeof setTimeout> => {
  const timer = setTimeout(action, ms)
  if (typeof timer === "object") timer.unref()
  return timer
}
