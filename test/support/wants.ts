/**
 * What tests want of their machine. Where it is missing they are skipped, and the end of the run names it
 * ({@link file://./skipped.ts}).
 */
import { existsSync } from "node:fs"
import { canRun } from "./programs.ts"

declare module "vitest" {
  interface TaskMeta {
    /** What a skipped test wants. */
    wants?: string
    /** What parts of a test that ran have wanted in vain. */
    lacked?: ReadonlyArray<string>
  }
}

export interface Wants {
  readonly skip: boolean
  readonly meta: { readonly wants?: string }
}

/** Options of a test, or of a group of them, that wants something; `what` is its name, with how it can be had. */
export const wants = (there: boolean, what: string): Wants => ({
  skip: !there,
  meta: there ? {} : { wants: what },
})

/** How a program can be had. */
export const installed = (name: string, debianPackage: string = name): string =>
  `${name} (apt-get install ${debianPackage})`

/** Options of tests that run a program. */
export const wantsProgram = (program: string, debianPackage: string, ...args: ReadonlyArray<string>): Wants =>
  wants(canRun(program, ...args), installed(program, debianPackage))

/** Options of tests that look at processes. */
export const wantsProc = wants(existsSync("/proc/self/status"), "Linux, for /proc")

/** Options of tests about rights to files. */
export const wantsFileModes = wants(process.platform !== "win32", "a system whose files have modes")
