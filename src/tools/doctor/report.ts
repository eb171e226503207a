/** The doctor's report, for people. */
import { styleText } from "node:util"
import type { Finding } from "./finding.ts"

const MARKS = { ok: "✓", warning: "!", failed: "✗", skipped: "–" } as const
const COLOURS = { ok: "green", warning: "yellow", failed: "red", skipped: "gray" } as const

const line = ({ check, state, text, milliseconds }: Finding, width: number, colours: boolean): string => {
  const mark = colours ? styleText(COLOURS[state], MARKS[state], { validateStream: false }) : MARKS[state]
  const time = milliseconds === undefined ? "" : ` (${milliseconds} ms)`
  return `  ${mark} ${check.padEnd(width)}  ${text}${time}`
}

const summary = (findings: ReadonlyArray<Finding>): string => {
  const count = (state: Finding["state"]) => findings.filter((each) => each.state === state).length
  const rest = [
    ...(count("warning") > 0 ? [`${count("warning")} to look at`] : []),
    ...(count("skipped") > 0 ? [`${count("skipped")} not looked at`] : []),
  ].join(", ")
  const verdict =
    count("failed") === 0 ? "All is well" : `${count("failed")} of ${findings.length} checks failed`
  return rest === "" ? `${verdict}.` : `${verdict}; ${rest}.`
}

/** One line per finding, and a sentence that sums them up. */
export const report = (url: string, findings: ReadonlyArray<Finding>, colours: boolean): string => {
  const width = Math.max(...findings.map(({ check }) => check.length))
  return [url, "", ...findings.map((each) => line(each, width, colours)), "", summary(findings)].join("\n")
}

/** Whether stdout is a terminal that wants colours (https://no-color.org). */
export const wantsColours = (): boolean => process.stdout.isTTY === true && !process.env.NO_COLOR
