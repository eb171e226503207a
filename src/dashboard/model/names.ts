/** What visitors and senders have named, as text that can be shown: nothing in it moves, hides or stretches what is around it. */

/** Characters of a name that are shown. */
const LONGEST = 300

/** Controls of C0 and C1, and those that change the direction of text or show nothing. */
const INVISIBLE = /[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu
/** More marks over one letter than any script has. */
const MARKS = /(\p{M}{4})\p{M}+/gu

/** The picture of a control character, or a dot for others that show nothing. */
const pictureOf = (character: string): string => {
  const code = character.charCodeAt(0)
  return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "\u2421" : "\u00b7"
}

/** A name as text of one line: at most {@link LONGEST} characters, with something to see for those that show nothing. */
export const shownName = (name: string): string => {
  // Cut first: a megabyte is not looked through.
  const cut = name.length > 4 * LONGEST ? name.slice(0, 4 * LONGEST) : name
  const text = cut.toWellFormed().replace(MARKS, "$1").replace(INVISIBLE, pictureOf)
  const characters = [...text]
  if (characters.length <= LONGEST && cut.length === name.length) return text
  return `${characters.slice(0, LONGEST - 1).join("")}…`
}
