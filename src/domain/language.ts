/** Languages of visitors: the language alone, for a region beside it tells visitors apart more than it tells of them. */

const TAG = /^\s*([a-z]{2,3})(?:[-_][a-z0-9]+)*\s*(?:;|$)/i

/** The language of a tag such as `pt-BR` (BCP 47), `pt`; `null` where the text begins with none. */
export const languageOf = (tag: string): string | null => TAG.exec(tag)?.[1]?.toLowerCase() ?? null

/** The first language of an `Accept-Language` header: browsers put the preferred one first. */
export const acceptedLanguage = (header: string): string | null => {
  const end = header.indexOf(",")
  return languageOf(end < 0 ? header : header.slice(0, end))
}
