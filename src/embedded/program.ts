/** Programs of the machine: where they are, and what they say. */
import { spawn } from "node:child_process"
import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"

/** Where an executable of this name is; `undefined` when it is nowhere. */
export const onPath = (file: string): string | undefined => {
  // Homebrew's and a user's own builds are missing from the PATH of services.
  const folders = [
    ...(process.env.PATH ?? "").split(delimiter),
    "/usr/bin",
    "/usr/local/bin",
    "/opt/homebrew/bin",
  ]
  return folders
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, file))
    .find(isExecutable)
}

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Runs a program to its end, or for as many milliseconds as it may take. Never rejects. */
export const runProgram = (
  file: string,
  args: ReadonlyArray<string>,
  options: {
    readonly argv0?: string
    readonly cwd?: string
    readonly timeout: number
    readonly env?: NodeJS.ProcessEnv
  },
): Promise<{ readonly ok: boolean; readonly output: string }> =>
  new Promise((resolve) => {
    let output = ""
    const child = spawn(file, args, { ...options, stdio: ["ignore", "pipe", "pipe"] })
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text
      })
    child.once("error", (error) => resolve({ ok: false, output: error.message }))
    child.once("close", (code, signal) =>
      resolve({ ok: code === 0, output: signal === null ? output : `${output}\nended by ${signal}` }),
    )
  })
