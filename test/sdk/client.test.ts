import { spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:http"
import { join } from "node:path"
import { describe, expect, onTestFinished, test, vi } from "vitest"
import { MAX_BATCH_BODY_BYTES, UUID } from "../../src/domain/limits.ts"
import { API_PATH } from "../../src/domain/paths.ts"
import { isRetryable, RETRYABLE_CODES } from "../../src/domain/retryable.ts"
import { readAnswer } from "../../src/sdk/answer.ts"
import { Analytics, type AnalyticsOptions, type Loss, type Pause } from "../../src/sdk/index.ts"
import { LISTED_CODES } from "../../src/server/openapi/problems.ts"
import { eventually } from "../support/index.ts"
import { listen } from "../support/listen.ts"
import { type Reply, recordingServer } from "../support/recordingServer.ts"

const setUp = async (reply?: (batch: number) => Reply, options: Partial<AnalyticsOptions> = {}) => {
  const server = await recordingServer(reply)
  const losses: Array<Loss> = []
  const pauses: Array<Pause> = []
  const analytics = new Analytics({
    url: server.url,
    flushIntervalMs: 5,
    flushOnShutdown: false,
    onError: (loss) => losses.push(loss),
    onRetry: (pause) => pauses.push(pause),
    ...options,
  })
  onTestFinished(async () => {
    await analytics.close(0)
  })
  return { ...server, analytics, losses, pauses }
}

describe("the client", () => {
  test("sends events that happen together in one request, as the API wants them", async () => {
    const { analytics, received } = await setUp(undefined, { site: "blog", writeKey: "key-0123456789abcdef" })
    const before = Date.now()
    const id = analytics.track(
      "letter_generate",
      { letter_type: "motivation" },
      {
        visitorId: "7d2f6c1e-2a55-4c4b-8a0d-6f6f0f7c1f11",
        pageUrl: "https://cv.example/letters",
        referrer: "https://cv.example/",
        userAgent: "a browser",
      },
    )
    analytics.track("page_view", undefined, { site: "main", at: new Date(1_765_000_000_000) })
    await analytics.flush()
    expect(id).toMatch(UUID)
    expect(received).toMatchObject([
      {
        path: `${API_PATH}/events`,
        headers: { "content-type": "application/json", "x-write-key": "key-0123456789abcdef" },
        events: [
          {
            event_type: "letter_generate",
            id,
            event_data: { letter_type: "motivation" },
            visitor_id: "7d2f6c1e-2a55-4c4b-8a0d-6f6f0f7c1f11",
            page_url: "https://cv.example/letters",
            referrer: "https://cv.example/",
            user_agent: "a browser",
            site: "blog",
          },
          { event_type: "page_view", site: "main", timestamp: 1_765_000_000_000 },
        ],
      },
    ])
    const timestamp = received[0]?.events[0]?.timestamp ?? 0
    expect(timestamp).toBeGreaterThanOrEqual(before - 1)
    expect(timestamp).toBeLessThanOrEqual(Date.now() + 1)
  })

  test("sends without being asked, and at once when a batch is full", async () => {
    const { analytics, received } = await setUp(undefined, { batchSize: 3, flushIntervalMs: 20 })
    for (let i = 0; i < 7; i++) analytics.track("custom", { i })
    await eventually(() => expect(received.map(({ events }) => events.length)).toEqual([3, 3, 1]))
    await eventually(() => expect(analytics.waiting).toBe(0))
  })

  test("keeps a batch below the size that the server takes", async () => {
    const { analytics, received, ids } = await setUp()
    for (let i = 0; i < 300; i++) analytics.track("custom", { text: "é".repeat(4000) })
    await analytics.flush()
    expect(ids()).toHaveLength(300)
    for (const { headers } of received)
      expect(Number(headers["content-length"])).toBeLessThanOrEqual(MAX_BATCH_BODY_BYTES)
  })

  test.each([
    ["503 with Retry-After", { status: 503, headers: { "Retry-After": "1" } }, 1000],
    ["429 with Retry-After", { status: 429, headers: { "Retry-After": "1" } }, 1000],
    ["a bad gateway", { status: 502, body: "<html>" }, 1000],
    ["a lost answer", { hangUp: true }, 1000],
    ["a portal's page", { status: 201, body: "<html>" }, 1000],
  ] as const)(
    "after %s sends the same events with the same ids, and later",
    async (_name, reply, pauseMs) => {
      const { analytics, received, losses, pauses } = await setUp((batch) => (batch === 0 ? reply : {}))
      analytics.track("page_view")
      analytics.track("page_view")
      await analytics.flush()
      const [first, second] = received
      expect(received).toHaveLength(2)
      expect(second?.events.map(({ id }) => id)).toEqual(first?.events.map(({ id }) => id))
      // Timers may fire a millisecond early.
      expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThan(pauseMs - 5)
      expect(pauses).toMatchObject([{ waiting: 2 }])
      expect(losses).toEqual([])
    },
  )

  test("does not send while it was asked to wait, whatever is tracked and flushed", async () => {
    const { analytics, received, pauses } = await setUp(() => ({
      status: 503,
      headers: { "Retry-After": "600" },
    }))
    analytics.track("page_view")
    await eventually(() => expect(pauses).toHaveLength(1))
    for (let i = 0; i < 2000; i++) analytics.track("page_view")
    void analytics.flush()
    await new Promise((resolve) => setImmediate(resolve))
    expect(received).toHaveLength(1)
    // A last attempt, since there will be no other.
    const timers = vi.spyOn(globalThis, "setTimeout")
    const closed = analytics.close(600_000)
    const [end] = timers.mock.calls[0] ?? []
    timers.mockRestore()
    await eventually(() => expect(received).toHaveLength(2))
    end?.()
    expect(await closed).toBe(2001)
  })

  test("sends again those of a batch that may be, and tells of the others", async () => {
    const codes = ["RATE_LIMITED", "INVALID_EVENT_TYPE", "STREAM_UNAVAILABLE", "BACKLOG_FULL"]
    const { analytics, received, losses } = await setUp((batch) =>
      batch === 0
        ? {
            headers: { "RateLimit-Reset": "1" },
            rejected: codes.map((code, i) => ({ index: i + 1, code, error: `${code}.` })),
          }
        : {},
    )
    const [, limited, bad, unavailable, full] = ["a", "b", "c", "d", "e"].map((type) => analytics.track(type))
    await analytics.flush()
    expect(received[1]?.events.map(({ id }) => id)).toEqual([limited, unavailable, full])
    expect(losses).toEqual([
      { code: "INVALID_EVENT_TYPE", message: "INVALID_EVENT_TYPE.", id: bad, eventType: "c" },
    ])
  })

  test("takes for retryable what the server does, of all that it can list", () => {
    const rejected = LISTED_CODES.map((code, index) => ({ index, code, error: code }))
    const answer = readAnswer(201, new Headers(), JSON.stringify({ success: true, data: { rejected } }))
    if (answer.kind !== "judged") throw new Error(`the answer was taken for ${answer.kind}`)
    expect(answer.rejected.map(({ code, retryable }) => [code, retryable])).toEqual(
      LISTED_CODES.map((code) => [code, isRetryable(code)]),
    )
    expect(answer.rejected.filter(({ retryable }) => retryable)).toHaveLength(RETRYABLE_CODES.length)
  })

  test("tells of every event of a batch that was refused for good", async () => {
    const { analytics, received, losses } = await setUp(() => ({
      status: 401,
      body: '{"success":false,"error":"Wrong key.","code":"INVALID_WRITE_KEY"}',
    }))
    const id = analytics.track("page_view")
    await analytics.flush()
    expect(losses).toEqual([{ code: "INVALID_WRITE_KEY", message: "Wrong key.", id, eventType: "page_view" }])
    expect(received).toHaveLength(1)
  })

  test.each([501, 505])("does not try again after %i, which no time mends", async (status) => {
    const { analytics, received, losses } = await setUp(() => ({ status, body: "<h1>…</h1>" }))
    analytics.track("page_view")
    await analytics.flush()
    expect(losses).toMatchObject([
      { code: `HTTP_${status}`, message: expect.stringMatching(`answered ${status}[.:]`) },
    ])
    expect(received).toHaveLength(1)
  })

  test("loses no other event to one with a time that is none", async () => {
    const { analytics, ids, losses } = await setUp()
    const good = [analytics.track("good")]
    const bad = analytics.track("bad", {}, { at: new Date(Number.NaN) })
    good.push(analytics.track("good"))
    await analytics.flush()
    expect(ids()).toEqual(good)
    expect(losses).toEqual([
      { code: "INVALID_EVENT", message: "The time, at, is an invalid Date.", id: bad, eventType: "bad" },
    ])
  })

  test("sends in parts what is too large for something on the way", async () => {
    const { received, ...server } = await recordingServer()
    const sizes: Array<number> = []
    const proxy = await listen(
      createServer(async (incoming, outgoing) => {
        const parts: Array<Buffer> = []
        for await (const part of incoming) parts.push(part)
        const body = Buffer.concat(parts)
        sizes.push(body.length)
        if (body.length > 20_000) return outgoing.writeHead(413, { "Content-Type": "text/html" }).end("<h1>")
        const headers = { "Content-Type": "application/json" }
        const answer = await fetch(`${server.url}${incoming.url}`, { method: "POST", headers, body })
        outgoing.writeHead(answer.status).end(await answer.text())
      }),
    )
    const losses: Array<Loss> = []
    const analytics = new Analytics({
      url: proxy,
      flushOnShutdown: false,
      onError: (loss) => losses.push(loss),
    })
    const sent = Array.from({ length: 200 }, () => analytics.track("custom", { text: "x".repeat(300) }))
    const large = analytics.track("large", { text: "x".repeat(25_000) })
    await analytics.flush()
    expect(server.ids()).toEqual(sent)
    expect(losses).toMatchObject([{ id: large, code: "HTTP_413" }])
    // What a proxy takes is learnt once.
    const refused = sizes.filter((size) => size > 20_000).length
    sent.push(...Array.from({ length: 100 }, () => analytics.track("custom", { text: "x".repeat(300) })))
    await analytics.flush()
    expect(server.ids()).toEqual(sent)
    expect(sizes.filter((size) => size > 20_000)).toHaveLength(refused)
    expect(await analytics.close()).toBe(0)
  })

  test.each([301, 302, 307, 308])(
    "follows a %i to the same host, as a POST, and keeps to it",
    async (status) => {
      const { ids, received, url } = await recordingServer()
      const redirect = await listen(
        createServer((incoming, outgoing) => {
          incoming.resume()
          outgoing.writeHead(status, { Location: `${url}${incoming.url}` }).end()
        }),
      )
      const losses: Array<Loss> = []
      const analytics = new Analytics({
        ...{ url: redirect, writeKey: "key-0123456789abcdef", flushOnShutdown: false },
        ...{ onError: (loss) => losses.push(loss), onRetry: () => {} },
      })
      const sent = [analytics.track("first")]
      await analytics.flush()
      sent.push(analytics.track("second"))
      expect(await analytics.close()).toBe(0)
      expect(losses).toEqual([])
      expect(ids()).toEqual(sent)
      for (const { headers } of received) expect(headers["x-write-key"]).toBe("key-0123456789abcdef")
    },
  )

  test("names the address that a redirect to another host leads to", async () => {
    const redirect = await listen(
      createServer((incoming, outgoing) => {
        incoming.resume()
        if (incoming.url === "/login") return outgoing.writeHead(200).end("<form>")
        outgoing.writeHead(302, { Location: "/login" }).end()
      }),
    )
    const { analytics, losses } = await setUp(undefined, { url: redirect })
    analytics.track("page_view")
    await analytics.flush()
    expect(losses).toMatchObject([
      { code: "REDIRECTED", message: expect.stringContaining(`${redirect}/login`) },
    ])
  })

  test.each([307, 308])("sends nothing to the other host that a %i leads to", async (status) => {
    const { received, url } = await recordingServer()
    const elsewhere = `${url.replace("127.0.0.1", "localhost")}${API_PATH}/events`
    const { analytics, losses, ids } = await setUp(() => ({ status, headers: { Location: elsewhere } }), {
      writeKey: "key-0123456789abcdef",
    })
    const id = analytics.track("page_view")
    await analytics.flush()
    expect(received).toEqual([])
    expect(ids()).toEqual([id])
    expect(losses).toMatchObject([{ id, code: "REDIRECTED", message: expect.stringContaining(elsewhere) }])
  })

  test.each([
    ["from https:// back to http://", ["http://stats.example/api/v1/analytics/events"], 1],
    ["in a circle", ["/b/api/v1/analytics/events", "/api/v1/analytics/events"], 6],
  ] as const)("is led %s no further than it should be", async (_name, locations, times) => {
    const asked: Array<unknown> = []
    const { analytics, losses } = await setUp(undefined, {
      url: "https://stats.example",
      fetch: async (url, init) => {
        expect(init?.redirect).toBe("manual")
        const Location = locations[asked.length % locations.length] ?? ""
        asked.push(url)
        return new Response(null, { status: 302, headers: { Location } })
      },
    })
    analytics.track("page_view")
    await analytics.flush()
    expect(asked).toHaveLength(times)
    expect(losses.map(({ code }) => code)).toEqual(["REDIRECTED"])
  })

  test("flushes for as long as it is told, and keeps what still waits", async () => {
    let answer = () => {}
    const held = new Promise<void>((resolve) => {
      answer = resolve
    })
    const { analytics, ids } = await setUp(() => ({ after: held }))
    const id = analytics.track("page_view")
    expect(await analytics.flush(20)).toBe(1)
    answer()
    expect(await analytics.flush()).toBe(0)
    expect(ids()).toEqual([id])
  })

  test("holds a bounded number of events", async () => {
    const { analytics, losses } = await setUp(() => ({ status: 503 }), { maxQueue: 10 })
    for (let i = 0; i < 15; i++) analytics.track("page_view")
    expect(analytics.waiting).toBe(10)
    expect(losses.map(({ code }) => code)).toEqual(Array.from({ length: 5 }, () => "QUEUE_FULL"))
  })

  test("gives up on an answer that does not come", async () => {
    const { analytics, received, pauses } = await setUp(
      (batch) => (batch === 0 ? { after: new Promise(() => {}) } : {}),
      { timeoutMs: 50 },
    )
    analytics.track("page_view")
    expect(await analytics.flush()).toBe(0)
    // A machine that is slow may not answer the second one in time, either.
    expect(received.length).toBeGreaterThan(1)
    expect(pauses[0]?.reason).toBe("The server did not answer in time.")
  })

  test("never throws into its host", async () => {
    const { analytics, losses } = await setUp(undefined, {
      fetch: () => {
        throw new Error("no network")
      },
    })
    const circular: Record<string, unknown> = {}
    circular.self = circular
    expect(() => analytics.track("custom", circular)).not.toThrow()
    expect(() => analytics.track("custom", { big: 1n })).not.toThrow()
    expect(() => analytics.track("custom", { text: "x".repeat(70_000) })).not.toThrow()
    expect(() => analytics.track("custom", {}, { id: "mine" })).not.toThrow()
    expect(() => analytics.track("custom", {}, null)).not.toThrow()
    const hostile = {
      get id(): string {
        throw Object.create(null)
      },
    }
    expect(() => analytics.track("custom", {}, hostile)).not.toThrow()
    expect(losses.map(({ code }) => code)).toEqual(Array.from({ length: 5 }, () => "INVALID_EVENT"))
    losses.pop()
    analytics.track("custom")
    expect(await analytics.close(20)).toBe(2)
    analytics.track("custom")
    expect(losses.slice(4).map(({ code }) => code)).toEqual(["CLOSED", "CLOSED", "CLOSED"])
    const throwing = new Analytics({
      url: "http://127.0.0.1:9",
      flushOnShutdown: false,
      maxQueue: 0,
      onError: () => {
        throw new Error("the host's own")
      },
    })
    const { error } = console
    console.error = () => {}
    expect(() => throwing.track("custom")).not.toThrow()
    console.error = error
  })

  test("takes data as it is when it is tracked", async () => {
    const { analytics, received } = await setUp()
    const data = { step: 1 }
    analytics.track("custom", data)
    data.step = 2
    await analytics.flush()
    expect(received[0]?.events[0]?.event_data).toEqual({ step: 1 })
  })

  test("on close sends what waits, and what is tracked while it does", async () => {
    let answer = () => {}
    const held = new Promise<void>((resolve) => {
      answer = resolve
    })
    const { analytics, received, ids } = await setUp((batch) => (batch === 0 ? { after: held } : {}), {
      flushIntervalMs: 60_000,
    })
    const first = analytics.track("page_view")
    const closing = analytics.close()
    await eventually(() => expect(received).toHaveLength(1))
    const second = analytics.track("page_view")
    answer()
    expect(await closing).toBe(0)
    expect(ids()).toEqual([first, second])
  })
})

describe("at the end of a process", () => {
  const MODULE = join(import.meta.dirname, "../../src/sdk/index.ts")
  const host = (url: string, more: string) => {
    const source = `
      import { Analytics } from ${JSON.stringify(MODULE)}
      const analytics = new Analytics({ url: ${JSON.stringify(url)}, flushIntervalMs: 60_000 })
      const other = new Analytics({ url: ${JSON.stringify(url)}, flushIntervalMs: 60_000 })
      analytics.track("one"); other.track("two")
      ${more}
      console.log("ready")`
    const child = spawn(process.execPath, ["--input-type=module", "--eval", source], {
      stdio: ["ignore", "pipe", "inherit"],
    })
    onTestFinished(() => {
      child.kill("SIGKILL")
    })
    const ready = new Promise((resolve) => child.stdout.once("data", resolve))
    const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
      child.once("close", (code, signal) => resolve({ code, signal })),
    )
    return { child, ready, ended }
  }
  const types = (received: ReadonlyArray<{ events: ReadonlyArray<{ event_type: string }> }>) =>
    received.flatMap(({ events }) => events.map(({ event_type }) => event_type)).sort()

  test("sends what waits when nothing is left to do", async () => {
    const { url, received } = await recordingServer()
    expect(await host(url, "").ended).toEqual({ code: 0, signal: null })
    expect(types(received)).toEqual(["one", "two"])
  })

  test.each(["SIGTERM", "SIGINT"] as const)("sends what waits on %s, which then ends it", async (signal) => {
    const { url, received } = await recordingServer()
    const { child, ready, ended } = host(url, "setInterval(() => {}, 1000)")
    await ready
    child.kill(signal)
    expect(await ended).toEqual({ code: null, signal })
    expect(types(received)).toEqual(["one", "two"])
  })

  test("leaves a signal to the host that handles it", async () => {
    const { url, received } = await recordingServer()
    const { child, ready, ended } = host(
      url,
      `process.on("SIGTERM", async () => { await analytics.close(); await other.close(); process.exit(7) })
       setInterval(() => {}, 1000)`,
    )
    await ready
    child.kill("SIGTERM")
    expect(await ended).toEqual({ code: 7, signal: null })
    expect(types(received)).toEqual(["one", "two"])
  })
})

/** A process with the client and libraries that wait for each other on a signal. */
describe("beside what else listens to signals", () => {
  const MODULE = JSON.stringify(join(import.meta.dirname, "../../src/sdk/index.ts"))
  const SIGNAL_EXITS = [
    'const { onExit } = createRequire(import.meta.url)("signal-exit"); onExit(() => {})',
    // As its third version has it.
    `const emitter = { count: 1 }
     process.__signal_exit_emitter__ = emitter
     for (const signal of ["SIGTERM", "SIGINT"]) {
       const listener = () => {
         if (process.listeners(signal).length !== emitter.count) return
         process.off(signal, listener)
         process.kill(process.pid, signal)
       }
       process.on(signal, listener)
     }`,
  ]
  const start = (url: string, ...steps: ReadonlyArray<string>) => {
    const source = `
      import { createRequire } from "node:module"
      const options = { url: ${JSON.stringify(url)}, flushIntervalMs: 60_000 }
      ${steps.join("\n")}
      analytics.track("one")
      setInterval(() => {}, 1000)
      console.log("ready")`
    const child = spawn(process.execPath, ["--input-type=module", "--eval", source], {
      stdio: ["ignore", "pipe", "inherit"],
    })
    onTestFinished(() => void child.kill("SIGKILL"))
    const ready = new Promise((resolve) => child.stdout.once("data", resolve))
    const ended = once(child, "close")
    return { child, ready, ended }
  }
  const SDK = `const { Analytics } = await import(${MODULE}); const analytics = new Analytics(options)`
  const typesOf = (received: ReadonlyArray<{ events: ReadonlyArray<{ event_type: string }> }>) =>
    received.flatMap(({ events }) => events.map(({ event_type }) => event_type))

  test.each(
    SIGNAL_EXITS.flatMap((library, version) =>
      (["SIGTERM", "SIGINT"] as const).flatMap((signal) => [
        [`${signal}, before signal-exit ${4 - version}`, signal, [SDK, library]] as const,
        [`${signal}, after signal-exit ${4 - version}`, signal, [library, SDK]] as const,
      ]),
    ),
  )("sends what waits on %s, and ends", async (_name, signal, steps) => {
    const { url, received } = await recordingServer()
    const { child, ready, ended } = start(url, ...steps)
    await ready
    child.kill(signal)
    expect(await ended).toEqual([null, signal])
    expect(typesOf(received)).toEqual(["one"])
  })

  test("ends where the package is there twice", async () => {
    const { url, received } = await recordingServer()
    const again = `const second = await import(${MODULE.slice(0, -1)}?again"); new second.Analytics(options).track("two")`
    const { child, ready, ended } = start(url, SDK, again)
    await ready
    child.kill("SIGTERM")
    expect(await ended).toEqual([null, "SIGTERM"])
    expect(typesOf(received).sort()).toEqual(["one", "two"])
  })

  test("takes events for as long as a host that drains goes on", async () => {
    const { url, received } = await recordingServer()
    const drain = `process.on("SIGTERM", () => process.on("SIGUSR2", async () => {
      analytics.track("late")
      process.exit(await analytics.close())
    }))`
    const { child, ready, ended } = start(url, drain, SDK)
    await ready
    child.kill("SIGTERM")
    await eventually(() => expect(typesOf(received)).toEqual(["one"]))
    child.kill("SIGUSR2")
    expect(await ended).toEqual([0, null])
    expect(typesOf(received)).toEqual(["one", "late"])
  })
})

describe("a client to whom nobody listens", () => {
  const warnings = () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {})
    onTestFinished(() => warn.mockRestore())
    return () => warn.mock.calls.map(([text]) => String(text))
  }

  test("warns once of a server that takes no events", async () => {
    const warned = warnings()
    const { analytics, received } = await setUp(
      (batch) => (batch < 2 ? { status: 503, headers: { "Retry-After": "0" } } : {}),
      { onRetry: undefined },
    )
    analytics.track("page_view")
    await analytics.flush()
    expect(received).toHaveLength(3)
    expect(warned()).toEqual([
      expect.stringMatching(/^maicivy-analytics: Events for http:\S+ wait \(status 503\)\./),
    ])
  })

  test("warns once of lost events", async () => {
    const warned = warnings()
    const { analytics } = await setUp(() => ({ status: 401, body: '{"code":"INVALID_KEY","error":"No."}' }), {
      onError: undefined,
    })
    for (let i = 0; i < 2; i++) analytics.track("page_view")
    await analytics.flush()
    expect(warned()).toEqual([
      "maicivy-analytics: An event is lost (INVALID_KEY): No. onError tells of every lost event.",
    ])
  })

  test.each([
    ["analytics.example", '"analytics.example"'],
    ["analytics.example:8080", '"analytics.example:8080"'],
    ["https://", '"https://"'],
    ["/analytics", '"/analytics"'],
    [undefined, "undefined"],
  ])("hears at once that the url %s is none, and of each lost event", async (url, quoted) => {
    const warned = warnings()
    const { analytics, losses } = await setUp(undefined, { url } as Partial<AnalyticsOptions>)
    const message = `The option url must be the server's address with its scheme, such as "https://analytics.example"; it is ${quoted}.`
    expect(warned()).toEqual([`maicivy-analytics: ${message} No event will be sent.`])
    analytics.track("page_view")
    expect(losses).toMatchObject([{ code: "INVALID_URL", message }])
  })
})
