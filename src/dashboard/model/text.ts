/** Every text of the page, in both languages. */

export const LANGUAGES = ["en", "fr"] as const
export type Language = (typeof LANGUAGES)[number]

/** Texts by names that come from outside. Not a plain object, which also has a `constructor` and a `__proto__`. */
const byName = (texts: { readonly [name: string]: string }): ReadonlyMap<string, string> =>
  new Map(Object.entries(texts))

const en = {
  title: "Live figures",
  skip: "Skip to the figures",
  site: "Site",
  period: "Period",
  periods: { day: "Day", week: "Week", month: "Month" },
  language: "Language",
  scheme: "Colours",
  schemes: { auto: "Auto", light: "Light", dark: "Dark" },
  connection: {
    connecting: "Connecting …",
    open: "Live",
    waiting: (seconds: string) => `Connection lost. Next try in ${seconds} s`,
    stale: (time: string) => `Figures of ${time}`,
    store: "The figures cannot be read now. They come back by themselves.",
  },
  now: "Visitors now",
  nowHint: "seen in the last 5 minutes",
  today: "Today, against yesterday at the same time",
  visitors: "Visitors",
  events: "Events",
  letters: "Letters",
  pageViews: "Page views",
  conversion: "Conversion",
  conversionHint: "letters per visitor",
  yesterdayAt: (time: string) => `yesterday, ${time}`,
  yesterdayNone: "nothing to compare with",
  versus: "against yesterday at the same time",
  lastHour: "Last hour",
  lastHourText: (events: string, peak: string, time: string) =>
    `${events} events in the last hour; at most ${peak} in a minute, at ${time}.`,
  lastHourQuiet: "No event in the last hour.",
  eventsPerMinute: "events per minute",
  visitorsPresent: "visitors present",
  minute: "Minute",
  figuresOf: { day: "Today", week: "This week", month: "This month" },
  themes: "Themes",
  themesHint: "most viewed of all time",
  themesEmpty: "No theme has been chosen yet.",
  views: "views",
  letterTypes: "Letters by type",
  motivation: "Motivation",
  antiMotivation: "Anti-motivation",
  otherLetters: "Other",
  lettersEmpty: { day: "No letter today.", week: "No letter this week.", month: "No letter this month." },
  perDay: "Letters per day",
  date: "Date",
  heatmap: "Clicks",
  page: "Page",
  allPages: "all pages",
  clicksOf: (hours: number) => `last ${hours} hours`,
  heatmapEmpty: "No click on this page in the last 24 hours.",
  heatmapText: (clicks: string, places: string) => `${clicks} clicks at ${places} places`,
  few: "few",
  many: "many",
  position: "Position (from left, from top)",
  clicks: "Clicks",
  feed: "Happening now",
  feedEmpty: "Quiet. Events appear here the moment they are counted.",
  omitted: (events: string) => `and ${events} more within a second`,
  pause: "Pause",
  resume: "Resume",
  paused: (events: string) => `Paused: ${events} since`,
  timeline: "Timeline",
  timelineHint: "stored events, newest first",
  timelineEmpty: "No event has been stored yet. Add the tracker to a page, and its visits appear.",
  older: "Show older events",
  newer: (events: string) => `Show ${events} new`,
  time: "Time",
  event: "Event",
  visitor: "Visitor",
  detail: "Detail",
  loading: "Loading …",
  failed: "This could not be loaded.",
  failures: byName({
    OFFLINE: "The server does not answer.",
    STORE_UNAVAILABLE: "A store does not answer now.",
    UNKNOWN_SITE: "There is no such site.",
  }),
  again: "Try again",
  types: byName({
    page_view: "Page view",
    cv_theme_change: "Theme chosen",
    letter_generate: "Letter written",
    pdf_download: "PDF download",
    button_click: "Button click",
    link_click: "Link click",
    form_submit: "Form sent",
  }),
}

export type Texts = typeof en

const fr: Texts = {
  title: "Chiffres en direct",
  skip: "Aller aux chiffres",
  site: "Site",
  period: "Période",
  periods: { day: "Jour", week: "Semaine", month: "Mois" },
  language: "Langue",
  scheme: "Couleurs",
  schemes: { auto: "Auto", light: "Clair", dark: "Sombre" },
  connection: {
    connecting: "Connexion …",
    open: "En direct",
    waiting: (seconds) => `Connexion perdue. Nouvel essai dans ${seconds} s`,
    stale: (time) => `Chiffres de ${time}`,
    store: "Les chiffres ne peuvent être lus pour l’instant. Ils reviendront d’eux-mêmes.",
  },
  now: "Visiteurs en ce moment",
  nowHint: "vus ces 5 dernières minutes",
  today: "Aujourd’hui, par rapport à hier à la même heure",
  visitors: "Visiteurs",
  events: "Événements",
  letters: "Lettres",
  pageViews: "Pages vues",
  conversion: "Conversion",
  conversionHint: "lettres par visiteur",
  yesterdayAt: (time) => `hier, ${time}`,
  yesterdayNone: "rien à comparer",
  versus: "par rapport à hier à la même heure",
  lastHour: "Dernière heure",
  lastHourText: (events, peak, time) =>
    `${events} événements dans la dernière heure ; au plus ${peak} en une minute, à ${time}.`,
  lastHourQuiet: "Aucun événement dans la dernière heure.",
  eventsPerMinute: "événements par minute",
  visitorsPresent: "visiteurs présents",
  minute: "Minute",
  figuresOf: { day: "Aujourd’hui", week: "Cette semaine", month: "Ce mois-ci" },
  themes: "Thèmes",
  themesHint: "les plus vus depuis toujours",
  themesEmpty: "Aucun thème n’a encore été choisi.",
  views: "vues",
  letterTypes: "Lettres par type",
  motivation: "Motivation",
  antiMotivation: "Anti-motivation",
  otherLetters: "Autres",
  lettersEmpty: {
    day: "Aucune lettre aujourd’hui.",
    week: "Aucune lettre cette semaine.",
    month: "Aucune lettre ce mois-ci.",
  },
  perDay: "Lettres par jour",
  date: "Date",
  heatmap: "Clics",
  page: "Page",
  allPages: "toutes les pages",
  clicksOf: (hours) => `${hours} dernières heures`,
  heatmapEmpty: "Aucun clic sur cette page ces dernières 24 heures.",
  heatmapText: (clicks, places) => `${clicks} clics à ${places} endroits`,
  few: "peu",
  many: "beaucoup",
  position: "Position (de gauche, du haut)",
  clicks: "Clics",
  feed: "En ce moment",
  feedEmpty: "Tout est calme. Les événements s’affichent dès qu’ils sont comptés.",
  omitted: (events) => `et ${events} de plus en une seconde`,
  pause: "Pause",
  resume: "Reprendre",
  paused: (events) => `En pause : ${events} depuis`,
  timeline: "Chronologie",
  timelineHint: "événements enregistrés, du plus récent au plus ancien",
  timelineEmpty: "Aucun événement enregistré. Ajoutez le traceur à une page, et ses visites s’afficheront.",
  older: "Événements plus anciens",
  newer: (events) => `Afficher ${events} nouveaux`,
  time: "Heure",
  event: "Événement",
  visitor: "Visiteur",
  detail: "Détail",
  loading: "Chargement …",
  failed: "Chargement impossible.",
  failures: byName({
    OFFLINE: "Le serveur ne répond pas.",
    STORE_UNAVAILABLE: "Une base de données ne répond pas.",
    UNKNOWN_SITE: "Ce site n’existe pas.",
  }),
  again: "Réessayer",
  types: byName({
    page_view: "Page vue",
    cv_theme_change: "Thème choisi",
    letter_generate: "Lettre rédigée",
    pdf_download: "PDF téléchargé",
    button_click: "Clic sur bouton",
    link_click: "Clic sur lien",
    form_submit: "Formulaire envoyé",
  }),
}

const TEXTS: { readonly [language in Language]: Texts } = { en, fr }
const LOCALES: { readonly [language in Language]: string } = { en: "en-GB", fr: "fr-FR" }

/** Texts and formats of one language. */
export interface Wording {
  readonly language: Language
  readonly t: Texts
  readonly number: (value: number) => string
  /** `0.5` as `50.0%`. */
  readonly percent: (share: number) => string
  /** A change as `+12 %`. */
  readonly change: (share: number) => string
  /** `14:32:05`. */
  readonly clock: (instant: number | string) => string
  /** `14:32`. */
  readonly shortClock: (instant: number) => string
  /** The time of day, after the date unless that is today. */
  readonly moment: (instant: string) => string
  /** A calendar day, `2025-12-08`, as `Mon 8`. */
  readonly day: (date: string) => string
  /** Its weekday: `Mon`. */
  readonly weekday: (date: string) => string
  readonly typeName: (type: string) => string
}

export const wordingOf = (language: Language): Wording => {
  const locale = LOCALES[language]
  const number = new Intl.NumberFormat(locale)
  const percent = new Intl.NumberFormat(locale, {
    style: "percent",
    minimumFractionDigits: 1,
    maximumFractionDigits: 1,
  })
  const change = new Intl.NumberFormat(locale, {
    style: "percent",
    maximumFractionDigits: 0,
    signDisplay: "exceptZero",
  })
  const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit" })
  const shortClock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" })
  const date = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short" })
  const day = new Intl.DateTimeFormat(locale, { weekday: "short", day: "numeric", timeZone: "UTC" })
  const weekday = new Intl.DateTimeFormat(locale, { weekday: "short", timeZone: "UTC" })
  const t = TEXTS[language]
  return {
    language,
    t,
    number: (value) => number.format(value),
    percent: (share) => percent.format(share),
    // A minus sign is as wide as a plus; a hyphen is not.
    change: (share) => change.format(share).replace("-", "−"),
    clock: (instant) => clock.format(new Date(instant)),
    shortClock: (instant) => shortClock.format(instant),
    moment: (instant) => {
      const at = new Date(instant)
      const today = new Date().toDateString() === at.toDateString()
      return today ? clock.format(at) : `${date.format(at)} ${shortClock.format(at)}`
    },
    day: (text) => day.format(new Date(`${text}T00:00:00Z`)),
    weekday: (text) => weekday.format(new Date(`${text}T00:00:00Z`)),
    typeName: (type) => t.types.get(type) ?? type,
  }
}
