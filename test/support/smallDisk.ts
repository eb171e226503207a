/** A disk that a test or an experiment can fill. */
import { spawnSync } from "node:child_process"
import { statfsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { wants } from "./wants.ts"

/** Options of tests that mount one. */
export const wantsSmallDisk = wants(
  process.platform === "linux" && process.getuid?.() === 0 && spawnSync("mount", ["-V"]).status === 0,
  "root on Linux, for a small disk",
)

/** Mounts a disk of its own on a folder, which needs root. Returns how to unmount it. */
export const mountSmallDisk = (folder: string, megabytes: number): (() => void) => {
  const done = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", folder])
  if (done.status !== 0) throw new Error(`no tmpfs on ${folder}: ${done.stderr}`)
  return () => {
    spawnSync("umount", ["-l", folder])
  }
}

/** Fills a file system with one file, except for `keep` bytes. */
export const fillDisk = (folder: string, keep: number): string => {
  const { bavail, bsize } = statfsSync(folder)
  const ballast = join(folder, "ballast")
  try {
    writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - keep)))
  } catch (error) {
    // Postgres took the last bytes in the meantime: full is full.
    if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error
  }
  return ballast
}
