/** What a server lets be seen with each kind of token: by HTTP, in questions and on the WebSocket. */
import { afterEach, describe, expect, test } from "vitest"
import type { Known, KnownToken } from "../../../src/access/known.ts"
import { digestOf } from "../../../src/access/tokens.ts"
import type { SiteRow } from "../../../src/sites/index.ts"
import { eventually } from "../../support/index.ts"
import { ADMIN_TOKEN, API, post, type Running, serve, WRITE_KEY } from "../../support/server.ts"

const SITES = ["main", "blog", "shop"] as const
const KEY = "mak_of_two"
const LINK = "mav_of_one"
const SCRAPER = "metrics-token-0123456789"

const token = (more: Partial<KnownToken>): KnownToken => ({
  ...{ id: 1, digest: digestOf(KEY), kind: "key", name: "two", scopes: ["read"], sites: ["blog", "shop"] },
  ...{ expiresAt: null, unlockKey: null, embedOn: [] },
  ...more,
})
const KNOWN: Known = {
  version: 1,
  tokens: [
    token({}),
    token({ id: 2, digest: digestOf(LINK), kind: "share", scopes: ["figures"], sites: ["blog"] }),
  ],
  users: [],
}

const bearer = (given: string) => ({ Authorization: `Bearer ${given}` })

const open: Array<WebSocket> = []
afterEach(() => {
  for (const socket of open.splice(0)) socket.close()
})

/** A dashboard that has been told the first figures. */
const connect = async ({ server }: Running, query: string, headers = {}) => {
  const socket: WebSocket = Reflect.construct(WebSocket, [
    `ws://127.0.0.1:${server.port}/ws/analytics${query}`,
    { headers },
  ])
  open.push(socket)
  const state: { first: string | null; closed: number | null } = { first: null, closed: null }
  socket.onmessage = ({ data }) => {
    state.first ??= String(data)
  }
  socket.onclose = ({ code }) => {
    state.closed = code
  }
  await eventually(() => expect(state.first).toContain('"initial_stats"'))
  return state
}

const siteRow = (slug: string): SiteRow => ({
  ...{ slug, name: null, hosts: [], otherHosts: "count", archived: false, added: true },
  ...{ timeZone: null, retentionDays: null, excludedPaths: [], excludedAddresses: [] },
})

describe("all sites", () => {
  test("are those that are open to who asks, whatever is asked", async () => {
    await using running = await serve({ sites: SITES, access: "private", adminToken: ADMIN_TOKEN })
    running.server.learn(KNOWN)
    const sitesOf = async (given: string, all: string) => {
      const { asked } = running.world
      asked.length = 0
      await (await fetch(`${running.url}${API}/stats?site=${all}`, { headers: bearer(given) })).text()
      const question = { metrics: ["events"], date_range: "day", sites: [all] }
      const answer = await post(`${running.url}${API}/query`, question, bearer(given))
      const { data } = JSON.parse(await answer.text())
      const dashboard = await connect(running, `?site=${all}`, bearer(given))
      const heard: unknown = JSON.parse(dashboard.first ?? "").site
      return { asked: new Set(asked.flatMap((each) => ("sites" in each ? each.sites : []))), data, heard }
    }
    for (const all of ["all", "all,blog"])
      expect(await sitesOf(KEY, all)).toMatchObject({
        ...{ asked: new Set(["blog", "shop"]), data: { query: { sites: ["blog", "shop"] } } },
        heard: "blog,shop",
      })
    expect(await sitesOf(LINK, "all")).toMatchObject({
      ...{ asked: new Set(["blog"]), data: { query: { sites: ["blog"] } }, heard: "blog" },
    })
    expect(await sitesOf(ADMIN_TOKEN, "all")).toMatchObject({ heard: "blog,main,shop" })
  })

  test("are watched anew when they are others", async () => {
    await using running = await serve({ sites: SITES })
    const [all, some] = [await connect(running, "?site=all"), await connect(running, "?site=main,blog")]
    running.server.learnSites([siteRow("docs")])
    await eventually(() => expect(all.closed).toBe(1001))
    expect((await connect(running, "?site=all")).first).toContain('"site":"blog,docs,main,shop"')
    expect(some.closed).toBeNull()
  })
})

test("a key that is used by a connection only is in use for as long as that is open", async () => {
  let now = 60_000
  await using running = await serve({ access: "private" }, { now: () => now })
  const known = { ...KNOWN, tokens: [token({ sites: null })] }
  running.server.learn(known)
  await connect(running, "", bearer(KEY))
  await eventually(() => expect(running.world.used).toEqual([[1, 60_000]]))
  now += 61_000
  running.server.learn(known)
  await eventually(() =>
    expect(running.world.used).toEqual([
      [1, 60_000],
      [1, 120_000],
    ]),
  )
})

test("what somebody's own sites are, by what is granted of them", async () => {
  const given = { sites: SITES, adminToken: ADMIN_TOKEN, metricsToken: SCRAPER, writeKeys: [WRITE_KEY] }
  const own = async ({ url, server }: Running) => {
    server.learn(KNOWN)
    const of: { [name: string]: unknown } = {}
    for (const [name, headers] of Object.entries({
      ...{ nobody: {}, admin: bearer(ADMIN_TOKEN), scraper: bearer(SCRAPER), writer: bearer(WRITE_KEY) },
      ...{ key: bearer(KEY), link: bearer(LINK) },
    }))
      of[name] = JSON.parse(await (await fetch(`${url}${API}/access`, { headers })).text()).data.own
    return of
  }
  const nobodys = { nobody: [], scraper: [], writer: [] }
  await using open = await serve({ ...given, access: "public" })
  expect(await own(open)).toEqual({ ...nobodys, admin: SITES, key: ["blog", "shop"], link: [] })
  await using closed = await serve({ ...given, access: "private" })
  expect(await own(closed)).toEqual({ ...nobodys, admin: SITES, key: ["blog", "shop"], link: ["blog"] })
})

test("a node is exposed that listens to others, and of which nobody has said who may see it", async () => {
  const exposed = async (config: Parameters<typeof serve>[0]) => {
    await using running = await serve(config)
    return JSON.parse(await (await fetch(`${running.url}${API}/access`)).text()).data.exposed
  }
  expect(await exposed({})).toBe(false)
  expect(await exposed({ host: "0.0.0.0" })).toBe(true)
  for (const access of ["public", "private"] as const)
    expect(await exposed({ host: "0.0.0.0", access })).toBe(false)
})
