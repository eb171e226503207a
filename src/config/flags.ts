/**
 * Every flag and argument of the command line that takes a value, once: its name, its rule and its meaning. One that stands for a
 * setting obeys that setting's rule.
 */

import { OTHER_HOSTS } from "../domain/answers.ts"
import { UUID } from "../domain/limits.ts"
import { KEY_SCOPES, ROLES } from "../domain/roles.ts"
import { type BucketAddress, bucketAddress } from "./objectStorage.ts"
import { SETTINGS } from "./settings.ts"
import {
  Expected,
  excludedAddresses,
  httpUrl,
  integer,
  namedTimeZone,
  oneOf,
  pageHosts,
  pathPatterns,
  siteSlug,
} from "./values.ts"

export interface ValueFlag<A> {
  readonly name: string
  /** What to write, for the help. */
  readonly metavar: string
  /** The value of a text, or an {@link Expected} that says what the text should have been. */
  readonly parse: (text: string) => A | Expected
  readonly doc: string
  /** The value is never shown. */
  readonly secret?: true
}

/** A letter's partition and stream id. */
export interface LetterId {
  readonly partition: number
  readonly id: string
}

/** A dead letter's id as it is listed, `0/1733650000000-0`. */
const letterId = (text: string): LetterId | Expected => {
  const match = /^(\d{1,3})\/(\d{1,16}-\d{1,16})$/.exec(text)
  return match === null
    ? new Expected("a dead letter's id such as 0/1733650000000-0")
    : { partition: Number(match[1]), id: match[2] ?? "" }
}

const lettersId = (text: string): LetterId | "all" | Expected => {
  if (text === "all") return "all"
  const id = letterId(text)
  return id instanceof Expected ? new Expected(`${id.what}, or all`) : id
}

const path = (text: string): string | Expected => (text.trim() === "" ? new Expected("a path") : text)

const folderOrBucket = (text: string): string | BucketAddress | Expected => {
  if (!/^[a-z0-9+.-]+:\/\//i.test(text)) return path(text)
  return bucketAddress(text) ?? new Expected("a folder, or a bucket as s3://bucket/prefix")
}

const day = (text: string): string | Expected =>
  /^\d{4}-\d{2}-\d{2}$/.test(text) && new Date(`${text}T00:00:00Z`).toJSON()?.startsWith(text) === true
    ? text
    : new Expected("a day such as 2025-12-08")

const visitorOrArchives = (text: string): string | Expected =>
  text === "archives" || UUID.test(text)
    ? text.toLowerCase()
    : new Expected("a visitor's id, a UUID, or archives")

/** The rule of a setting that may be missing, for a flag that may not be empty. */
const nonEmpty =
  <A>(parse: (text: string) => A | Expected, what: string) =>
  (text: string): A | Expected =>
    text.trim() === "" ? new Expected(what) : parse(text)

const someOf =
  <const A extends string>(values: ReadonlyArray<A>) =>
  (text: string): ReadonlyArray<A> | Expected => {
    const given = text.split(",").map((each) => each.trim())
    const found = values.filter((each) => given.includes(each))
    return found.length > 0 && found.length === new Set(given).size
      ? found
      : new Expected(`some of ${values.join(", ")}, with commas between them`)
  }

const nameText = (text: string): string | Expected =>
  text.trim() === "" || text.length > 100 ? new Expected("a name of 1 to 100 characters") : text.trim()

const listed = (text: string): ReadonlyArray<string> => text.split(",").map((each) => each.trim())

/** The rule of a list that may become empty: a flag without a value would more often be a mistake. */
const orNone =
  <A>(parse: (text: string) => ReadonlyArray<A> | Expected) =>
  (text: string): ReadonlyArray<A> | Expected =>
    text === "none" ? [] : parse(text)

/** The table of flags. */
export const FLAGS = {
  days: {
    name: "days",
    metavar: "days",
    parse: SETTINGS.retentionDays.parse,
    doc: "Days to keep, instead of RETENTION_DAYS; fewer than that need --yes",
  },
  partitions: {
    name: "partitions",
    metavar: "number",
    parse: SETTINGS.partitions.parse,
    doc: "Change the number of partitions; every node must be stopped and the streams empty",
  },
  timeZone: {
    name: "time-zone",
    metavar: "zone",
    parse: SETTINGS.timeZone.parse,
    doc: "Change the time zone of days, weeks and months; every node must be stopped and the streams empty",
  },
  limit: {
    name: "limit",
    metavar: "number",
    parse: integer(1, 1_000_000),
    doc: "Most to show; 100 by default",
  },
  url: {
    name: "url",
    metavar: "url",
    parse: httpUrl,
    doc: "Where the node answers; by default HOST and PORT",
  },
  site: {
    name: "site",
    metavar: "slug",
    parse: siteSlug,
    doc: "The site to send the event to; by default the deployment's default one",
  },
  timeout: {
    name: "timeout",
    metavar: "seconds",
    parse: integer(1, 600),
    doc: "Seconds that one thing may take; 10 by default",
  },
  letters: {
    name: "id",
    metavar: "id",
    parse: lettersId,
    doc: "Partition and id as `list` shows them, or `all`",
  },
  letter: {
    name: "id",
    metavar: "id",
    parse: letterId,
    doc: "Partition and id as `list` shows them, such as 0/1733650000000-0",
  },
  visitor: {
    name: "visitor",
    metavar: "visitor",
    parse: visitorOrArchives,
    doc: "The visitor's id, a UUID; or `archives`, for everybody in the journal of erasures",
  },
  user: {
    name: "name",
    metavar: "name",
    parse: nameText,
    doc: "The name",
  },
  role: {
    name: "role",
    metavar: "role",
    parse: oneOf(...ROLES),
    doc: "What the user may do: viewer, editor or owner; viewer by default",
  },
  scopes: {
    name: "scopes",
    metavar: "scopes",
    parse: someOf(KEY_SCOPES),
    doc: "What the key is good for: some of read, write, admin, with commas between them; read by default",
  },
  sites: {
    name: "sites",
    metavar: "slugs",
    parse: SETTINGS.sites.parse,
    doc: "The sites that it reaches, with commas between them; all by default",
  },
  slug: {
    name: "site",
    metavar: "slug",
    parse: siteSlug,
    doc: "The site's slug, by which senders and questions name it",
  },
  siteName: {
    name: "name",
    metavar: "name",
    parse: nameText,
    doc: "The site's name, for people",
  },
  zone: {
    name: "zone",
    metavar: "zone",
    parse: namedTimeZone,
    doc: "The zone in which the site's page and questions speak by default, such as Europe/Paris; without one, TIME_ZONE again",
  },
  siteDays: {
    name: "days",
    metavar: "days",
    parse: SETTINGS.retentionDays.parse,
    doc: "The days for which the site's raw events are kept, not more than RETENTION_DAYS; without it, RETENTION_DAYS again",
  },
  siteZone: {
    name: "time-zone",
    metavar: "zone",
    parse: namedTimeZone,
    doc: "The zone in which the site's page and questions speak by default; TIME_ZONE by default",
  },
  changedZone: {
    name: "time-zone",
    metavar: "zone",
    parse: (text) => (text === "none" ? null : namedTimeZone(text)),
    doc: "The zone in which the site's page and questions speak by default; none for TIME_ZONE again",
  },
  otherHosts: {
    name: "other-hosts",
    metavar: "what",
    parse: oneOf(...OTHER_HOSTS),
    doc: "What becomes of events of other hosts, but for those with a write key: count (as at the start), refuse, or mark: stored and left out of the figures",
  },
  hosts: {
    name: "hosts",
    metavar: "hosts",
    parse: nonEmpty(pageHosts, "a list of hosts such as example.com"),
    doc: "Where the site's pages are, with commas between them, such as example.com",
  },
  changedHosts: {
    name: "hosts",
    metavar: "hosts",
    parse: orNone(nonEmpty(pageHosts, "a list of hosts such as example.com, or none")),
    doc: "Where the site's pages are, with commas between them, in place of what was; none for none",
  },
  excludedPaths: {
    name: "excluded-paths",
    metavar: "paths",
    parse: orNone((text) => pathPatterns(listed(text))),
    doc: "Paths that are left out, with commas between them, such as /admin/*, in place of what was; none for none",
  },
  excludedAddresses: {
    name: "excluded-addresses",
    metavar: "addresses",
    parse: orNone((text) => excludedAddresses(listed(text))),
    doc: "Visitors' addresses that are left out, with commas between them, such as 192.0.2.0/24, in place of what was; none for none",
  },
  keyId: {
    name: "key",
    metavar: "id",
    parse: integer(1, 1_000_000_000),
    doc: "The key's id, as `list` shows it",
  },
  folder: { name: "folder", metavar: "folder", parse: path, doc: "The backup's folder" },
  newFolder: {
    name: "to",
    metavar: "folder",
    parse: path,
    doc: "The folder to make; it must not be there yet",
  },
  newFile: { name: "to", metavar: "file", parse: path, doc: "The file to write" },
  format: {
    name: "format",
    metavar: "format",
    parse: oneOf("parquet", "ndjson"),
    doc: "Format of the files: parquet or ndjson",
  },
  exportTo: {
    name: "to",
    metavar: "folder",
    parse: folderOrBucket,
    doc: "The folder with the days, or s3://bucket/prefix; a folder is made where it is missing, and gone on with where it is there",
  },
  from: {
    name: "from",
    metavar: "day",
    parse: day,
    doc: "The first day to write, such as 2025-12-08; by default the first there is",
  },
  until: {
    name: "until",
    metavar: "day",
    parse: day,
    doc: "The last day to write; by default yesterday, as days are written when they have ended",
  },
  erasures: {
    name: "erasures",
    metavar: "file",
    parse: path,
    doc: "Journal of the erasures since, as the command `erasures` writes it",
  },
  databaseUrl: {
    name: "database-url",
    metavar: "url",
    parse: nonEmpty(SETTINGS.databaseUrl.parse, "a URL"),
    doc: "What DATABASE_URL is to be; without it, the new store is embedded",
    secret: true,
  },
  redisUrl: {
    name: "redis-url",
    metavar: "url",
    parse: nonEmpty(SETTINGS.redisUrl.parse, "a URL"),
    doc: "What REDIS_URL is to be; without it, the new store is embedded",
    secret: true,
  },
  dataDir: {
    name: "data-dir",
    metavar: "folder",
    parse: path,
    doc: "The new DATA_DIR, where a new store is to be embedded",
  },
} as const satisfies { readonly [key: string]: ValueFlag<unknown> }
