/**
 * Which sites are meant: a slug, several with commas between them, or all. Several are one: their events are counted together, and a
 * visitor of more than one of them once.
 */

/** All sites that there are for whoever asks; a site of this name takes precedence. */
export const ALL_SITES = "all"

/** Between the slugs of a choice; no slug has one. */
export const SEPARATOR = ","

/** The slugs of a choice that has been read; none of them is {@link ALL_SITES}. */
export const slugsOf = (choice: string): ReadonlyArray<string> => choice.split(SEPARATOR)

/** Whether a choice that has been read is of more than one site. */
export const isSeveral = (choice: string): boolean => choice.includes(SEPARATOR)

/** Sites as one choice: the same text for the same sites. */
export const choiceOf = (sites: Iterable<string>): string => [...new Set(sites)].sort().join(SEPARATOR)

/** The sites that a text chooses among some, sorted; or what it names that is none of them. */
export const chosenSites = (
  text: string,
  declared: ReadonlySet<string>,
): { readonly sites: ReadonlyArray<string> } | { readonly unknown: string } => {
  const sites = new Set<string>()
  // Each once: whoever repeats one in a large body would be answered for a long time.
  for (const name of new Set(slugsOf(text)))
    if (declared.has(name)) sites.add(name)
    else if (name === ALL_SITES && declared.size > 0) for (const each of declared) sites.add(each)
    else return { unknown: name }
  return { sites: [...sites].sort() }
}
