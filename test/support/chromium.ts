/** A real browser. Where there is none, tests that need it are skipped, and say so. */
import { existsSync } from "node:fs"
import { type Browser, chromium } from "playwright-core"

const { CHROMIUM: NAMED } = process.env
const USUAL = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]

/** What the setting of that name says, else the machine's; `undefined` where there is none. */
export const CHROMIUM = (NAMED === undefined ? USUAL : [NAMED]).find((path) => existsSync(path))

if (CHROMIUM === undefined)
  console.log("Tests in a browser are skipped: there is no Chromium (Debian: apt install chromium).")

/** Starts it; whoever asked closes it. */
export const launch = (): Promise<Browser> => {
  if (CHROMIUM === undefined) throw new Error("There is no Chromium on this machine.")
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      ...[
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-sync",
      ],
      ...["--disable-background-networking", "--disable-component-update", "--font-render-hinting=none"],
    ],
  })
}
