/** A run as one self-contained page: the figures with their aims, and every plot. */
import { machineLine } from "../machine.ts"
import type { Outcome, Run } from "../run.ts"
import { type Figure, holds, meets } from "../scenario.ts"
import { escapeHtml, svgOf } from "./plot.ts"
import { aimText, measuredText, verdict } from "./table.ts"

const STYLE = `
:root{color-scheme:light dark;--ink:#1c2430;--dim:#5d6878;--line:#dfe4ea;--back:#f6f7f9;--card:#fff;--good:#13795b;--bad:#b3261e;
--c0:#2563c9;--c1:#d1661a;--c2:#13795b;--c3:#8a4fc4;--c4:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e7ebf0;--dim:#98a4b3;--line:#2c3541;--back:#12161c;--card:#1a2029;--good:#5cc9a0;--bad:#f2867d;
--c0:#7db0ff;--c1:#f0a265;--c2:#5cc9a0;--c3:#c19bf0;--c4:#f2867d}}
*{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1180px;margin:0 auto;padding:32px 20px 64px}h1{font-size:26px;margin:0 0 4px}h2{font-size:19px;margin:40px 0 2px}
p{margin:0 0 12px;color:var(--dim)}nav a{margin-right:14px;color:var(--c0)}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(220px,1fr));gap:12px;margin:20px 0}
.tile,figure,table{background:var(--card);border:1px solid var(--line);border-radius:10px}
.tile{padding:12px 14px;border-left:4px solid var(--good)}.tile.missed{border-left-color:var(--bad)}
.tile b{display:block;font-size:21px;font-variant-numeric:tabular-nums}.tile span{color:var(--dim);font-size:13px;display:block}
table{border-collapse:separate;border-spacing:0;width:100%;overflow:hidden}th,td{text-align:left;padding:7px 12px;border-bottom:1px solid var(--line);vertical-align:top}
tr:last-child td{border-bottom:0}th{font-size:12px;color:var(--dim);font-weight:600}td:nth-child(3){text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td:nth-child(2){white-space:nowrap;color:var(--dim)}td:last-child{color:var(--dim);font-size:13px}
.met{color:var(--good);font-weight:600}.missed{color:var(--bad);font-weight:600}.tile:is(.met,.missed){color:inherit;font-weight:inherit}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,460px),1fr));gap:14px;margin-top:14px}
figure{margin:0;padding:12px 14px}figcaption{font-weight:600}small{color:var(--dim);font-weight:400}svg{width:100%;height:auto;display:block}
svg text{fill:var(--dim);font-size:13px}.grid{stroke:var(--line)}.line{fill:none;stroke-width:2.2;stroke-linejoin:round}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 16px;margin:4px 0 0;padding:0;font-size:13px}.legend li::before{content:"";display:inline-block;width:14px;height:3px;margin-right:6px;vertical-align:middle;background:currentColor}
${[0, 1, 2, 3, 4].map((i) => `.line.c${i}{stroke:var(--c${i})}circle.c${i}{fill:var(--c${i})}.legend .c${i}{color:var(--c${i})}`).join("")}
ul.notes{color:var(--dim);padding-left:20px}.wrong{color:var(--bad);font-weight:600}`

const tile = (outcome: Outcome, figure: Figure, run: Run): string =>
  `<div class="tile ${verdict(figure, run)}"><span>${escapeHtml(outcome.scenario)}</span><b>${escapeHtml(measuredText(figure))}</b><span>${escapeHtml(figure.name)}</span><span>aim ${escapeHtml(aimText(figure.aim, figure.unit))}</span></div>`

const row = (figure: Figure, run: Run): string => {
  const judged = verdict(figure, run)
  return `<tr><td>${escapeHtml(figure.name)}</td><td>${escapeHtml(aimText(figure.aim, figure.unit))}</td><td>${escapeHtml(measuredText(figure))}</td><td class="${judged}">${judged}</td><td>${escapeHtml(figure.note)}</td></tr>`
}

const section = (outcome: Outcome, run: Run): string => {
  const wrong = outcome.checks
    .filter((each) => !holds(each))
    .map(
      ({ what, expected, actual }) =>
        `<li class="wrong">${escapeHtml(what)}: ${actual}, not ${expected}</li>`,
    )
  const notes = [
    ...(outcome.failure === null
      ? []
      : [`<li class="wrong">not measured: ${escapeHtml(outcome.failure)}</li>`]),
    ...wrong,
    ...outcome.remarks.map((text) => `<li>${escapeHtml(text)}</li>`),
    `<li>${outcome.checks.filter(holds).length} of ${outcome.checks.length} counts are right; took ${outcome.seconds} s</li>`,
  ]
  const table =
    outcome.figures.length === 0
      ? ""
      : `<table><thead><tr><th>figure</th><th>aim</th><th>measured</th><th>verdict</th><th>note</th></tr></thead><tbody>${outcome.figures.map((each) => row(each, run)).join("")}</tbody></table>`
  return `<section id="${outcome.scenario}"><h2>${outcome.scenario}</h2><p>${escapeHtml(outcome.title)}</p>${table}<ul class="notes">${notes.join("")}</ul><div class="plots">${outcome.plots.map(svgOf).join("")}</div></section>`
}

/** The page. */
export const pageOf = (run: Run): string => {
  const judged = run.outcomes.flatMap((outcome) =>
    outcome.figures
      .filter((each) => meets(each) !== null && run.scale !== "smoke")
      .map((each) => tile(outcome, each, run)),
  )
  const scale = run.scale === "full" ? "" : ` · a ${run.scale} run, not to be published`
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>Figures of ${run.date.slice(0, 10)}</title><style>${STYLE}</style></head><body><main><h1>maicivy-analytics, measured</h1><p>${escapeHtml(run.date.slice(0, 16).replace("T", " "))} UTC · ${escapeHtml(machineLine(run.machine))} · load by ${run.machine.generator}${run.machine.commit === null ? "" : ` · commit ${escapeHtml(run.machine.commit)}`}${scale}</p><nav>${run.outcomes.map(({ scenario }) => `<a href="#${scenario}">${scenario}</a>`).join("")}</nav><div class="tiles">${judged.join("")}</div>${run.outcomes.map((outcome) => section(outcome, run)).join("")}</main></body></html>\n`
}
