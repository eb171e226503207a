/** The image and the compose file in a real Docker engine, from the build to an event's figures. */
import { spawn } from "node:child_process"
import { describe, expect, onTestFinished, test } from "vitest"
import { parse } from "yaml"
import { SETTINGS } from "../../src/config/settings.ts"
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

const services = (parse(read("infra/docker-compose.yml")) as { services: Record<string, Service> }).services

describe("the compose file", () => {
  test("publishes ports on the loopback only, and none of a store", () => {
    const published = Object.values(services).flatMap(({ ports }) => ports ?? [])
    expect(published.length).toBeGreaterThan(2)
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of Compose's
    for (const port of published) expect(port).toContain("${BIND:-127.0.0.1}:")
    for (const store of ["redis", "postgres"]) expect(services[store]).not.toHaveProperty("ports")
  })

  test("takes every variable of the example file, with the same default", () => {
    const compose = read("infra/docker-compose.yml")
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

const PROJECT = `maicivy-test-${process.pid}`
const COMPOSE = ["compose", "--project-name", PROJECT, "--env-file", "/dev/null"].concat(
  ["infra/docker-compose.yml", "test/infra/compose.override.yml"].flatMap((file) => ["--file", file]),
)

/** With all that means something to a shell, to Compose, in a URL, or to Redis on its command line. */
const PASSWORD = ` --@:/#?%41%&+=$PATH\${HOME}"'\\;ü `

/** Runs Docker, with free ports for what the compose file publishes; rejects with what it printed when it fails. */
const docker = (...args: ReadonlyArray<string>): Promise<string> =>
  new Promise((resolve, reject) => {
    const ports = { ANALYTICS_PORT: "0", PROMETHEUS_PORT: "0", GRAFANA_PORT: "0" }
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

const compose = (...args: ReadonlyArray<string>) => docker(...COMPOSE, ...args)

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

describe("docker compose", wants(why === null, `Docker (${why})`), () => {
  test("brings up a deployment that counts, shows, is scraped, and keeps what it has acknowledged", async () => {
    onTestFinished(async () => {
      await compose("down", "--volumes", "--timeout", "1")
      await docker("image", "rm", "--force", "maicivy-analytics:test")
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

  test("starts an image that is small beside its base", async () => {
    await compose("build", "analytics")
    const size = async (image: string) =>
      Number(await docker("image", "inspect", "--format", "{{.Size}}", image))
    const added = (await size("maicivy-analytics:test")) - (await size(nodeImage))
    expect(added).toBeGreaterThan(1e6)
    expect(added).toBeLessThan(10e6)
  })
})
