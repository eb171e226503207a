/** Access for real: two nodes over the same stores, and what each lets in. */
import { randomUUID } from "node:crypto"
import { describe, expect, test } from "vitest"
import { MAX_ATTEMPTS_AT_ACCOUNT, MAX_ATTEMPTS_OF_ADDRESS } from "../../src/access/attempts.ts"
import { isPassword } from "../../src/access/passwords.ts"
import { MAX_GOALS } from "../../src/goals/goals.ts"
import { ENDPOINTS } from "../../src/server/access/needs.ts"
import { run } from "../support/effects.ts"
import { eventually } from "../support/index.ts"
import { runNode, settings } from "../support/node.ts"

const API = "/api/v1/analytics"
const ADMIN = "admin-token-of-the-test"
const NAME = "Ada@example.org"
const PASSWORD = "correct horse battery"

interface Said {
  readonly status: number
  readonly headers: Headers
  readonly body: { readonly data?: unknown; readonly code?: string; readonly error?: string }
}

const ask = async (
  base: string,
  method: string,
  path: string,
  headers: { readonly [name: string]: string } = {},
  body?: unknown,
): Promise<Said> => {
  const send = () =>
    fetch(`${base}${API}/${path}`, {
      method,
      headers: { ...headers, ...(body !== undefined && { "Content-Type": "application/json" }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
  let answer = await send()
  // A machine that is too busy for a question's answer in time is asked again.
  while (answer.status === 408) {
    await answer.text()
    answer = await send()
  }
  const text = await answer.text()
  return {
    status: answer.status,
    headers: answer.headers,
    body: text.startsWith("{") ? JSON.parse(text) : {},
  }
}

const bearer = (token: string) => ({ Authorization: `Bearer ${token}` })

const textIn = (data: unknown, name: string): string =>
  typeof data === "object" && data !== null ? String(Reflect.get(data, name)) : ""

/** Two nodes of one private deployment. */
const deployment = async (given: Parameters<typeof settings>[0] = {}) => {
  const config = await settings({ access: "private", adminToken: ADMIN, ...given })
  const [a, b] = [await runNode(config), await runNode({ ...config, roles: ["http"] })]
  const both = [a.base, b.base] as const
  const admin = bearer(ADMIN)
  const make = async (what: "users" | "keys" | "shares", body: object) => {
    const made = await ask(a.base, "POST", what, admin, body)
    expect(made.status, JSON.stringify(made.body)).toBe(200)
    return { id: textIn(made.body.data, "id"), token: textIn(made.body.data, "token") }
  }
  return { a, b, both, admin, make }
}

/** A ticket for the clicks on a page of a site, and the status that whoever has it is answered with. */
const ticketOf = async (base: string, site: string, headers: { readonly [name: string]: string }) => {
  const made = await ask(base, "POST", "heatmap/tickets", headers, { page_url: "https://cv.example/", site })
  expect(made.status, JSON.stringify(made.body)).toBe(200)
  const ticket = textIn(made.body.data, "ticket")
  return async () => (await ask(base, "POST", "heatmap/page", {}, { ticket })).status
}

const cookieOf = ({ headers }: Said): string => (headers.get("set-cookie") ?? "").split(";")[0] ?? ""

/** A dashboard's connection: what it has heard, and the code with which it was closed. */
const connect = (base: string, query: string, headers: { readonly [name: string]: string } = {}) => {
  const socket: WebSocket = Reflect.construct(WebSocket, [
    `${base.replace("http", "ws")}/ws/analytics${query}`,
    { headers },
  ])
  const state: { frames: Array<string>; closed: number | null } = { frames: [], closed: null }
  socket.onmessage = ({ data }) => {
    state.frames.push(String(data))
  }
  socket.onclose = ({ code }) => {
    state.closed = code
  }
  return { state, socket }
}

const isOpen = ({ state }: ReturnType<typeof connect>) =>
  eventually(() => expect(state.frames.join("")).toContain("initial_stats"))

describe("logging in", () => {
  test("gives a session that every node knows until it is ended, and no other page can use", async () => {
    const { a, b, both, make } = await deployment()
    await make("users", { name: NAME, password: PASSWORD, role: "viewer" })
    const forged = "maicivy_login=mas_forged"
    const login = await ask(a.base, "POST", "login", { Cookie: forged }, { name: NAME, password: PASSWORD })
    expect(login.status).toBe(200)
    const line = login.headers.get("set-cookie") ?? ""
    expect(line).toMatch(/^maicivy_login=mas_[\w-]{43}; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Strict$/)
    const cookie = { Cookie: cookieOf(login) }
    // A session is never one that the browser brought (fixation).
    expect(cookie.Cookie).not.toBe(forged)
    for (const base of both)
      await eventually(async () => expect((await ask(base, "GET", "stats", cookie)).status).toBe(200))
    expect((await ask(a.base, "GET", "stats", { Cookie: forged })).status).toBe(401)
    expect((await ask(a.base, "GET", "access", cookie)).body.data).toMatchObject({
      name: NAME.toLowerCase(),
      may: ["figures", "read"],
    })
    // What a browser sends by itself counts for pages of ours (CSRF), whatever CORS allows.
    const foreign = { ...cookie, Origin: "https://other.example" }
    expect((await ask(a.base, "GET", "stats", foreign)).status).toBe(401)
    expect((await ask(a.base, "POST", "query", foreign, { metrics: ["events"] })).status).toBe(401)
    expect((await ask(a.base, "POST", "query", cookie, { metrics: ["events"] })).status).toBe(401)
    const own = { ...cookie, Origin: a.base }
    expect((await ask(a.base, "POST", "query", own, { metrics: ["events"] })).status).toBe(200)
    expect((await ask(a.base, "POST", "logout", foreign, {})).status).toBe(403)
    expect((await ask(a.base, "POST", "login", { Origin: "https://other.example" }, {})).status).toBe(403)

    // Logging in again ends the session before; logging out everywhere ends those of other browsers, and their dashboards.
    const second = await ask(a.base, "POST", "login", own, { name: NAME, password: PASSWORD })
    expect((await ask(a.base, "GET", "stats", cookie)).status).toBe(401)
    const third = await ask(b.base, "POST", "login", {}, { name: NAME, password: PASSWORD })
    const dashboard = connect(b.base, "", { Cookie: cookieOf(third), Origin: b.base })
    await isOpen(dashboard)
    const refused = connect(b.base, "", { Cookie: cookieOf(third) })
    const evil = connect(b.base, "", { Cookie: cookieOf(third), Origin: "https://other.example" })
    for (const { state } of [refused, evil]) await eventually(() => expect(state.closed).toBe(1006))
    const last = { Cookie: cookieOf(second), Origin: a.base }
    await eventually(async () =>
      expect((await ask(a.base, "GET", "stats", { Cookie: last.Cookie })).status).toBe(200),
    )
    expect((await ask(a.base, "POST", "logout", last, { everywhere: true })).status).toBe(200)
    await eventually(() => expect(dashboard.state.closed).toBe(1008))
    expect((await ask(b.base, "GET", "stats", { Cookie: cookieOf(third) })).status).toBe(401)
  })

  test("tells a wrong name from a wrong password by nothing, and is limited on all nodes together", async () => {
    const { a, b, make } = await deployment({ trustedProxies: ["127.0.0.1"] })
    await make("users", { name: NAME, password: PASSWORD, role: "viewer" })
    const attempt = async (base: string, name: string, from: string, password = "wrong password") => {
      const { status, headers, body } = await ask(
        ...([base, "POST", "login", { "X-Forwarded-For": from }, { name, password }] as const),
      )
      return { status, body, cookie: headers.get("set-cookie") }
    }
    const known = await attempt(a.base, NAME, "192.0.2.1")
    expect(known).toMatchObject({ status: 401, body: { code: "WRONG_CREDENTIALS" }, cookie: null })
    expect(await attempt(a.base, "nobody", "192.0.2.1")).toEqual(known)
    // A name that there is not takes a hash, too.
    expect(await run(isPassword("anything", null))).toBe(false)
    // However the name is written.
    const spelled = [NAME, ` ${NAME}`, NAME.toUpperCase()]
    for (let i = 0; i < 9; i++)
      await attempt(i % 2 === 0 ? a.base : b.base, spelled[i % 3] ?? "", `192.0.2.${i + 2}`)
    for (const { base } of [a, b]) {
      const limited = await attempt(base, NAME, "192.0.2.99", PASSWORD)
      expect(limited).toMatchObject({ status: 429, body: { code: "TOO_MANY_ATTEMPTS" } })
    }
  })

  test("is not kept from others by an address that has tried too often", async () => {
    const { a, make } = await deployment({ trustedProxies: ["127.0.0.1"] })
    await make("users", { name: NAME, password: PASSWORD, role: "viewer" })
    const logIn = (from: string, name: string) =>
      ask(a.base, "POST", "login", { "X-Forwarded-For": from }, { name, password: PASSWORD })
    for (let i = 0; i < MAX_ATTEMPTS_OF_ADDRESS; i++) await logIn("192.0.2.1", `nobody-${i}`)
    for (let i = 0; i < MAX_ATTEMPTS_AT_ACCOUNT; i++)
      expect((await logIn("192.0.2.1", NAME)).status).toBe(429)
    expect((await logIn("192.0.2.2", NAME)).status).toBe(200)
  })

  test("begins with the first owner where everybody sees the figures, too", async () => {
    const node = await runNode(await settings({ access: "public" }))
    const owner = { name: NAME, password: PASSWORD }
    const token = await run(node.setupToken)
    expect((await ask(node.base, "POST", "setup", {}, { ...owner, token })).status).toBe(200)
    const login = await ask(node.base, "POST", "login", {}, owner)
    const session = { Cookie: cookieOf(login), Origin: node.base }
    expect((await ask(node.base, "GET", "access", session)).body.data).toMatchObject({
      ...{ access: "public", name: NAME.toLowerCase(), may: expect.arrayContaining(["admin"]) },
    })
    expect(await run(node.setupToken)).toBeNull()
  })

  test("begins with the first owner, whom the link of the start makes, once", async () => {
    const { a } = await deployment()
    const link = await run(a.setupToken)
    expect(link).toMatch(/^maf_/)
    const owner = { name: NAME, password: PASSWORD }
    expect((await ask(a.base, "POST", "setup", {}, { ...owner, token: "maf_wrong" })).status).toBe(401)
    expect((await ask(a.base, "POST", "setup", {}, { ...owner, token: link })).status).toBe(200)
    expect((await ask(a.base, "POST", "setup", {}, { ...owner, name: "eve", token: link })).status).toBe(401)
    expect(await run(a.setupToken)).toBeNull()
    const login = await ask(a.base, "POST", "login", {}, owner)
    const session = { Cookie: cookieOf(login), Origin: a.base }
    expect((await ask(a.base, "GET", "users", session)).body.data).toMatchObject([
      { name: NAME.toLowerCase(), role: "owner" },
    ])
    const { data } = (await ask(a.base, "GET", "users", session)).body
    const id = Array.isArray(data) ? textIn(data[0], "id") : ""
    expect((await ask(a.base, "DELETE", `users/${id}`, session)).body).toMatchObject({ code: "CONFLICT" })
    // Nor does the last owner become less. Whoever is another gets other rights at once, and other figures.
    const last = await ask(a.base, "PATCH", `users/${id}`, session, { role: "viewer" })
    expect(last.body).toMatchObject({ code: "CONFLICT" })
    const viewer = { name: "eve", password: PASSWORD }
    const eve = await ask(a.base, "POST", "users", session, { ...viewer, role: "viewer", sites: ["main"] })
    const eves = { Cookie: cookieOf(await ask(a.base, "POST", "login", {}, viewer)), Origin: a.base }
    const dashboard = connect(a.base, "", eves)
    await isOpen(dashboard)
    const shown = await ticketOf(a.base, "main", eves)
    expect(await shown()).toBe(200)
    const change = (body: object) =>
      ask(a.base, "PATCH", `users/${textIn(eve.body.data, "id")}`, session, body)
    expect((await change({ role: "editor", sites: ["blog"] })).status).toBe(200)
    await eventually(() => expect(dashboard.state.closed).toBe(1008))
    expect(await shown()).toBe(401)
    expect((await ask(a.base, "GET", "access", eves)).body.data).toMatchObject({
      ...{ name: "eve", login: "session", may: ["figures", "read", "write"], sites: ["blog"] },
    })
    expect((await ask(a.base, "PATCH", `users/${id}`, eves, { role: "viewer" })).status).toBe(403)
    // Another password ends their sessions. Who knows the password gives themselves another one, and stays logged in.
    expect((await change({ role: "editor", password: `${PASSWORD}!` })).status).toBe(200)
    expect((await ask(a.base, "GET", "stats", eves)).status).toBe(401)
    const own = (given: object, headers: { readonly [name: string]: string }) =>
      ask(a.base, "POST", "password", headers, { new_password: "another one", ...given })
    const others = await ask(a.base, "POST", "login", {}, owner)
    expect((await own({ password: "wrong password" }, session)).body).toMatchObject({
      code: "WRONG_CREDENTIALS",
    })
    expect((await own({ password: PASSWORD }, {})).body).toMatchObject({ code: "UNAUTHORIZED" })
    const foreign = { ...session, Origin: "https://other.example" }
    expect((await own({ password: PASSWORD }, foreign)).status).toBe(403)
    const changed = await own({ password: PASSWORD }, session)
    expect(changed.status).toBe(200)
    for (const before of [login, others])
      expect((await ask(a.base, "GET", "stats", { Cookie: cookieOf(before) })).status).toBe(401)
    session.Cookie = cookieOf(changed)
    expect((await ask(a.base, "GET", "stats", session)).status).toBe(200)
    // Who, and not whose: what was erased must not live on.
    const visitor = `visitors/${randomUUID()}`
    expect((await ask(a.base, "GET", visitor, session)).status).toBe(200)
    expect((await ask(a.base, "DELETE", visitor, session)).status).toBe(200)
    expect((await ask(a.base, "GET", "audit", session)).body.data).toMatchObject([
      { action: "erased", who: NAME.toLowerCase(), what: expect.stringMatching(/^a visitor, receipt /) },
      { action: "exported", who: NAME.toLowerCase(), what: "a visitor" },
      { action: "password changed", who: NAME.toLowerCase() },
      { action: "logged in", who: NAME.toLowerCase() },
      { action: "user changed", who: NAME.toLowerCase(), what: "eve, editor, another password" },
      { action: "user changed", what: "eve, editor" },
      { action: "logged in", who: "eve" },
      { action: "user added", who: NAME.toLowerCase(), what: "eve, viewer" },
      { action: "logged in" },
      { action: "first owner made", who: NAME.toLowerCase() },
      { action: "setup link made" },
    ])
  })
})

describe("a key", () => {
  test("opens what its scopes and sites say, on every node, until it is revoked", async () => {
    const { a, both, admin, make } = await deployment()
    const { id, token } = await make("keys", { name: "blog", scopes: ["read"], sites: ["blog"] })
    const key = bearer(token)
    const listed = async (base: string) => (await ask(base, "GET", "keys", admin)).body.data
    expect(await listed(a.base)).toMatchObject([{ name: "blog", last_used_at: null }])
    for (const base of both)
      await eventually(async () => expect((await ask(base, "GET", "stats", key)).status).toBe(200))
    // To the minute, and on every node the same.
    await eventually(async () => {
      const [here, there] = [await listed(both[0]), await listed(both[1])]
      expect(here).toMatchObject([{ last_used_at: expect.stringMatching(/:00\.000Z$/) }])
      expect(there).toEqual(here)
    })
    const [base] = both
    expect((await ask(base, "GET", "sites", key)).body.data).toEqual({
      ...{ sites: ["blog"], default: "blog", time_zone: "UTC", retention_days: 90, script: "/hello.js" },
      details: [
        {
          slug: "blog",
          name: "blog",
          hosts: [],
          ...{ other_hosts: "count", only_hosts: false },
          time_zone: null,
          retention_days: null,
          archived: false,
        },
      ],
    })
    // Nothing of another site, whatever is asked.
    const reads = Object.entries(ENDPOINTS).filter(
      ([path, row]) => path.startsWith(API) && (row.GET === "figures" || row.GET === "read"),
    )
    for (const [path] of reads) {
      const name = path.slice(API.length + 1)
      const query = name.startsWith("query") ? "?metrics=events&date_range=day" : "?"
      expect((await ask(base, "GET", `${name}${query}&site=blog`, key)).status, path).toBe(200)
      expect((await ask(base, "GET", `${name}${query}&site=main`, key)).status, path).toBe(400)
    }
    const both2 = await ask(base, "POST", "query", key, { sites: ["blog", "main"], metrics: ["events"] })
    expect(both2.body).toMatchObject({ code: "INVALID_QUERY" })
    expect((await ask(base, "GET", "keys", key)).status).toBe(403)
    expect((await ask(base, "GET", "visitors/3f0d9a52-7a3c-4c58-9b1e-0a4e6d1f2b3c", key)).status).toBe(403)

    const dashboards = both.map((each) => connect(each, "", key))
    for (const dashboard of dashboards) await isOpen(dashboard)
    const [dashboard] = dashboards
    dashboard?.socket.send(JSON.stringify({ type: "subscribe", topics: ["events"], site: "main" }))
    const question = { sites: ["main"], metrics: ["events"] }
    dashboard?.socket.send(JSON.stringify({ type: "subscribe", topics: ["query"], queries: { q: question } }))
    await eventually(() => expect(dashboard?.state.frames.join("")).toContain("UNKNOWN_SITE"))
    await eventually(() => expect(dashboard?.state.frames.join("")).toContain("INVALID_QUERY"))

    const shown = await ticketOf(base, "blog", key)
    expect(await shown()).toBe(200)

    expect((await ask(a.base, "DELETE", `keys/${id}`, admin)).status).toBe(200)
    await eventually(async () => expect(await shown()).toBe(401))
    for (const { state } of dashboards) await eventually(() => expect(state.closed).toBe(1008))
    for (const each of both) expect((await ask(each, "GET", "stats", key)).status).toBe(401)
    expect((await ask(a.base, "DELETE", `keys/${id}`, admin)).status).toBe(404)
  })

  test("names visitors of its sites only, where everybody may look", async () => {
    const { a, make } = await deployment({ access: "public" })
    const { token } = await make("keys", { name: "blog", scopes: ["read"], sites: ["blog"] })
    const visitor_id = randomUUID()
    for (const site of ["main", "blog"])
      await ask(a.base, "POST", "event", {}, { event_type: "page_view", visitor_id, site })
    const visitorIn = (site: string) =>
      eventually(async () => {
        const { data } = (await ask(a.base, "GET", `timeline?site=${site}`, bearer(token))).body
        expect(data).toHaveLength(1)
        return Array.isArray(data) ? textIn(data[0], "visitor_id") : ""
      })
    expect(await visitorIn("blog")).toBe(visitor_id)
    expect(await visitorIn("main")).not.toBe(visitor_id)
  })

  test("lets nobody in further than who makes it may go", async () => {
    const { a, admin } = await deployment()
    for (const [what, body] of [
      ["keys", { name: "x", scopes: ["admin"], sites: ["blog"] }],
      ["keys", { name: "x", scopes: ["read"], sites: ["nowhere"] }],
      ["keys", { name: "x", scopes: ["metrics"] }],
      ["users", { name: "x", password: PASSWORD, role: "owner", sites: ["blog"] }],
      ["users", { name: "x", password: "short", role: "viewer" }],
      ["shares", { name: "x", site: "nowhere" }],
    ] as const)
      expect((await ask(a.base, "POST", what, admin, body)).body, JSON.stringify(body)).toMatchObject({
        code: "INVALID_FIELD",
      })
  })
})

describe("a share link", () => {
  test("shows the figures of its site and no visitor, and is embedded where its owner allows", async () => {
    const { a, admin, make } = await deployment()
    const embedded = { name: "all", site: "blog", embed_on: ["https://blog.example"] }
    const { id, token } = await make("shares", embedded)
    const link = bearer(token)
    expect((await ask(a.base, "GET", "stats", link)).status).toBe(200)
    expect((await ask(a.base, "GET", "stats?site=main", link)).status).toBe(400)
    expect((await ask(a.base, "GET", "export/visitors", link)).status).toBe(403)
    await isOpen(connect(a.base, `?share=${token}`))
    const frameable = await fetch(`${a.base}/?share=${token}`)
    expect(frameable.headers.get("content-security-policy")).toMatch(
      /frame-ancestors https:\/\/blog\.example$/,
    )
    expect(frameable.headers.has("x-frame-options")).toBe(false)
    for (const path of ["/", "/?share=mav_wrong", `/login?share=${token}`, `/settings/keys?share=${token}`]) {
      const page = await fetch(`${a.base}${path}`)
      expect(page.headers.get("content-security-policy"), path).toMatch(/frame-ancestors 'none'$/)
      expect(page.headers.get("x-frame-options"), path).toBe("DENY")
    }
    const shown = await ticketOf(a.base, "blog", link)
    expect(await shown()).toBe(200)
    expect((await ask(a.base, "DELETE", `shares/${id}`, admin)).status).toBe(200)
    expect(await shown()).toBe(401)
  })

  test("with a password opens by it, and by nothing after its end", async () => {
    let clock = Date.now()
    const config = await settings({ access: "private", adminToken: ADMIN })
    const node = await runNode(config, () => clock)
    const made = await ask(node.base, "POST", "shares", bearer(ADMIN), {
      ...{ name: "closed", site: "main", password: PASSWORD },
      expires_at: new Date(clock + 3_600_000).toISOString(),
    })
    const token = textIn(made.body.data, "token")
    expect((await ask(node.base, "GET", "stats", bearer(token))).status).toBe(401)
    const open = (password: string) => ask(node.base, "POST", "share", {}, { token, password })
    expect((await open("wrong password")).status).toBe(401)
    const opened = textIn((await open(PASSWORD)).body.data, "token")
    expect((await ask(node.base, "GET", "stats", bearer(opened))).status).toBe(200)
    const forged = opened.replace(/\.\d+\./, `.${clock + 1_000_000_000}.`)
    expect((await ask(node.base, "GET", "stats", bearer(forged))).status).toBe(401)
    clock += 3_600_001
    expect((await ask(node.base, "GET", "stats", bearer(opened))).status).toBe(401)
  })
})

test("a proxy that is trusted names whom it has authenticated, and nobody else does", async () => {
  const given = { authProxyHeader: "x-forwarded-user", trustedProxies: ["127.0.0.1"] }
  const trusting = await deployment(given)
  await trusting.make("users", { name: "boss", password: PASSWORD, role: "owner" })
  const as = (name: string, more = {}) => ({ "X-Forwarded-User": name, ...more })
  expect((await ask(trusting.a.base, "GET", "stats", as("guest"))).status).toBe(200)
  expect((await ask(trusting.a.base, "GET", "users", as("guest"))).status).toBe(403)
  expect((await ask(trusting.a.base, "GET", "users", as("boss"))).status).toBe(200)
  // A ticket shows what its maker sees, for as long as that is so.
  const ada = await trusting.make("users", {
    ...{ name: "ada", password: PASSWORD, role: "viewer", sites: ["main", "blog"] },
  })
  const adas = as("ada", { Origin: trusting.a.base })
  const [main, blog, byAdmin] = [
    await ticketOf(trusting.a.base, "main", adas),
    await ticketOf(trusting.a.base, "blog", adas),
    await ticketOf(trusting.a.base, "blog", trusting.admin),
  ]
  const shown = () => Promise.all([main(), blog(), byAdmin()])
  expect(await shown()).toEqual([200, 200, 200])
  const narrowed = { role: "viewer", sites: ["main"] }
  await ask(trusting.a.base, "PATCH", `users/${ada.id}`, trusting.admin, narrowed)
  expect(await shown()).toEqual([200, 401, 200])
  // The proxy's own session is one that browsers send by themselves, too.
  const foreign = as("boss", { Origin: "https://other.example" })
  expect((await ask(trusting.a.base, "POST", "users", foreign, {})).status).toBe(401)
  const others = await runNode(
    await settings({ access: "private", adminToken: ADMIN, ...given, trustedProxies: ["192.0.2.1"] }),
  )
  expect((await ask(others.base, "GET", "stats", as("guest"))).status).toBe(401)
})

describe("a goal", () => {
  test("is made by whoever may change the site, and asked for by all who see it, on every node", async () => {
    const { a, b, both, admin, make } = await deployment()
    const scoped = async (scopes: ReadonlyArray<string>, sites: ReadonlyArray<string>) =>
      bearer((await make("keys", { name: "a key", scopes, sites })).token)
    const [reader, writer, other] = [
      await scoped(["read"], ["blog"]),
      await scoped(["read", "write"], ["blog"]),
      await scoped(["read", "write"], ["main"]),
    ]
    for (const base of both)
      await eventually(async () => expect((await ask(base, "GET", "stats", other)).status).toBe(200))

    const goal = { site: "blog", name: " Wrote ", filters: [["is", "event", ["letter_generate"]]] }
    expect((await ask(a.base, "POST", "goals", reader, goal)).status).toBe(403)
    expect((await ask(a.base, "POST", "goals", other, goal)).body).toMatchObject({ code: "INVALID_FIELD" })
    const made = await ask(a.base, "POST", "goals", writer, goal)
    expect(made.status, JSON.stringify(made.body)).toBe(200)
    const id = textIn(made.body.data, "id")
    expect((await ask(b.base, "POST", "goals", writer, { ...goal, name: "Wrote" })).status).toBe(409)
    for (const filters of [[], [["is", "pages", ["/"]]], [["is", "goal", ["Wrote"]]]])
      expect((await ask(a.base, "POST", "goals", writer, { ...goal, filters })).body).toMatchObject({
        code: "INVALID_FIELD",
      })
    expect((await ask(b.base, "GET", "goals", reader)).body.data).toEqual([
      {
        ...{ id: Number(id), site: "blog", name: "Wrote", created_at: expect.stringMatching(/Z$/) },
        filters: [["is", "event", ["letter_generate"], { case_sensitive: true }]],
      },
    ])

    // Two saw /cv, one of them wrote: elsewhere, twice, in the same visit.
    const [writing, reading] = [randomUUID(), randomUUID()]
    for (const [visitor_id, event_type, page_url] of [
      [reading, "page_view", "/cv"],
      [writing, "page_view", "/cv"],
      [writing, "letter_generate", "/letters"],
      [writing, "letter_generate", "/letters"],
    ])
      await ask(a.base, "POST", "event", {}, { visitor_id, event_type, page_url, site: "blog" })
    const count = async (base: string, ...filters: ReadonlyArray<unknown>) => {
      const question = { metrics: ["visitors", "events"], date_range: "7d", filters }
      const { data } = (await ask(base, "POST", "query", reader, question)).body
      return Object(data).results?.[0]?.metrics
    }
    const wrote = ["is", "goal", ["Wrote"]]
    const cv = ["is", "page", ["/cv"]]
    for (const base of both) {
      await eventually(async () => expect(await count(base)).toEqual([2, 4]))
      expect(await count(base, wrote)).toEqual([1, 2])
      expect(await count(base, cv, wrote)).toEqual([0, 0])
      expect(await count(base, cv, ["has_done", wrote])).toEqual([1, 1])
    }
    const steps = { steps: [cv, wrote], date_range: "7d" }
    expect((await ask(b.base, "POST", "query/funnel", reader, steps)).body.data).toMatchObject({
      steps: [{ visitors: 2 }, { visitors: 1 }],
    })

    // Another name and other filters, for whoever asks by them.
    const renamed = { name: "Read", filters: [["is", "page", ["/cv"]]] }
    const change = (key: typeof reader, body: object = renamed) =>
      ask(b.base, "PATCH", `goals/${id}`, key, body)
    expect((await change(reader)).status).toBe(403)
    expect((await change(other)).status).toBe(404)
    const second = await ask(a.base, "POST", "goals", writer, { ...goal, name: "Second" })
    expect((await change(writer, { ...renamed, name: "Second" })).status).toBe(409)
    expect((await change(writer, { ...renamed, filters: [] })).body).toMatchObject({ code: "INVALID_FIELD" })
    expect((await change(writer)).status).toBe(200)
    expect(await count(a.base, ["is", "goal", ["Read"]])).toEqual([2, 2])
    expect((await ask(b.base, "DELETE", `goals/${textIn(second.body.data, "id")}`, writer)).status).toBe(200)
    expect((await change(writer, goal)).status).toBe(200)

    expect((await ask(b.base, "DELETE", `goals/${id}`, reader)).status).toBe(403)
    expect((await ask(b.base, "DELETE", `goals/${id}`, other)).status).toBe(404)
    expect((await ask(b.base, "DELETE", `goals/${id}`, writer)).status).toBe(200)
    const gone = await ask(a.base, "POST", "query", reader, { metrics: ["visitors"], filters: [wrote] })
    expect(gone.body).toMatchObject({ code: "INVALID_QUERY", error: expect.stringContaining('"Wrote"') })
    expect((await ask(a.base, "GET", "audit?limit=6", admin)).body.data).toMatchObject([
      { who: "a key", action: "goal removed", what: `${id}, blog, Wrote` },
      { who: "a key", action: "goal changed", what: `${id}, blog, Wrote` },
      { action: "goal removed" },
      { who: "a key", action: "goal changed", what: `${id}, blog, Read` },
      { action: "goal made" },
      { who: "a key", action: "goal made", what: `${id}, blog, Wrote` },
    ])

    // As many as there may be, however many come at once.
    const many = await Promise.all(
      Array.from({ length: MAX_GOALS + 5 }, (_, i) =>
        ask(both[i % 2 === 0 ? 0 : 1], "POST", "goals", writer, { ...goal, name: `Goal ${i}` }),
      ),
    )
    expect(many.filter(({ status }) => status === 200)).toHaveLength(MAX_GOALS)
    expect(many.filter(({ status }) => status === 409)).toHaveLength(5)
  })
})
