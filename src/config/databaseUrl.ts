/**
 * The text of DATABASE_URL: `postgresql://[user[:password]@]host[:port][,host[:port]…][/database][?parameters]`, as libpq has it
 * (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS). Of several hosts it is the one that takes
 * writes. What is left out is taken from PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE.
 *
 * Parameters: those of TLS ({@link ./postgresTls.ts}), `schema` for tables in a schema of one's own, `options` for settings of the
 * server, and `application_name`, `host`, `port`, `user`, `password`, `target_session_attrs`.
 */
import { type PostgresTls, postgresTls, TLS_PARAMETERS } from "./postgresTls.ts"
import {
  decodePart,
  encodedOr,
  type Hosts,
  hostsOf,
  parametersOf,
  shownHost,
  splitAuthority,
} from "./urlParts.ts"
import { Expected } from "./values.ts"

export interface DatabaseUrl {
  readonly scheme: string
  /** Tried in this order. One that begins with `/` is the folder of a socket. */
  readonly hosts: Hosts
  readonly user: string | undefined
  readonly password: string | undefined
  readonly database: string | undefined
  readonly tls: PostgresTls
  /** Where the tables are; `null` for the first schema of the role's `search_path`. */
  readonly schema: string | null
  /** Settings of the server, `-c name=value`. */
  readonly options: string | undefined
  readonly applicationName: string | undefined
  /** Names of parameters that mean nothing here. */
  readonly unused: ReadonlyArray<string>
}

const PORT = 5432

const FORM = new Expected(
  "a URL that begins with postgres:// or postgresql://, like postgresql://user:password@host:5432/database, or with several hosts, host1:5432,host2:5432",
)

const ENCODED = encodedOr("PGPASSWORD")

/** Every node writes, so only the server that takes writes will do; `any` says that the URL does not ask for it. */
const TARGETS = ["read-write", "primary", "any"]

const PARAMETERS = [
  ...["schema", "options", "application_name", "host", "port", "user", "password", "target_session_attrs"],
  ...TLS_PARAMETERS,
]

/** A plus is a space, as it was for the driver. */
const decodeValue = (text: string) => decodePart(text.replaceAll("+", " "))

/** Whether a query is the rest of a password: has the @ that stands before a host, in a part that is no parameter. */
const isOfPassword = (query: string): boolean =>
  query.split("&").some((part) => part.includes("@") && !PARAMETERS.includes(part.split("=", 1)[0] ?? ""))

/** A password may have a percent sign that begins no code: it stands for itself, as it did for the driver. */
const decodeSecret = (text: string) => decodePart(text.replace(/%(?![0-9a-f]{2})/gi, "%25"))

/** Hosts and their ports, as two lists: one port is that of all hosts. */
const listed = (hosts: string, ports: string | undefined): string => {
  const each = ports?.split(",") ?? []
  return hosts
    .split(",")
    .map((host, i) => {
      const port = each.length === 1 ? each[0] : each[i]
      return port === undefined || port === "" ? host : `${host}:${port}`
    })
    .join()
}

const hostList = (text: string): Hosts | null => {
  const fallback = { host: process.env.PGHOST || "localhost", port: Number(process.env.PGPORT) || PORT }
  if (text === "") return [fallback]
  const socket = /^(%2f[^:]*|\/[^:]*)(?::(\d{1,5}))?$/i.exec(text)
  if (socket !== null) {
    const folder = decodePart(socket[1] ?? "")
    return folder === null ? null : [{ host: folder, port: Number(socket[2] ?? fallback.port) }]
  }
  return hostsOf(text, fallback.port)
}

/** Reads a URL and the files that it names, or says what it should have been; neither shows the password. */
export const parseDatabaseUrl = (text: string): DatabaseUrl | Expected => {
  const [, scheme = "", authority = "", path = "", query = "", fragment = ""] =
    /^(postgres(?:ql)?):\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?(#.*)?$/s.exec(text) ?? []
  if (scheme === "") return FORM
  // What stands before an @ is user and password, and neither the database nor what follows is likely to have one.
  if (`${path}${fragment}`.includes("@") || isOfPassword(query)) return ENCODED
  const parameters = parametersOf(query, decodeValue)
  if (parameters === null) return ENCODED
  const parts = splitAuthority(authority)
  const user = decodeSecret(parts.user)
  const password = decodeSecret(parts.password)
  const database = decodePart(path)
  if (user === null || password === null || database === null) return ENCODED
  const hosts = hostList(listed(parameters.get("host") || parts.hosts, parameters.get("port")))
  if (hosts === null) return FORM
  const target = parameters.get("target_session_attrs") ?? "any"
  if (!TARGETS.includes(target))
    return new Expected(
      `a URL with target_session_attrs=read-write, or without it: every node writes, and ${target} may not`,
    )
  const tls = postgresTls(parameters)
  if (tls instanceof Expected) return tls
  return {
    scheme,
    hosts,
    user: parameters.get("user") || user || undefined,
    password: parameters.get("password") || password || undefined,
    database: database || undefined,
    tls,
    schema: parameters.get("schema") || null,
    options: parameters.get("options"),
    applicationName: parameters.get("application_name"),
    unused: [...parameters.keys()].filter((name) => !PARAMETERS.includes(name)),
  }
}

/** The value of the setting: a URL that can be read, or `null` for none. */
export const databaseUrl = (text: string): string | null | Expected => {
  if (text === "") return null
  const url = parseDatabaseUrl(text)
  return url instanceof Expected ? url : text
}

/** A URL without user, password and parameters, for messages. */
export const shownDatabaseUrl = ({ scheme, hosts, database }: DatabaseUrl): string =>
  `${scheme}://${hosts.map(shownHost).join()}/${database ?? ""}`
