/** The languages of the page: a file each, and its line here. */
import { en, type Texts } from "./en.ts"
import { fr } from "./fr.ts"

export type { Texts }

const ALL = { en, fr } satisfies { readonly [language: string]: Texts }
export type Language = keyof typeof ALL

export const TEXTS: { readonly [language in Language]: Texts } = ALL
export const LANGUAGES: ReadonlyArray<Language> = ["en", "fr"]
