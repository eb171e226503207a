/** SQL: whether a number of a site is that of one of the sites $1. That of one alone is compared with, so that plans are for it. */
export const among = (sites: ReadonlyArray<string>): string =>
  sites.length === 1
    ? "= (SELECT id FROM sites WHERE slug = ANY ($1::text[]))"
    : "= ANY (ARRAY(SELECT id FROM sites WHERE slug = ANY ($1::text[])))"
