/** The image and the compose file in a real Docker engine, from the build to an event's figures. */
import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { statSync } from "node:fs"
import { join } from "node:path"
import { afterAll, describe, expect, onTestFinished, test } from "vitest"
import { parse } from "yaml"
import { SETTINGS } from "../../src/config/settings.ts"
import { partitionOf } from "../../src/domain/visitor.ts"
import { ROOT, read } from "../support/documents.ts"
import { eventually } from "../support/index.ts"
import { api, dataOf } from "../support/process.ts"
import { canRun } from "../support/programs.ts"
import { wants } from "../support/wants.ts"
import { alerts } from "./monitoring.ts"

interface Service {
  readonly image: string
  readonly ports?: ReadonlyArray<string>
}

const FILE = "infra/docker-compose.yml"
/** Besides {@link FILE}. */
const CLUSTER_FILE = "infra/docker-compose.cluster.yml"

/** Compose has tags of its own. */
const servicesIn = (file: string) =>
  (parse(read(file), { logLevel: "error" }) as { services: Record<string, Service | null> }).services

const services = servicesIn(FILE)

describe("the compose files", () => {
  test("publishes ports on the loopback only, and none of a store", () => {
    const published = [FILE, CLUSTER_FILE]
      .flatMap((file) => Object.values(servicesIn(file)))
      .flatMap((service) => service?.ports ?? [])
    expect(published.length).toBeGreaterThan(3)
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of Compose's
    for (const port of published) expect(port).toContain("${BIND:-127.0.0.1}:")
    for (const [name, service] of Object.entries({ ...services, ...servicesIn(CLUSTER_FILE) }))
      if (/redis|postgres/.test(name)) expect(service ?? {}).not.toHaveProperty("ports")
  })

  test("takes every variable of the example file, with the same default", () => {
    const compose = read(FILE) + read(CLUSTER_FILE)
    const settings = Object.values(SETTINGS).map(({ name, default: text }) => ({ name: String(name), text }))
    const lines = [...read("infra/.env.example").matchAll(/^([A-Z_]+)=(.*)$/gm)]
    expect(lines.length).toBeGreaterThan(8)
    for (const [, name, value] of lines) {
      if (compose.includes(`\${${name}:`)) expect(compose).toContain(`\${${name}:-${value}}`)
      else expect(value).toBe(settings.find((each) => each.name === name)?.text)
    }
    const used = [...compose.matchAll(/\$\{([A-Z_]+)/g)].map(([, name]) => name)
    const told = lines.map(([, name]) => name)
    expect(used.filter((name) => !told.includes(name))).toEqual([])
  })
})

/** With all that means something to a shell, to Compose, in a URL, or to Redis on its command line. */
const PASSWORD = ` --@:/#?%41%&+=$PATH\${HOME}"'\\;ü `

/** Runs Docker, with free ports for what the compose file publishes; rejects with what it printed when it fails. */
const docker = (...args: ReadonlyArray<string>): Promise<string> =>
  new Promise((resolve, reject) => {
    const ports = { ANALYTICS_PORT: "0", ANALYTICS_PORTS: "0", PROMETHEUS_PORT: "0", GRAFANA_PORT: "0" }
    const passwords = { REDIS_PASSWORD: PASSWORD, POSTGRES_PASSWORD: PASSWORD }
    const child = spawn("docker", [...args], { cwd: ROOT, env: { ...process.env, ...ports, ...passwords } })
    let output = ""
    let errors = ""
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString()
    })
    child.stderr.on("data", (chunk: Buffer) => {
      errors += chunk.toString()
    })
    child.once("error", reject)
    child.once("close", (code) => {
      if (code === 0) resolve(output.trim())
      else reject(new Error(`docker ${args.join(" ")}: exit code ${code}\n${output}\n${errors}`))
    })
  })

/** Compose with these files, as a project of its own. */
const composeOf =
  (name: string, ...files: ReadonlyArray<string>) =>
  (...args: ReadonlyArray<string>) => {
    const project = ["--project-name", `maicivy-${name}-${process.pid}`, "--env-file", "/dev/null"]
    const all = [...files, "test/infra/compose.override.yml"].flatMap((file) => ["--file", file])
    return docker("compose", ...project, ...all, ...args)
  }

const compose = composeOf("test", FILE)
const cluster = composeOf("cluster", FILE, CLUSTER_FILE)

const hasImage = (image: string): boolean =>
  canRun("docker", "image", "inspect", image) || canRun("docker", "pull", "--quiet", image)

const nodeImage = /^ARG NODE_IMAGE=(.*)$/m.exec(read("infra/docker/Dockerfile"))?.[1] ?? ""
/** Why the compose file cannot be tried on this machine; `null` when it can. */
const obstacle = (): string | null => {
  if (!canRun("docker", "info")) return "no Docker engine answers"
  if (!canRun("docker", "compose", "version")) return "Docker has no compose command"
  const missing = [nodeImage, "redis", "postgres", "prometheus"].map((name) => services[name]?.image ?? name)
  const [image] = missing.filter((each) => !hasImage(each))
  return image === undefined ? null : `the image ${image} is unavailable`
}

const why = obstacle()

/** A service's address on this machine. */
const addressOf = async (service: string, port: number) =>
  `http://${await compose("port", service, `${port}`)}`

const getJson = async (url: string): Promise<unknown> => (await fetch(url)).json()

/** The first frame about an event on a node's WebSocket. */
const nextEvent = (url: string): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url.replace("http", "ws")}/ws/analytics`)
    socket.addEventListener("error", () => reject(new Error("the WebSocket failed")))
    socket.addEventListener("message", ({ data }) => {
      const frame = JSON.parse(String(data)) as { readonly type: string }
      if (frame.type !== "cv_theme_change") return
      socket.close()
      resolve(frame)
    })
  })

const EVENTS = [
  { event_type: "page_view", page_url: "/cv" },
  { event_type: "cv_theme_change", event_data: { theme: "dark" } },
  { event_type: "cv_theme_change", event_data: { theme: "light" } },
  { event_type: "letter_generate", event_data: { letter_type: "motivation" } },
]
/** As the nodes have them by default. */
const PARTITIONS = 4

/** Sends events of every partition to nodes in turn, each with the same id until it is acknowledged. */
const sendingTo = (urls: ReadonlyArray<string>) => {
  const acknowledged = Array.from({ length: PARTITIONS }, () => EVENTS.map(() => 0))
  const ofPartition = (partition: number) =>
    acknowledged[partition]?.reduce((sum, each) => sum + each, 0) ?? 0
  let stopped = false
  const send = async (partition: number) => {
    for (let turn = 0; !stopped; turn++) {
      const visitor = Array.from({ length: 100 }, () => randomUUID()).find(
        (id) => partitionOf(id, PARTITIONS) === partition,
      )
      const kind = turn % EVENTS.length
      const body = JSON.stringify({ ...EVENTS[kind], id: randomUUID(), visitor_id: visitor })
      for (let node = turn; ; node++) {
        const { status } = await fetch(api(urls[node % urls.length] ?? "", "event"), { method: "POST", body })
        if (status === 201) break
        expect(status).toBe(503)
      }
      const kinds = acknowledged[partition]
      if (kinds?.[kind] !== undefined) kinds[kind]++
    }
  }
  const senders = Array.from({ length: 2 * PARTITIONS }, (_, i) => send(i % PARTITIONS))
  return {
    goesOn: async (...partitions: ReadonlyArray<number>) => {
      const before = partitions.map(ofPartition)
      await eventually(() => {
        for (const [i, partition] of partitions.entries())
          expect(ofPartition(partition)).toBeGreaterThan((before[i] ?? 0) + 20)
      })
    },
    /** Resolves to how many of each of {@link EVENTS} have been acknowledged. */
    stop: async () => {
      stopped = true
      await Promise.all(senders)
      return EVENTS.map((_, kind) => acknowledged.reduce((sum, kinds) => sum + (kinds[kind] ?? 0), 0))
    },
  }
}

describe("docker compose", wants(why === null, `Docker (${why})`), () => {
  afterAll(async () => {
    if (why === null) await docker("image", "rm", "--force", "maicivy-analytics:test")
  })

  test("brings up a deployment that counts, shows, is scraped, and keeps what it has acknowledged", async () => {
    onTestFinished(async () => {
      await compose("down", "--volumes", "--timeout", "1")
    })
    const started = ["analytics", "prometheus"]
    if (hasImage(services.grafana?.image ?? "")) started.push("grafana")
    else console.log("Grafana is left out: its image is unavailable.")
    const up = () => compose("up", "--build", "--detach", "--wait", "--wait-timeout", "300", ...started)
    await up()

    const url = await addressOf("analytics", 8080)
    const frame = nextEvent(url)
    const event = { event_type: "cv_theme_change", event_data: { theme: "dark" }, page_url: "/cv" }
    // A figure of all time: midnight may come between the two looks at it.
    const counted = { 0: { theme: "dark", views: 1, percentage: 100 } }
    await eventually(async () => {
      const response = await fetch(api(url, "event"), { method: "POST", body: JSON.stringify(event) })
      expect(response.status).toBe(201)
    })
    await eventually(async () => expect(await dataOf(url, "themes")).toMatchObject(counted))
    expect(await frame).toMatchObject({ type: "cv_theme_change", page_url: "/cv" })

    const prometheus = await addressOf("prometheus", 9090)
    await eventually(async () => {
      expect(await getJson(`${prometheus}/api/v1/query?query=up`)).toMatchObject({
        data: { result: [{ metric: { job: "maicivy-analytics" }, value: [expect.anything(), "1"] }] },
      })
      expect(await getJson(`${prometheus}/api/v1/query?query=sum(maicivy_events_total)`)).toMatchObject({
        data: { result: [{ value: [expect.anything(), "1"] }] },
      })
    })
    expect(
      JSON.stringify(await getJson(`${prometheus}/api/v1/rules?type=alert`)).match(/"type":"alerting"/g),
    ).toHaveLength(alerts.length)
    if (started.includes("grafana")) {
      const grafana = await addressOf("grafana", 3000)
      await eventually(async () =>
        expect(await getJson(`${grafana}/api/dashboards/uid/maicivy-analytics`)).toMatchObject({
          dashboard: { title: "maicivy-analytics" },
          meta: { provisioned: true, canSave: false },
        }),
      )
    }

    // Nobody can write into the image, and whoever got in would be nobody.
    const inside = (command: string) => compose("exec", "-T", "analytics", "sh", "-c", command)
    expect(await inside("id -u")).toBe("1000")
    await expect(inside("touch /app/written")).rejects.toThrow("Read-only file system")
    expect(await inside("cat /proc/1/cmdline | tr '\\0' ' '")).toMatch(/^node /)
    expect(await inside("maicivy-analytics dead-letters list")).toBe("There are no dead letters.")

    const container = await compose("ps", "--quiet", "analytics")
    await compose("stop", "analytics")
    expect(await docker("inspect", "--format", "{{.State.ExitCode}}", container)).toBe("0")

    await compose("kill", "redis", "postgres")
    await up()
    const again = await addressOf("analytics", 8080)
    expect(await dataOf(again, "themes")).toMatchObject(counted)
    expect(await dataOf(again, "timeline")).toHaveProperty("0.page_url", "/cv")
  })

  test("brings up a cluster that loses and doubles nothing when the container of a master is killed", async () => {
    onTestFinished(async () => {
      await cluster("down", "--volumes", "--timeout", "1")
    })
    await cluster("up", "--build", "--detach", "--wait", "--wait-timeout", "300", "analytics")
    const urls = await Promise.all(
      ["1", "2"].map(
        async (index) => `http://${await cluster("port", "--index", index, "analytics", "8080")}`,
      ),
    )
    const asked = "redis-1"
    /** The service of the master that has the last slot, as the first server of the cluster sees it. */
    const lastMaster = async () => {
      const nodes = await cluster("exec", "-T", asked, "redis-cli", "cluster", "nodes")
      const [, host] = /^\S+ [\d.]+\.(\d+):6379@\S+ (?:myself,)?master \S.*-16383$/m.exec(nodes) ?? []
      return `redis-${Number(host) - 10}`
    }
    const senders = sendingTo(urls)
    await senders.goesOn(0, 1, 2, 3)

    const killed = await lastMaster()
    expect(killed).not.toBe(asked)
    await cluster("kill", killed)
    await eventually(async () => expect(await lastMaster()).toMatch(/^redis-[456]$/))
    // What lies with the other masters has both copies; the slot of partition 0 is among the last.
    await senders.goesOn(1, 2, 3)
    await cluster("start", killed)
    await senders.goesOn(0, 1, 2, 3)
    const [views = 0, dark = 0, light = 0, letters = 0] = await senders.stop()

    const all = views + dark + light + letters
    for (const url of urls)
      await eventually(async () => {
        expect(await dataOf(url, "stats?period=month")).toMatchObject({
          ...{ total_events: all, page_views: views, letters_generated: letters, unique_visitors: all },
        })
        const themes = Object.values(await dataOf(url, "themes"))
        expect(themes).toHaveLength(2)
        for (const [theme, count] of [
          ["dark", dark],
          ["light", light],
        ] as const)
          expect(themes).toContainEqual(expect.objectContaining({ theme, views: count }))
      })
    const query = "SELECT event_type, count(*) FROM analytics_events GROUP BY event_type ORDER BY event_type"
    const psql = ["psql", "--host=127.0.0.1", "--username=maicivy", "--tuples-only", "--no-align"]
    const rows = await cluster(
      ...[
        "exec",
        "-T",
        "--env",
        `PGPASSWORD=${PASSWORD}`,
        "postgres",
        ...psql,
        "--command",
        query,
        "maicivy",
      ],
    )
    expect(rows.split("\n")).toEqual([
      `cv_theme_change|${dark + light}`,
      `letter_generate|${letters}`,
      `page_view|${views}`,
    ])
  })

  test("starts an image that has little beside its base and the query engine", async () => {
    await compose("build", "analytics")
    const size = async (image: string) =>
      Number(await docker("image", "inspect", "--format", "{{.Size}}", image))
    const added = (await size("maicivy-analytics:test")) - (await size(nodeImage))
    expect(added).toBeGreaterThan(1e6)
    const library = `node_modules/@duckdb/node-bindings-${process.platform}-${process.arch}/libduckdb.so`
    expect(added - statSync(join(ROOT, library)).size).toBeLessThan(15e6)
  })
})
