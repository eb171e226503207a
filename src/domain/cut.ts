/** At most so many UTF-16 code units of a text, never half a surrogate pair. */
export const cut = (text: string, length: number): string => {
  if (text.length <= length) return text
  const part = text.slice(0, length)
  return part.isWellFormed() ? part : part.slice(0, -1)
}
