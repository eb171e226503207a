import { describe, expect, test } from "vitest"
import { csvField } from "../../../src/server/api/exports.ts"
import { eventually } from "../../support/index.ts"
import { RawConnection } from "../../support/rawClient.ts"
import { ADMIN_TOKEN, API, type Running, serve as serveWith, silentRows } from "../../support/server.ts"

const Authorization = `Bearer ${ADMIN_TOKEN}`
const DOWNLOAD = `GET ${API}/export/visitors HTTP/1.1\r\nHost: x\r\nAuthorization: ${Authorization}\r\n\r\n`

const serve = (options: Parameters<typeof serveWith>[1] = {}) =>
  serveWith({ adminToken: ADMIN_TOKEN }, options)

const visitors = ({ url }: Running, query = "") =>
  fetch(`${url}${API}/export/visitors${query}`, { headers: { Authorization } })

describe("an export", () => {
  test("is a CSV download by default, and JSON when asked", async () => {
    await using running = await serve()
    const csv = await visitors(running)
    expect(csv.headers.get("content-type")).toContain("text/csv")
    expect(csv.headers.get("content-disposition")).toBe('attachment; filename="main-visitors-day.csv"')
    const [header, ...rows] = (await csv.text()).split("\r\n")
    expect(header).toBe("visitor_id,first_seen,last_seen,events,page_views,letters")
    expect(rows).toHaveLength(3)
    const json = await fetch(`${running.url}${API}/export/letters?format=json&period=week`)
    expect(json.headers.get("content-disposition")).toBe('attachment; filename="main-letters-week.json"')
    expect(await json.json()).toEqual([
      { date: "2025-12-08", motivation: 1, anti_motivation: 0, other: 0, total: 1 },
    ])
  })

  test("of a question has a column for each dimension and metric, and no formula of a visitor's", async () => {
    await using running = await serve()
    running.world.queryRows = [
      { dimensions: ["=HYPERLINK(1)", '-1,"2"'], metrics: [-3, null], comparison: [0, 1.5] },
      { dimensions: [null, "@a\nb"], metrics: [1, 2], comparison: [0, null] },
    ]
    const parameters = new URLSearchParams({
      metrics: '["visitors","min(data.a,\\"b)"]',
      dimensions: "page,data.=x",
      date_range: '["2026-01-30","2026-02-01"]',
      compare: "previous_period",
    })
    const csv = await fetch(`${running.url}${API}/query.csv?${parameters}`)
    expect(csv.headers.get("content-disposition")).toBe(
      'attachment; filename="main-2026-01-30-2026-02-01.csv"',
    )
    const metric = '"min(data.a,""b)"'
    expect(await csv.text()).toBe(
      [
        `page,data.=x,visitors,${metric},comparison.visitors,${metric.replace("min", "comparison.min")}`,
        `'=HYPERLINK(1),"'-1,""2""",-3,,0,1.5`,
        `,"'@a\nb",1,2,0,`,
        "",
      ].join("\r\n"),
    )
    const json = await fetch(
      `${running.url}${API}/query.json?metrics=visitors&dimensions=page,host&limit=50000`,
    )
    expect(json.headers.get("content-disposition")).toMatch(/^attachment; filename="main-.*\.json"$/)
    expect(JSON.parse(await json.text())[0]).toEqual({ page: "=HYPERLINK(1)", host: '-1,"2"', visitors: -3 })
    for (const [wrong, code] of [
      ["limit=50001", "INVALID_QUERY"],
      ["metrics=x", "INVALID_QUERY"],
    ])
      expect(
        await (await fetch(`${running.url}${API}/query.csv?metrics=events&${wrong}`)).json(),
      ).toMatchObject({ code })
    running.world.queryFailure = "deadline"
    expect((await fetch(`${running.url}${API}/query.csv?metrics=events`)).status).toBe(408)
  })

  test("in CSV begins with a byte order mark where one is asked for, and not else", async () => {
    await using running = await serve()
    for (const [path, column] of [
      ["export/themes?", "theme"],
      ["query.csv?metrics=events&", "events"],
    ]) {
      const textOf = async (bom: string) => {
        const answer = await fetch(`${running.url}${API}/${path}${bom}`)
        return new TextDecoder("utf-8", { ignoreBOM: true }).decode(await answer.arrayBuffer())
      }
      expect((await textOf("bom=true")).startsWith(`\ufeff${column}`)).toBe(true)
      for (const none of ["", "bom=false"]) expect((await textOf(none)).startsWith(`${column}`)).toBe(true)
      expect(JSON.parse(await textOf("bom=1"))).toMatchObject({ code: "INVALID_PARAMETER" })
    }
    expect(await (await visitors(running, "?format=json&bom=true")).json()).toHaveLength(2)
  })

  test("of nothing is a header, or an empty array", async () => {
    await using running = await serve()
    running.world.exportRows = 0
    expect(await (await visitors(running)).text()).toMatch(/^visitor_id,.*\r\n$/)
    expect(await (await visitors(running, "?format=json")).json()).toEqual([])
  })

  test("runs nothing in a spreadsheet, and quotes as RFC 4180 says", async () => {
    await using running = await serve()
    const text = await (await fetch(`${running.url}${API}/export/themes`)).text()
    expect(text.split("\r\n").slice(1, 3)).toEqual(["'=SUM(A1),3,33.3", '"quoted ""theme"", really",2,33.3'])
    for (const formula of ["=1", "+1", "-1", "@x", "\tx", "＝1", "＋1", "－1", "＠x"])
      expect(csvField(formula)).toBe(`'${formula}`)
    expect(csvField("\rx")).toBe('"\'\rx"')
    expect(csvField("\n=1")).toBe('"\'\n=1"')
    expect([csvField(-1), csvField(null), csvField("a\nb"), csvField({ a: 1 })]).toEqual([
      "-1",
      "",
      '"a\nb"',
      '"{""a"":1}"',
    ])
  })

  test("that fails on its way breaks off, so that nobody takes it for whole", async () => {
    await using running = await serve()
    running.world.exportRows = 1000
    running.world.exportFailsAfter = 900
    const answer = await visitors(running)
    expect(answer.status).toBe(200)
    await expect(answer.text()).rejects.toThrow()
  })

  test("waits for a slow client, and stops reading when it leaves", async () => {
    await using running = await serve()
    running.world.exportRows = 1_000_000
    const connection = new RawConnection(running.server.port)
    connection.write(DOWNLOAD)
    await eventually(() => expect(connection.received.length).toBeGreaterThan(0))
    connection.socket.pause()
    expect(running.world.exportsEnded).toBe(0)
    connection.socket.destroy()
    await eventually(() => expect(running.world.exportsEnded).toBe(1))
    expect((await fetch(`${running.url}/health`)).status).toBe(200)
  })

  test("stops where it is when its client leaves, though the store has not answered", async () => {
    await using running = await serve()
    const { started, abandoned } = silentRows(running.world)
    const connection = new RawConnection(running.server.port)
    connection.write(DOWNLOAD)
    await eventually(() => expect(started()).toBe(1))
    connection.socket.destroy()
    await eventually(() => expect(abandoned()).toBe(1))
  })

  test("has a deadline, also while the store does not answer", async () => {
    await using running = await serve({ exportDeadlineMs: 20 })
    const { abandoned } = silentRows(running.world)
    const answer = await visitors(running)
    expect(answer.status).toBe(503)
    expect(answer.headers.get("retry-after")).toMatch(/^\d+$/)
    expect(await answer.json()).toMatchObject({ code: "STORE_UNAVAILABLE" })
    expect(abandoned()).toBe(1)
  })

  test("that has begun breaks off at its deadline", async () => {
    await using running = await serve({ exportDeadlineMs: 20 })
    running.world.exportRows = Number.POSITIVE_INFINITY
    using connection = new RawConnection(running.server.port)
    connection.write(DOWNLOAD)
    await connection.whenClosed()
    expect(connection.received).toMatch(/^HTTP\/1.1 200/)
    await eventually(() => expect(running.world.exportsEnded).toBe(1))
  })

  test("is refused beyond three at once, so that reads find a connection, until one has ended", async () => {
    await using running = await serve()
    const { started } = silentRows(running.world)
    const connections = Array.from({ length: 3 }, () => new RawConnection(running.server.port))
    for (const connection of connections) connection.write(DOWNLOAD)
    await eventually(() => expect(started()).toBe(3))
    const refused = await fetch(`${running.url}${API}/export/letters`)
    expect(refused.status).toBe(503)
    expect(refused.headers.get("retry-after")).toMatch(/^\d+$/)
    expect(await refused.json()).toMatchObject({ success: false, code: "TOO_MANY_EXPORTS" })
    expect((await fetch(`${running.url}${API}/timeline`)).status).toBe(200)
    for (const connection of connections) connection.socket.destroy()
    await eventually(async () =>
      expect((await fetch(`${running.url}${API}/export/letters`)).status).toBe(200),
    )
  })

  test("whose rows cannot even be asked for is answered, and leaves its room to others", async () => {
    await using running = await serve()
    running.world.exported = () => {
      throw new Error("no rows")
    }
    for (let i = 0; i < 4; i++) expect((await visitors(running)).status).toBe(500)
    running.world.exported = null
    expect((await visitors(running)).status).toBe(200)
  })

  test("of 200,000 rows arrives whole", async () => {
    await using running = await serve()
    running.world.exportRows = 200_000
    const text = await (await visitors(running)).text()
    expect(text.split("\r\n")).toHaveLength(200_002)
  })
})
