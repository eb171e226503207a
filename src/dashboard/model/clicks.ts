/** Where a page is, for its clicks to be shown over it. Pure functions. */

/** Hosts that are reached without TLS: those of this machine. */
const LOCAL = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]|[\w.-]+\.localhost)(:\d+)?$/

/** The address of a page on a host, as the dimensions of its events name them. */
export const addressOf = (host: string, page: string): string =>
  `${LOCAL.test(host) ? "http" : "https"}://${host}${page.startsWith("/") ? "" : "/"}${page}`

/** Where the tag shows the clicks that a ticket is for; `null` where that is no address of a page. */
export const overPage = (address: string, ticket: string): string | null => {
  if (!URL.canParse(address)) return null
  const url = new URL(address)
  if (url.protocol !== "https:" && url.protocol !== "http:") return null
  url.hash = `maicivy-heatmap=${ticket}`
  return url.href
}
