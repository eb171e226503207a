/**
 * Makes `Date` tell another time in the realm that calls it. It needs nothing around it, so that its text can be run in a page, too.
 *
 * @param {() => number} ahead milliseconds by which the time told is ahead of the machine's, asked at each reading
 */
export const shiftDate = (ahead) => {
  const machine = Date.now.bind(Date)
  const now = () => machine() + ahead()
  globalThis.Date = new Proxy(Date, {
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
    get: (target, name) => (name === "now" ? now : Reflect.get(target, name)),
  })
}
