/**
 * The token of a share link, by which somebody without a login sees one site. It stands in the address, so that a frame or a reload has it
 * again, and is sent with every read.
 */

/** The token of the address; `null` where there is none. */
export const shareToken = (): string | null => new URLSearchParams(location.search).get("share")

/** The header of a read. */
export const shareHeaders = (): { readonly [name: string]: string } => {
  const token = shareToken()
  return token === null ? {} : { Authorization: `Bearer ${token}` }
}
