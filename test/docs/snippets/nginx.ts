/** nginx's configuration: its form always, and where there is an nginx, events and a WebSocket through it. */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { freePort } from "../../support/index.ts"
import { canRun } from "../../support/programs.ts"
import type { Reader } from "./reader.ts"

const NGINX = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/bin/nginx"].find((path) => existsSync(path))

/** Directives end with `;` or hold a block, and blocks are closed. */
export const nginxProblems = (text: string): ReadonlyArray<string> => {
  let depth = 0
  const problems: Array<string> = []
  for (const line of text.split("\n").map((each) => each.replace(/#.*$/, "").trim())) {
    if (line === "") continue
    if (line === "}") depth--
    else if (line.endsWith("{")) depth++
    else if (!line.endsWith(";")) problems.push(`${JSON.stringify(line)} does not end`)
    if (depth < 0) problems.push("a block is closed that was not opened")
  }
  if (depth > 0) problems.push("a block is not closed")
  return problems
}

/** Serves through nginx with the block's configuration; `null` where there is no nginx, curl or openssl. */
export const throughNginx = async (reader: Reader, text: string): Promise<ReadonlyArray<string> | null> => {
  if (NGINX === undefined || !canRun("curl", "--version") || !canRun("openssl", "version")) return null
  const folder = join(reader.folder, "nginx")
  mkdirSync(folder)
  const [certificate, key] = [join(folder, "certificate.pem"), join(folder, "key.pem")]
  execFileSync(
    "openssl",
    [
      ...[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "1",
      ],
      ...["-subj", "/CN=analytics.example", "-keyout", key, "-out", certificate],
    ],
    { stdio: "ignore" },
  )
  const port = await freePort()
  const own = reader
    .own(text)
    .replace(/listen 443 ssl/, `listen 127.0.0.1:${port} ssl`)
    .replace(/ssl_certificate \S+;/, `ssl_certificate ${certificate};`)
    .replace(/ssl_certificate_key \S+;/, `ssl_certificate_key ${key};`)
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (each) => `${each}_temp_path ${folder}/${each};`,
  )
  const file = join(folder, "nginx.conf")
  writeFileSync(
    file,
    `daemon off; pid ${folder}/pid; error_log ${folder}/error.log;\nevents {}\nhttp {\naccess_log off;\n${temporary.join("\n")}\n${own}\n}\n`,
  )
  const ask = (path: string, ...args: ReadonlyArray<string>) =>
    reader.run("curl", [
      "-sk",
      "-w",
      "%{http_code}",
      "-H",
      "Host: analytics.example",
      ...args,
      `https://127.0.0.1:${port}${path}`,
    ])
  const problems: Array<string> = []
  const outcome = await reader.runUntil(NGINX, ["-e", join(folder, "error.log"), "-c", file], async () => {
    if ((await ask("/health")).exitCode !== 0) return false
    const event = await ask(
      "/api/v1/analytics/event",
      "-H",
      "Content-Type: application/json",
      "-d",
      '{"event_type":"page_view"}',
    )
    if (!event.output.endsWith("201")) problems.push(`an event is answered ${event.output}`)
    const outside = await ask("/metrics")
    if (!outside.output.endsWith("403")) problems.push(`/metrics is answered ${outside.output.slice(-3)}`)
    const upgraded = await ask("/ws/analytics", ...UPGRADE)
    if (!upgraded.output.includes('"initial_stats"'))
      problems.push(`the WebSocket is answered ${upgraded.output}`)
    return true
  })
  if (outcome.exitCode !== null) problems.push(`nginx ended: ${outcome.output}`)
  return problems
}

/** curl shows the frames until it gives up waiting for more. */
const UPGRADE = [
  ...["--http1.1", "--max-time", "2", "-N", "--output", "-"],
  ...["-H", "Connection: Upgrade", "-H", "Upgrade: websocket"],
  ...["-H", "Sec-WebSocket-Version: 13", "-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="],
]
