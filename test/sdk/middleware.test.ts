import { once } from "node:events"
import { createServer, request } from "node:http"
import express from "express"
import fastify from "fastify"
import { describe, expect, onTestFinished, test } from "vitest"
import { UUID } from "../../src/domain/limits.ts"
import { VISITOR_COOKIE } from "../../src/domain/visitor.ts"
import { type EventFields, type PageViewsOptions, pageViews, visitorOf } from "../../src/sdk/index.ts"
import { eventually } from "../support/index.ts"
import { listen, urlOf } from "../support/listen.ts"

interface Tracked extends EventFields {
  readonly type: string
  readonly data: Readonly<Record<string, unknown>> | undefined
}

/** A client that only keeps what it is given. */
const recorder = () => {
  const tracked: Array<Tracked> = []
  const track = (type: string, data?: Readonly<Record<string, unknown>>, fields: EventFields = {}) => {
    tracked.push({ type, data, ...fields })
    return ""
  }
  return { tracked, track }
}

type Recorder = ReturnType<typeof recorder>

const HTML = "<!doctype html><title>CV</title>"

/** The same small site on every kind of server: pages, an API, a file, a redirect, a fault. */
type Site = (client: Recorder, options?: PageViewsOptions, trusting?: boolean) => Promise<string>

const SITES: { readonly [name: string]: Site } = {
  express: async (client, options, trusting = false) => {
    const app = express().set("trust proxy", trusting)
    app.use(pageViews(client, options))
    const pages = express.Router()
    pages.get("/cv", (incoming, outgoing) => {
      outgoing.cookie("own", "1").set("X-Visitor", visitorOf(incoming)).send(HTML)
    })
    app.use("/fr", pages)
    app.use(pages)
    app.get("/api/data", (_, outgoing) => void outgoing.json({}))
    app.get("/data", (_, outgoing) => void outgoing.json({}))
    app.get("/photo.png", (_, outgoing) => void outgoing.type("html").send(HTML))
    app.get("/old", (_, outgoing) => outgoing.redirect("/cv"))
    return listen(createServer(app))
  },
  fastify: async (client, options, trusting = false) => {
    const app = fastify({ trustProxy: trusting })
    const track = pageViews(client, options)
    app.addHook("onRequest", (incoming, reply, done) => track(incoming, reply.raw, done))
    for (const path of ["/cv", "/fr/cv"])
      app.get(path, async (incoming, reply) => {
        reply.header("X-Visitor", visitorOf(incoming)).type("text/html")
        return HTML
      })
    app.get("/api/data", async () => ({}))
    app.get("/data", async () => ({}))
    app.get("/photo.png", async (_, reply) => reply.type("text/html").send(HTML))
    app.get("/old", async (_, reply) => reply.redirect("/cv"))
    await app.listen({ host: "127.0.0.1", port: 0 })
    onTestFinished(() => app.close())
    return urlOf(app.server)
  },
  "node:http": async (client, options, trusting = false) => {
    const track = pageViews(client, { ...options, trustProxy: trusting })
    return listen(
      createServer((incoming, outgoing) => {
        track(incoming, outgoing)
        const { pathname } = new URL(incoming.url ?? "/", "http://localhost")
        if (pathname === "/old") return outgoing.writeHead(302, { Location: "/cv" }).end()
        if (pathname === "/data" || pathname === "/api/data")
          return outgoing.writeHead(200, { "Content-Type": "application/json" }).end("{}")
        if (!/^(\/fr)?\/cv$|photo/.test(pathname))
          return outgoing.writeHead(404, { "Content-Type": "text/html" }).end(HTML)
        const visitor = visitorOf(incoming)
        outgoing.writeHead(200, {
          "Content-Type": "text/html; charset=utf-8",
          ...(visitor !== undefined && { "X-Visitor": visitor }),
        })
        outgoing.end(HTML)
      }),
    )
  },
}

const get = (url: string, headers: Record<string, string> = {}) => fetch(url, { headers, redirect: "manual" })

const session = (response: Response): string | undefined =>
  response.headers.getSetCookie().find((cookie) => cookie.startsWith(`${VISITOR_COOKIE}=`))

describe.each(Object.entries(SITES))("page views on %s", (_name, site) => {
  test("are tracked with their visitor, who gets a cookie and keeps it", async () => {
    const client = recorder()
    const url = await site(client)
    const first = await get(`${url}/cv?from=mail`, { Referer: "https://search.example/" })
    expect(await first.text()).toBe(HTML)
    const [, visitor = ""] = /^maicivy_session=([^;]+); /.exec(session(first) ?? "") ?? []
    expect(visitor).toMatch(UUID)
    expect(session(first)).toBe(
      `maicivy_session=${visitor}; Path=/; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax`,
    )
    expect(first.headers.get("X-Visitor")).toBe(visitor)
    const second = await get(`${url}/fr/cv`, { Cookie: `a=b; maicivy_session=${visitor}` })
    expect(session(second)).toBeUndefined()
    await eventually(() =>
      expect(client.tracked).toMatchObject([
        {
          type: "page_view",
          visitorId: visitor,
          pageUrl: `${url}/cv?from=mail`,
          referrer: "https://search.example/",
        },
        { type: "page_view", visitorId: visitor, pageUrl: `${url}/fr/cv` },
      ]),
    )
  })

  test("know a visitor for the day without a cookie, when told to set none", async () => {
    const client = recorder()
    const url = await site(client, { cookie: false })
    const answers = [
      await get(`${url}/cv`),
      await get(`${url}/fr/cv`),
      await get(`${url}/cv`, { "User-Agent": "another" }),
    ]
    expect(answers.map(session)).toEqual([undefined, undefined, undefined])
    await eventually(() => expect(client.tracked).toHaveLength(3))
    const [first, again, other] = client.tracked.map(({ visitorId }) => visitorId)
    expect(first).toMatch(UUID)
    expect(answers[0]?.headers.get("X-Visitor")).toBe(first)
    expect(again).toBe(first)
    expect(other).not.toBe(first)
    // Whoever has agreed to the site's own cookie is known by it.
    const visitor = "7d2f6c1e-2a55-4c4b-8a0d-6f6f0f7c1f11"
    expect((await get(`${url}/cv`, { Cookie: `maicivy_session=${visitor}` })).headers.get("X-Visitor")).toBe(
      visitor,
    )
  })

  test("turn a theme in the query into a theme change", async () => {
    const client = recorder()
    const url = await site(client, {
      origin: "https://cv.example",
      cookieDomain: "cv.example",
      cookieSecure: false,
    })
    const response = await get(`${url}/cv?theme=dark`)
    expect(session(response)).toMatch(
      /; Path=\/; Max-Age=2592000; Domain=cv\.example; HttpOnly; SameSite=Lax$/,
    )
    await eventually(() =>
      expect(client.tracked).toMatchObject([
        { type: "page_view", pageUrl: "https://cv.example/cv?theme=dark" },
        { type: "cv_theme_change", data: { theme: "dark" } },
      ]),
    )
    expect(new Set(client.tracked.map(({ visitorId }) => visitorId)).size).toBe(1)
  })

  test("name a page as its visitor does, if the proxy is trusted, and believe none unasked", async () => {
    const client = recorder()
    const [wary = "", trusting = ""] = [await site(client), await site(client, {}, true)]
    const told = { "X-Forwarded-Proto": "https", "X-Forwarded-Host": "cv.example:8443" }
    await get(`${wary}/cv`, { ...told, Forwarded: "proto=https;host=cv.example" })
    await get(`${trusting}/cv`, told)
    await get(`${trusting}/cv`)
    await eventually(() =>
      expect(client.tracked.map(({ pageUrl }) => pageUrl)).toEqual([
        `${wary}/cv`,
        "https://cv.example:8443/cv",
        `${trusting}/cv`,
      ]),
    )
  })

  test("are not APIs, files, redirects, faults, prefetches, other methods, nor of those who do not want it", async () => {
    const client = recorder()
    const url = await site(client)
    for (const path of ["/api/data", "/data", "/photo.png", "/old", "/none", "/ws/none", "/health"])
      await (await get(url + path)).text()
    await fetch(`${url}/cv`, { method: "HEAD" })
    await fetch(`${url}/cv`, { method: "POST" })
    for (const header of ["DNT", "Sec-GPC"]) {
      const response = await get(`${url}/cv`, { [header]: "1" })
      expect(session(response)).toBeUndefined()
    }
    expect(session(await get(`${url}/cv`, { "Sec-Purpose": "prefetch;prerender" }))).toBeUndefined()
    await get(`${url}/cv?last`)
    await eventually(() => expect(client.tracked).toHaveLength(1))
    expect(client.tracked[0]?.pageUrl).toBe(`${url}/cv?last`)
  })

  test("skip the paths that they are told to, in place of the usual ones", async () => {
    const client = recorder()
    const url = await site(client, { skip: ["/fr", /secret/] })
    for (const path of ["/fr/cv", "/cv?secret", "/photo.png"]) await get(url + path)
    await eventually(() =>
      expect(client.tracked.map(({ pageUrl }) => pageUrl)).toEqual([`${url}/cv?secret`, `${url}/photo.png`]),
    )
  })
})

describe("page views", () => {
  test("do not delay the answer, nor break it when tracking does", async () => {
    const broken = {
      track: () => {
        throw new Error("broken")
      },
    }
    const track = pageViews(broken)
    const url = await listen(
      createServer((incoming, outgoing) => {
        let passedOn = 0
        track(incoming, outgoing, () => passedOn++)
        outgoing.setHeader("Content-Type", "text/html")
        outgoing.end(String(passedOn))
      }),
    )
    expect(await (await get(`${url}/cv`)).text()).toBe("1")
    expect(await (await get(`${url}/cv`)).text()).toBe("1")
  })

  test("read Forwarded where that is what the proxy sends", async () => {
    const client = recorder()
    const url = await SITES["node:http"]?.(client, {}, true)
    await get(`${url}/cv`, {
      Forwarded: 'for=192.0.2.1;proto=https;host="cv.example:8443", for=10.0.0.1;proto=http',
    })
    await eventually(() => expect(client.tracked[0]?.pageUrl).toBe("https://cv.example:8443/cv"))
  })

  test("pass on a request whose host or target is nonsense", async () => {
    const client = recorder()
    const track = pageViews(client)
    const url = await listen(
      createServer((incoming, outgoing) => track(incoming, outgoing, () => void outgoing.end("passed"))),
    )
    for (const [path, host] of [
      ["/cv", "a b c"],
      ["//[", "cv.example"],
    ]) {
      const sent = request(url, { path: path ?? "", headers: { Host: host ?? "" } })
      sent.end()
      const [answer] = await once(sent, "response")
      expect(answer.statusCode).toBe(200)
      answer.resume()
    }
    expect(client.tracked).toEqual([])
  })

  test("leave the error of a handler to the server", () => {
    const track = pageViews(recorder())
    const incoming = { method: "GET", url: "/cv", headers: { host: "cv.example" } }
    const outgoing = {
      ...{ statusCode: 200, headersSent: false, getHeader: () => undefined, once: () => undefined },
      ...{ setHeader: () => undefined, removeHeader: () => undefined, appendHeader: () => undefined },
    }
    expect(() =>
      track(incoming, outgoing, () => {
        throw new Error("the handler's")
      }),
    ).toThrow("the handler's")
  })

  test("ignore a session cookie that is no UUID", async () => {
    const client = recorder()
    const url = await SITES["node:http"]?.(client)
    const response = await get(`${url}/cv`, { Cookie: "maicivy_session=someone" })
    expect(session(response)).toBeDefined()
    await eventually(() => expect(client.tracked[0]?.visitorId).toMatch(UUID))
  })
})
