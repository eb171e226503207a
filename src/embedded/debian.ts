/** Packages of Debian and its derivatives. */
import { onPath, runProgram } from "./program.ts"

const INSTALL_WITHIN_MS = 300_000

/** Whether this process may install packages here. */
export const canInstall = (): boolean => process.getuid?.() === 0 && onPath("apt-get") !== undefined

/** Installs the first of these packages that there is. Returns why none could be; `undefined` when one is installed. */
export const installFromDebian = async (packages: ReadonlyArray<string>): Promise<string | undefined> => {
  const apt = (...args: ReadonlyArray<string>) =>
    runProgram("apt-get", ["-qq", "-o", "DPkg::Lock::Timeout=120", ...args], {
      timeout: INSTALL_WITHIN_MS,
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    })
  const updated = await apt("update")
  let failed = updated
  for (const name of packages) {
    failed = await apt("install", "-y", "--no-install-recommends", name)
    if (failed.ok) return undefined
  }
  return [updated, failed]
    .filter((step) => !step.ok)
    .map((step) => step.output.trim().split("\n").slice(-3).join(" "))
    .join(" / ")
}
