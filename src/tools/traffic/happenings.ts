/** What visitors do: event types, under any of their names, with data. */
import type { Random } from "./random.ts"
import type { Body } from "./traffic.ts"

export interface Happening {
  readonly event_type: string
  readonly event_data?: Body
}

/** More themes than the 20 that can be listed, with equal counts among the rare ones. */
const THEMES = [
  "backend",
  "frontend",
  "devops",
  "data",
  "c++",
  "ia générative",
  ...Array.from({ length: 24 }, (_, i) => `niche-${i}`),
]

const CUSTOM_TYPES = [
  "signup:done",
  "video.play",
  "search-used",
  "scroll_depth",
  "x",
  "a".repeat(50),
] as const

const theme = (random: Random): Body => {
  // Squaring makes the first themes popular.
  const name = THEMES[Math.floor(random.next() ** 2 * THEMES.length)]
  return random.chance(0.03)
    ? random.pick<Body>([{}, { theme: 5 }, { theme: "" }, { theme: null }])
    : { theme: name, source: "menu" }
}

const letter = (random: Random): Body => {
  const type = random.weighted([
    ["motivation", 60],
    ["anti_motivation", 35],
    ["recommendation", 5],
  ])
  switch (
    random.weighted([
      ["letter_type", 60],
      ["type", 30],
      ["both", 5],
      ["none", 5],
    ])
  ) {
    case "type":
      return { type, company: "Exa & Co" }
    case "both":
      return { letter_type: type, type: "other" }
    case "none":
      return { company: "None" }
    default:
      return { letter_type: type, company: `Société ${random.integer(1, 50)}` }
  }
}

const click = (random: Random): Body => {
  const position = { x: random.integer(0, 40) * 20, y: random.integer(0, 30) * 20 }
  return random.chance(0.05)
    ? random.pick<Body>([{ x: position.x }, { label: "no position" }, { x: null, y: position.y }])
    : { ...position, label: "cta" }
}

/** 8,192 bytes of JSON, the maximum, of which `{"t":""}` takes 8. */
const LARGEST_DATA: Body = { t: "é".repeat((8192 - 8) / 2) }

const custom = (random: Random): Happening => {
  const event_type = random.pick(CUSTOM_TYPES)
  if (random.chance(0.01)) return { event_type, event_data: LARGEST_DATA }
  return random.pick<Happening>([
    { event_type },
    { event_type, event_data: {} },
    {
      event_type,
      event_data: { value: random.integer(-5, 5), nested: { list: [1, 2.5, null, "ü😀", true] } },
    },
  ])
}

/** One thing that a visitor does. */
export const happening = (random: Random): Happening => {
  switch (
    random.weighted([
      ["view", 52],
      ["theme", 12],
      ["letter", 7],
      ["pdf", 4],
      ["click", 15],
      ["form", 3],
      ["custom", 7],
    ])
  ) {
    case "theme":
      return {
        event_type: random.weighted([
          ["cv_theme_change", 6],
          ["cv_theme_view", 2],
          ["cv_theme_selected", 2],
        ]),
        event_data: theme(random),
      }
    case "letter":
      return {
        event_type: random.pick(["letter_generate", "letter_generated"]),
        event_data: letter(random),
      }
    case "pdf":
      return { event_type: random.pick(["pdf_download", "pdf_downloaded"]) }
    case "click":
      return { event_type: random.pick(["button_click", "link_click"]), event_data: click(random) }
    case "form":
      return { event_type: "form_submit", event_data: { form: "contact" } }
    case "custom":
      return custom(random)
    default:
      return {
        event_type: random.weighted([
          ["page_view", 9],
          ["pageview", 1],
        ]),
      }
  }
}
