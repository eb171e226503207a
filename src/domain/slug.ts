/** Types of events that have a name only. */
import { fnv1a } from "./hash.ts"

/** Letters that no decomposition takes apart (UAX #15), as they are spelled without. */
const SPELLED: { readonly [letter: string]: string } = {
  ...{ ß: "ss", æ: "ae", œ: "oe", ø: "o", đ: "d", ł: "l", þ: "th", ı: "i" },
}

/** The type of an event that has a name only: its slug, or one made of a hash where no letter of the name has a place in it. */
export const slugOf = (name: string): string => {
  const slug = name
    .normalize("NFKD")
    .replace(/\p{M}+/gu, "")
    .toLowerCase()
    .replace(/[ßæœøđłþı]/g, (letter) => SPELLED[letter] ?? letter)
    .replace(/[^a-z0-9.:-]+/g, "_")
    .slice(0, 50)
    .replace(/^_+|_+$/g, "")
  return slug === "" ? `event_${(fnv1a(name) >>> 0).toString(36)}` : slug
}
