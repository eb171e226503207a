/** Whether a page comes from this server itself, such as its dashboard does. */
import { parseForwarded } from "./forwarded.ts"
import type { RequestHeaders } from "./headers.ts"

/** The hosts that a request may have been sent to: what it says, and what a proxy that is trusted says that it said. */
const hostsOf = (headers: HostHeaders, behindProxy: boolean): ReadonlyArray<string> =>
  behindProxy
    ? [
        headers.host,
        ...headers["x-forwarded-host"].split(","),
        ...parseForwarded(headers.forwarded).map((hop) => hop.get("host") ?? ""),
      ]
    : [headers.host]

type HostHeaders = Pick<RequestHeaders, "host" | "x-forwarded-host" | "forwarded">

/**
 * Whether an `Origin` is the request's own. Ports are compared as its scheme has them, because 443 may be left out or not;
 * TLS may have ended at a proxy. A proxy that reports the name alone (nginx' `$host`) is believed for every port.
 */
export const isOwnOrigin = (origin: string, headers: HostHeaders, behindProxy: boolean): boolean => {
  if (!URL.canParse(origin)) return false
  const { protocol, host, hostname } = new URL(origin)
  return hostsOf(headers, behindProxy).some((each) => {
    const url = `${protocol}//${each.trim()}`
    if (each.trim() === "" || !URL.canParse(url)) return false
    const asked = new URL(url)
    return asked.host === host || (behindProxy && !/:\d*$/.test(each.trim()) && asked.hostname === hostname)
  })
}
