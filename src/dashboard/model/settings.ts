/** What the reader has chosen. Site, period and page stand in the address, so that it can be shared; the rest is stored locally. */
import { PERIODS, type Period } from "../../domain/period.ts"
import { changeAddress } from "./place.ts"
import { LANGUAGES, type Language } from "./text.ts"
import { among } from "./view.ts"

export const SCHEMES = ["auto", "light", "dark"] as const
export type Scheme = (typeof SCHEMES)[number]

/** Not `day`: today's figures are always shown above. */
const DEFAULT_PERIOD: Period = "week"

export interface Settings {
  /** One, or several as one: `a,b`, or `all`; `null` for the default site. */
  readonly site: string | null
  readonly period: Period
  /** Page of the heatmap; empty for all pages. */
  readonly page: string
  readonly language: Language
  readonly scheme: Scheme
}

/** Returns a stored value; `null` when there is none, or when the browser refuses storage. */
export const stored = (name: string): string | null => {
  try {
    return localStorage.getItem(name)
  } catch {
    return null
  }
}

/** Keeps a value in the browser, where that has room for it. */
export const store = (name: string, value: string): void => {
  try {
    localStorage.setItem(name, value)
  } catch {
    // The choice then lasts for this visit only.
  }
}

/** Returns the settings that the address, the storage and the browser ask for, in this order. */
export const readSettings = (): Settings => {
  const asked = new URLSearchParams(location.search)
  const preferred = navigator.languages.map((each) => among(LANGUAGES, each.slice(0, 2))).find(Boolean)
  return {
    site: asked.get("site"),
    period: among(PERIODS, asked.get("period")) ?? DEFAULT_PERIOD,
    page: asked.get("page") ?? "",
    language:
      among(LANGUAGES, asked.get("lang")) ?? among(LANGUAGES, stored("language")) ?? preferred ?? "en",
    scheme: among(SCHEMES, stored("scheme")) ?? "auto",
  }
}

/** Puts the settings into the address and the storage, and returns them. */
export const keepSettings = (settings: Settings): Settings => {
  const url = new URL(location.href)
  const parameters = {
    site: settings.site,
    period: settings.period === DEFAULT_PERIOD ? null : settings.period,
    page: settings.page === "" ? null : settings.page,
  }
  for (const [name, value] of Object.entries(parameters))
    if (value === null) url.searchParams.delete(name)
    else url.searchParams.set(name, value)
  if (url.searchParams.has("lang")) url.searchParams.set("lang", settings.language)
  if (url.href !== location.href) changeAddress("replace", url)
  store("language", settings.language)
  store("scheme", settings.scheme)
  return settings
}

/** Sets language, colours and title of the document. */
export const applySettings = (language: Language, scheme: "light" | "dark", title: string): void => {
  const { documentElement: root } = document
  root.lang = language
  root.dataset.scheme = scheme
  document.title = title
}
