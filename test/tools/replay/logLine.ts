/** Lines of an access log made for a test. */

export interface LogFields {
  readonly address?: string
  readonly time?: string
  readonly request?: string
  readonly status?: number
  readonly referrer?: string
  readonly agent?: string
}

/** A line of the combined format; fields that do not matter have usual values. */
export const logLine = (fields: LogFields): string => {
  const {
    address = "192.0.2.1",
    time = "17/May/2015:10:05:03 +0000",
    request = "GET / HTTP/1.1",
    status = 200,
    referrer = "-",
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
  } = fields
  return `${address} - - [${time}] "${request}" ${status} 123 "${referrer}" "${agent}"`
}
