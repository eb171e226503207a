/** What the panels of the front page break figures down by. */
import type { Condition } from "../model/view.ts"
import type { Texts } from "../texts/index.ts"

export interface Tab {
  /** Its name in the address, and its text's. */
  readonly name: keyof Texts["dimensions"]
  /** What its rows stand for; a second one tells apart what is called alike. */
  readonly dimensions: readonly [string, ...Array<string>]
  /** What its bars are of. */
  readonly metric: "visitors" | "events"
  /** Which events it is about, where not about all. */
  readonly only?: ReadonlyArray<Condition>
}

const tab = (
  name: Tab["name"],
  { dimensions = [name], metric = "visitors", ...more }: Partial<Omit<Tab, "name">> = {},
): Tab => ({ name, dimensions, metric, ...more })

/** Events that have a property, by its values; `dimension` is `data.<key>`. */
const ofKey = (name: Tab["name"], dimension: string): Tab =>
  tab(name, {
    dimensions: [dimension],
    metric: "events",
    only: [{ operator: "is_not", dimension, values: [null] }],
  })

/** Where the view keeps the key of the tab of properties. */
export const PROPERTY = "property"

/** The tab of properties, of the key that was chosen for it. */
export const propertyTab = (key: string): Tab => ofKey("properties", `data.${key}`)

/** The tab of goals, each of which is a question of its own. */
export const GOALS: Tab = tab("goals", { dimensions: ["goal"] })

/** The tab with the map of countries; what is listed of it is the countries' own. */
export const MAP: Tab = tab("map", { dimensions: ["country"] })

const ofProperty = (name: "data.theme" | "data.letter_type"): Tab => ofKey(name, name)

export interface TabbedPanel {
  readonly name: keyof Texts["front"]["panels"]
  readonly tabs: readonly [Tab, ...Array<Tab>]
  /** Shown only where a site has any of it. */
  readonly optional?: true
}

export const PANELS: ReadonlyArray<TabbedPanel> = [
  {
    name: "pages",
    tabs: [
      tab("page"),
      tab("entry_page"),
      tab("exit_page"),
      // What the tracker sends from pages that are none.
      tab("not_found", {
        dimensions: ["page"],
        metric: "events",
        only: [{ operator: "is", dimension: "event", values: ["not_found"] }],
      }),
    ],
  },
  { name: "sources", tabs: [tab("source"), tab("channel"), tab("utm_campaign")] },
  {
    name: "places",
    tabs: [
      tab("country"),
      tab("region", { dimensions: ["region", "country"] }),
      tab("city", { dimensions: ["city", "country"] }),
      MAP,
    ],
  },
  { name: "technology", tabs: [tab("browser"), tab("os"), tab("device")] },
  { name: "events", tabs: [tab("event", { metric: "events" }), propertyTab(""), GOALS] },
  {
    name: "themes",
    tabs: [ofProperty("data.theme"), ofProperty("data.letter_type")],
    optional: true,
  },
]

/** The columns of a tab's table, its own first. */
export const columnsOf = ({ metric }: Tab): readonly [string, ...Array<string>] =>
  metric === "events"
    ? ["events", "visitors"]
    : ["visitors", "visits", "page_views", "bounce_rate", "visit_duration"]
