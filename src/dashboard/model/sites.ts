/** Sites as people type them. */

/** What somebody types with spaces or commas between it. */
export const wordsOf = (text: string): ReadonlyArray<string> =>
  text.split(/[\s,]+/).filter((each) => each !== "")

/** Hosts as somebody types them, or copies them from an address. */
export const hostsOf = (text: string): ReadonlyArray<string> =>
  wordsOf(text).map((each) => (/^https?:\/\//i.test(each) && URL.canParse(each) ? new URL(each).host : each))

/** What a site of that name may be called by its senders. */
export const slugFor = (name: string): string =>
  name
    .normalize("NFKD")
    .toLowerCase()
    .replace(/\p{M}/gu, "")
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 64)
