import { once } from "node:events"
import { createServer, request, type ServerResponse } from "node:http"
import { connect } from "node:http2"
import { createRequire } from "node:module"
import { type Http2Bindings, type HttpBindings, serve } from "@hono/node-server"
import express from "express"
import fastify from "fastify"
import { Hono } from "hono"
import Koa from "koa"
import { describe, expect, onTestFinished, test, vi } from "vitest"
import { UUID } from "../../src/domain/limits.ts"
import { VISITOR_COOKIE } from "../../src/domain/visitor.ts"
import {
  type EventFields,
  fetchPageViews,
  type PageViewsOptions,
  pageViews,
  visitorOf,
} from "../../src/sdk/index.ts"
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

/** Its API is the same, as far as it is used. */
const express4: typeof express = createRequire(import.meta.url)("express4")

const HTML = "<!doctype html><title>CV</title>"

/** Serves a fetch handler; `env` is what its platform tells beside the request. */
const served = async (
  handler: (request: Request, env: HttpBindings | Http2Bindings) => Response | Promise<Response>,
): Promise<string> => {
  const server = serve({ fetch: handler, hostname: "127.0.0.1", port: 0 })
  if (!server.listening) await once(server, "listening")
  onTestFinished(() => void server.close())

  return urlOf(server)
}

/** The same small site on every kind of server: pages, an API, a file, a redirect, a fault. */
type Site = (client: Recorder, options?: PageViewsOptions, trusting?: boolean) => Promise<string>

const expressSite = async (
  framework: typeof express,
  client: Recorder,
  options?: PageViewsOptions,
  trusting = false,
): Promise<string> => {
  const app = framework().set("trust proxy", trusting)
  app.use(pageViews(client, options))
  const pages = framework.Router()
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
}

const SITES: { readonly [name: string]: Site } = {
  "express 5": (client, options, trusting) => expressSite(express, client, options, trusting),
  "express 4": (client, options, trusting) => expressSite(express4, client, options, trusting),
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
  koa: async (client, options, trusting = false) => {
    const app = new Koa({ proxy: trusting })
    app.use(pageViews(client, options))
    app.use((context) => {
      if (/^\/(?:api\/)?data$/.test(context.path)) context.body = {}
      else if (context.path === "/old") context.redirect("/cv")
      else if (/^(?:\/fr)?\/cv$|photo/.test(context.path)) {
        context.set("X-Visitor", visitorOf(context.req) ?? "")
        context.type = "html"
        context.body = HTML
      }
    })
    return listen(createServer(app.callback()))
  },
  hono: async (client, options, trusting = false) => {
    const app = new Hono()
    app.use(pageViews(client, { ...options, trustProxy: trusting }))
    for (const path of ["/cv", "/fr/cv", "/photo.png"])
      app.get(path, (context) => {
        context.header("X-Visitor", visitorOf(context.req.raw))
        return context.html(HTML)
      })
    app.get("/api/data", (context) => context.json({}))
    app.get("/data", (context) => context.json({}))
    app.get("/old", (context) => context.redirect("/cv"))
    return served(app.fetch)
  },
  "a fetch handler": async (client, options, trusting = false) => {
    const track = fetchPageViews({ ...client, flush: async () => 0 }, { ...options, trustProxy: trusting })
    const handle = (request: Request): Response => {
      const { pathname } = new URL(request.url)
      if (/^\/(?:api\/)?data$/.test(pathname)) return Response.json({})
      if (pathname === "/old") return Response.redirect(new URL("/cv", request.url))
      if (!/^(?:\/fr)?\/cv$|photo/.test(pathname)) return new Response(null, { status: 404 })
      const visitor = visitorOf(request)
      const headers = { "Content-Type": "text/html", ...(visitor !== undefined && { "X-Visitor": visitor }) }
      return new Response(HTML, { headers })
    }
    return served((request, { incoming }) =>
      track(request, () => handle(request), { address: incoming.socket.remoteAddress }),
    )
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

/** What a browser sends that was told to go somewhere. */
const NAVIGATION = {
  Accept: "text/html,*/*;q=0.8",
  "Sec-Fetch-Dest": "document",
  "Sec-Fetch-Mode": "navigate",
}

const get = (url: string, headers: Record<string, string> = {}) =>
  fetch(url, { headers: { ...NAVIGATION, ...headers }, redirect: "manual" })

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
    vi.useFakeTimers({ toFake: ["Date"] })
    onTestFinished(() => {
      vi.useRealTimers()
    })
    const client = recorder()
    const url = await site(client, { cookie: false })
    const answers = [
      await get(`${url}/cv`),
      await get(`${url}/fr/cv`),
      await get(`${url}/cv`, { "User-Agent": "another" }),
    ]
    expect(answers.map(session)).toEqual([undefined, undefined, undefined])
    for (const localAddress of ["127.0.0.1", "127.0.0.2"])
      await plainly(url, NAVIGATION, "/cv", { localAddress })
    await eventually(() => expect(client.tracked).toHaveLength(5))
    const [first, again, other, program, elsewhere] = client.tracked.map(({ visitorId }) => visitorId)
    expect(first).toMatch(UUID)
    expect(answers[0]?.headers.get("X-Visitor")).toBe(first)
    expect(again).toBe(first)
    expect(new Set([first, other, program, elsewhere]).size).toBe(4)
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
    for (const path of ["/api/data", "/data", "/old", "/none", "/ws/none", "/health"])
      await (await get(url + path)).text()
    await get(`${url}/photo.png`, { "Sec-Fetch-Dest": "image", "Sec-Fetch-Mode": "no-cors" })
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

const PARTS: ReadonlyArray<readonly [string, Record<string, string>]> = [
  ["what a script fetches", { "Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors" }],
  ["a frame", { "Sec-Fetch-Dest": "iframe", "Sec-Fetch-Mode": "navigate" }],
  ["a picture", { "Sec-Fetch-Dest": "image", "Sec-Fetch-Mode": "no-cors" }],
  ["a prefetch", { ...NAVIGATION, "Sec-Purpose": "prefetch" }],
  ["what an old browser's script fetches", { "Sec-Fetch-Mode": "same-origin", Accept: "text/html" }],
  ["data, without TLS", { Accept: "*/*" }],
  ["a fragment of htmx, without TLS", { Accept: "text/html", "HX-Request": "true" }],
  ["a fragment of jQuery, without TLS", { Accept: "text/html", "X-Requested-With": "XMLHttpRequest" }],
  ["a frame of Turbo, without TLS", { Accept: "text/html", "Turbo-Frame": "list" }],
]

const GONE_TO: ReadonlyArray<readonly [string, Record<string, string>]> = [
  ["a browser's page", NAVIGATION],
  ["an older browser's page", { "Sec-Fetch-Mode": "navigate" }],
  ["a page without TLS", { Accept: "text/html,application/xhtml+xml,*/*;q=0.8" }],
  ["a page of a program that does not say what it takes", {}],
]

/** A request as it is written, without what fetch adds. */
const plainly = async (
  url: string,
  headers: Record<string, string>,
  path = "/cv",
  options: { readonly localAddress?: string } = {},
) => {
  const sent = request(url, { ...options, path, headers: { "User-Agent": "a program", ...headers } }).end()
  const [answer] = await once(sent, "response")
  answer.resume()
  await once(answer, "end")
  return answer.headers
}

/** A page on node:http. */
const page = (client: Recorder, options?: PageViewsOptions) => {
  const track = pageViews(client, options)
  return listen(
    createServer((incoming, outgoing) =>
      track(incoming, outgoing, () => {
        const status = incoming.headers["if-none-match"] === undefined ? 200 : 304
        outgoing.writeHead(status, status === 200 ? { "Content-Type": "text/html" } : {}).end()
      }),
    ),
  )
}

describe("a page", () => {
  test.each(PARTS)("is not %s, whatever it is answered with", async (_name, headers) => {
    const client = recorder()
    const url = await page(client)
    await plainly(url, headers)
    await plainly(url, { ...headers, "If-None-Match": '"1"' })
    await plainly(url, NAVIGATION, "/last")
    await eventually(() => expect(client.tracked.map(({ pageUrl }) => pageUrl)).toEqual([`${url}/last`]))
  })

  test.each(GONE_TO)("is %s, and the browser's own copy of it", async (_name, headers) => {
    const client = recorder()
    const url = await page(client)
    await plainly(url, headers)
    await plainly(url, { ...headers, "If-None-Match": '"1"' })
    await eventually(() => expect(client.tracked).toHaveLength(2))
  })

  test("may have a dot in its name, two slashes and any spelling, and a copy of a file is none", async () => {
    const client = recorder()
    const url = await page(client)
    const copy = { ...NAVIGATION, "If-None-Match": '"1"' }
    await plainly(url, copy, "/cv.pdf")
    const paths = ["/user/jane.doe", "/v1.2", "//about", "//[", "/a%2fb"]
    for (const path of paths) await plainly(url, NAVIGATION, path)
    await plainly(url, copy, "/user/jane.doe")
    await eventually(() =>
      expect(client.tracked.map(({ pageUrl }) => pageUrl?.slice(url.length))).toEqual([
        ...paths,
        "/user/jane.doe",
      ]),
    )
  })

  test("has the host of HTTP/2", async () => {
    const client = recorder()
    const app = fastify({ http2: true })
    const track = pageViews(client)
    app.addHook("onRequest", (incoming, reply, done) => track(incoming.raw, reply.raw, done))
    app.get("/h2", (_, reply) => reply.type("text/html").send(HTML))
    await app.listen({ host: "127.0.0.1", port: 0 })
    onTestFinished(() => app.close())
    const session = connect(urlOf(app.server))
    const sent = session.request({ ":path": "/h2", ":authority": "cv.example", ...NAVIGATION })
    const [answer] = await once(sent, "response")
    expect(String(answer["set-cookie"])).toMatch(/^maicivy_session=/)
    sent.resume()
    await once(sent, "end")
    session.close()
    await eventually(() => expect(client.tracked[0]?.pageUrl).toBe("http://cv.example/h2"))
  })

  test("is counted once by a middleware that is mounted twice", async () => {
    const client = recorder()
    const app = express().use(pageViews(client))
    app.use(
      "/twice",
      express
        .Router()
        .use(pageViews(client))
        .get("/", (_, outgoing) => void outgoing.send(HTML)),
    )
    const url = await listen(createServer(app))
    await get(`${url}/twice`)
    await get(`${url}/twice?last`)
    await eventually(() =>
      expect(client.tracked.map(({ pageUrl }) => pageUrl)).toEqual([`${url}/twice`, `${url}/twice?last`]),
    )
  })
})

describe("a visitor", () => {
  const ids = ({ tracked }: Recorder) => tracked.map(({ visitorId }) => visitorId)
  const given = (headers: { readonly "set-cookie"?: ReadonlyArray<string> }) =>
    cookieOf(headers["set-cookie"]?.[0] ?? "")
  const cookieOf = (setCookie: string) => setCookie.split(";")[0] ?? ""

  test("who keeps no cookie is one, however often they come", async () => {
    const client = recorder()
    const url = await page(client)
    for (let i = 0; i < 5; i++) await plainly(url, {})
    await eventually(() => expect(client.tracked[4]?.userAgent).toBe("a program"))
    await plainly(url, { "User-Agent": "another" })
    await plainly(url, { "X-Forwarded-For": "203.0.113.9, 10.0.0.1" })
    await eventually(() => expect(client.tracked).toHaveLength(7))
    expect(new Set(ids(client)).size).toBe(3)
    expect(new Set(ids(client).slice(0, 5)).size).toBe(1)
  })

  test("who keeps no cookie is known when they ask for no page, if they were given one, or a frame, before", async () => {
    const track = pageViews(recorder())
    const told: Array<string | undefined> = []
    const url = await listen(
      createServer((incoming, outgoing) => {
        track(incoming, outgoing)
        told.push(visitorOf(incoming))
        outgoing.end()
      }),
    )
    const [letter, frame] = [{ "Sec-Fetch-Dest": "empty" }, { "Sec-Fetch-Dest": "iframe" }]
    for (const [agent, headers] of [
      ["stranger", letter],
      ["reader", NAVIGATION],
      ["reader", letter],
      ["stranger", letter],
      ["framed", frame],
      ["framed", letter],
      ["framed", { ...letter, DNT: "1" }],
    ] as const)
      await plainly(url, { "User-Agent": agent, ...headers })
    const [, reader, , , framed] = told
    expect([typeof reader, typeof framed]).toEqual(["string", "string"])
    expect(framed).not.toBe(reader)
    expect(told).toEqual([undefined, reader, reader, undefined, framed, framed, undefined])
  })

  test("who gets no cookie is known whatever they ask for", async () => {
    const track = pageViews(recorder(), { cookie: false })
    const told: Array<string | undefined> = []
    const url = await listen(
      createServer((incoming, outgoing) => {
        track(incoming, outgoing)
        told.push(visitorOf(incoming))
        outgoing.end()
      }),
    )
    const letter = { "Sec-Fetch-Dest": "empty" }
    const agreed = "7d2f6c1e-2a55-4c4b-8a0d-6f6f0f7c1f11"
    for (const headers of [
      letter,
      NAVIGATION,
      { ...letter, "User-Agent": "another" },
      { ...letter, Cookie: `maicivy_session=${agreed}` },
      { ...letter, DNT: "1" },
    ])
      await plainly(url, headers)
    const [reader, , other] = told
    expect(reader).toMatch(UUID)
    expect(other).toMatch(UUID)
    expect(other).not.toBe(reader)
    expect(told).toEqual([reader, reader, other, agreed, undefined])
  })

  test("whose address nobody tells is not taken for another one who has the same browser", async () => {
    const track = fetchPageViews({ ...recorder(), flush: async () => 0 })
    const visit = async (headers: Record<string, string> = {}) =>
      session(
        await track(
          new Request("http://cv.example/", { headers: { ...NAVIGATION, ...headers } }),
          () => new Response(HTML, { headers: { "Content-Type": "text/html" } }),
        ),
      )
    const told = { "CF-Connecting-IP": "203.0.113.9" }
    const given = [await visit(), await visit(), await visit(told), await visit(told)]
    expect(new Set(given).size).toBe(3)
    expect(given[3]).toBe(given[2])
  })

  test("who keeps the cookie leaves the next one of the same look to themselves", async () => {
    const client = recorder()
    const url = await page(client)
    const first = given(await plainly(url, {}))
    await plainly(url, { Cookie: first })
    const second = given(await plainly(url, {}))
    await plainly(url, { Cookie: second })
    await plainly(url, { Cookie: first })
    await eventually(() => expect(client.tracked).toHaveLength(5))
    const [a, b, c, d, e] = ids(client)
    expect([b, e]).toEqual([a, a])
    expect(d).toBe(c)
    expect(c).not.toBe(a)
  })

  test.each<readonly [string, (outgoing: ServerResponse) => void]>([
    ["setHeader", (outgoing) => outgoing.setHeader("Set-Cookie", "sid=1").writeHead(200)],
    ["setHeader with a list", (outgoing) => outgoing.setHeader("set-cookie", ["sid=1"]).writeHead(200)],
    ["writeHead", (outgoing) => outgoing.writeHead(200, { "Set-Cookie": "sid=1" })],
    ["writeHead with a reason", (outgoing) => outgoing.writeHead(200, "Fine", { "set-cookie": ["sid=1"] })],
    ["writeHead with a flat list", (outgoing) => outgoing.writeHead(200, ["Set-Cookie", "sid=1"])],
    ["no writeHead", (outgoing) => outgoing.setHeader("Set-Cookie", "sid=1")],
  ])("keeps the cookie beside the site's own, which is set by %s", async (_name, set) => {
    const track = pageViews(recorder())
    const url = await listen(
      createServer((incoming, outgoing) => {
        track(incoming, outgoing)
        set(outgoing)
        outgoing.end()
      }),
    )
    expect((await get(url)).headers.getSetCookie().map((cookie) => cookie.split("=")[0])).toEqual([
      "sid",
      VISITOR_COOKIE,
    ])
  })
})

test("a fetch handler's own cookie for the visitor is the only one", async () => {
  const own = `${VISITOR_COOKIE}=7d2f6c1e-2a55-4c4b-8a0d-6f6f0f7c1f11; Path=/`
  const track = fetchPageViews({ ...recorder(), flush: async () => 0 })
  const headers = { "Content-Type": "text/html", "Set-Cookie": own }
  const answer = await track(
    new Request("https://cv.example/", { headers: NAVIGATION }),
    () => new Response(HTML, { headers }),
  )
  expect(answer.headers.getSetCookie()).toEqual([own])
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
      ...{ setHeader: () => undefined },
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
