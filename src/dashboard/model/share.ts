/**
 * The token of a share link, by which somebody without a login sees one site. It stands in the address, so that a frame or a reload has it
 * again, and is sent with every read.
 */

/** The token of the address; `null` where there is none. */
export const shareToken = (): string | null => new URLSearchParams(location.search).get("share")

/** The parameters of an address of a page: of a site, and by the same access. */
export const siteParameters = (site: string | null): URLSearchParams => {
  const share = shareToken()
  return new URLSearchParams({ ...(site !== null && { site }), ...(share !== null && { share }) })
}

/** The header of a read. */
export const shareHeaders = (): { readonly [name: string]: string } => {
  const token = shareToken()
  return token === null ? {} : { Authorization: `Bearer ${token}` }
}
