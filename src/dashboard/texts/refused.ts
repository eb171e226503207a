/** What a text says of a refused event. */
export interface Refused {
  /** Of the page that has sent it. */
  readonly host: string
  /** What it calls its site. */
  readonly named: string
  /** Of the site that is being set up. */
  readonly slug: string
}
