/** The cookie of a session. It goes with requests of this server's own pages only, and no script sees it. */
import { SESSION_DAYS } from "../../access/accounts.ts"

const NAME = "maicivy_login"
const IN_COOKIES = new RegExp(`(?:^|;)\\s*${NAME}=([\\w-]+)`)
/** Seconds: as long as a session lasts. */
const MAX_AGE_S = SESSION_DAYS * 86_400

/** The token in a `Cookie` field; `null` if there is none. */
export const sessionIn = (cookie: string): string | null =>
  cookie.includes(NAME) ? (IN_COOKIES.exec(cookie)?.[1] ?? null) : null

/** The line that gives a browser a session, or with `null` takes it away. `path`: where the server answers. */
export const sessionLine = (token: string | null, path: string, secure: boolean): string =>
  `Set-Cookie: ${NAME}=${token ?? ""}; Path=${path || "/"}; Max-Age=${token === null ? 0 : MAX_AGE_S}; HttpOnly; SameSite=Strict${secure ? "; Secure" : ""}\r\n`
