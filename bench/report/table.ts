/** The table at the end of a run. */
import { machineLine } from "../machine.ts"
import type { Outcome, Run } from "../run.ts"
import { type Aim, type Figure, holds, meets } from "../scenario.ts"

/** A number for people: three significant digits, or all digits of a whole number. */
export const number = (value: number): string => {
  if (!Number.isFinite(value)) return "–"
  const size = Math.abs(value)
  const digits = size >= 100 || value === 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3
  return value.toLocaleString("en-US", { maximumFractionDigits: digits })
}

export const measuredText = ({ measured, unit }: Figure): string => `${number(measured)} ${unit}`

export const aimText = (aim: Aim | null, unit: string): string =>
  aim === null ? "" : `${aim.bound === "at least" ? "≥" : "≤"} ${number(aim.value)} ${unit}`

/** Whether an aim was met. Smoke runs judge nothing. */
export const verdict = (figure: Figure, run: Run): "met" | "missed" | "" => {
  const met = run.scale === "smoke" ? null : meets(figure)
  return met === null ? "" : met ? "met" : "missed"
}

const problems = ({ checks, failure }: Outcome): ReadonlyArray<string> => [
  ...(failure === null ? [] : [`not measured: ${failure}`]),
  ...checks
    .filter((each) => !holds(each))
    .map(({ what, expected, actual }) => `WRONG: ${what}: ${actual}, not ${expected}`),
]

/** Whether anything could not be measured or a count was wrong. */
export const isMissed = (run: Run): boolean => run.outcomes.some((outcome) => problems(outcome).length > 0)

const HEAD = ["figure", "aim", "measured", "verdict", "note"] as const

/** The run as text: one row per figure, followed by what was wrong and other notes. */
export const textTable = (run: Run): string => {
  const rows = run.outcomes.flatMap((outcome) =>
    outcome.figures.map((each) => [
      `${outcome.scenario}: ${each.name}`,
      aimText(each.aim, each.unit),
      measuredText(each),
      verdict(each, run),
      each.note,
    ]),
  )
  const widths = HEAD.map((head, i) => Math.max(head.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const line = (cells: ReadonlyArray<string>) =>
    cells
      .map((cell, i) => (i === 2 ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join("  ")
      .trimEnd()
  const after = run.outcomes.flatMap((outcome) =>
    [...problems(outcome), ...outcome.remarks].map((text) => `${outcome.scenario}: ${text}`),
  )
  const checks = run.outcomes.flatMap((outcome) => outcome.checks)
  return [
    "",
    line(HEAD),
    line(widths.map((width) => "─".repeat(width))),
    ...rows.map(line),
    "",
    ...after,
    `${checks.filter(holds).length} of ${checks.length} counts are right.`,
    `Measured on ${machineLine(run.machine)}; load by ${run.machine.generator}; ${run.machine.busyBefore} % busy before.`,
  ].join("\n")
}
