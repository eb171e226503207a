/** A real Firefox, of the system's own build, which is driven by WebDriver BiDi. */
import { existsSync } from "node:fs"
import type { Browser } from "playwright-core"
import { canInstall, installFromDebian } from "../../src/embedded/debian.ts"
import { installed, wants } from "./wants.ts"

const { FIREFOX: NAMED } = process.env
const USUAL = ["/usr/bin/firefox-esr", "/usr/bin/firefox", "/snap/bin/firefox"]

/** What the setting of that name says, else the machine's; `undefined` where there is none. */
const find = (): string | undefined =>
  (NAMED === undefined ? USUAL : [NAMED]).find((path) => existsSync(path))

const FIREFOX = find()

/** Installs Debian's, as root where there is none, as Chromium is installed. What failed is said, and stops nothing. */
export const installFirefox = async (): Promise<void> => {
  if (find() !== undefined || NAMED !== undefined || !canInstall()) return
  console.log("No Firefox on this machine: installing Debian's package for the tests in a browser.")
  const failure = await installFromDebian(["firefox-esr", "firefox"])
  if (failure !== undefined) console.log(`Firefox could not be installed: ${failure}`)
}

/** Options of tests in it. */
export const wantsFirefox = wants(FIREFOX !== undefined, installed("Firefox", "firefox-esr"))

/** Starts it with these preferences; whoever asked closes it. */
export const launchFirefox = async (
  firefoxUserPrefs: { readonly [name: string]: boolean | number | string } = {},
): Promise<Browser> => {
  if (FIREFOX === undefined) throw new Error("There is no Firefox on this machine.")
  const { firefox } = await import("playwright-core")
  // The channel is what has it driven by WebDriver BiDi, and not by a protocol of Playwright's own build.
  const browser = await firefox.launch({
    executablePath: FIREFOX,
    channel: "moz-firefox",
    timeout: 0,
    firefoxUserPrefs: {
      // Clicks into another site's frame get there only where that is of the page's own process.
      "fission.webContentIsolationStrategy": 0,
      // Nobody's site is asked: this machine has none of that name.
      "network.dns.localDomains": "example.com",
      ...firefoxUserPrefs,
    },
  })
  withoutColourScheme(browser)
  return browser
}

/** Whatever is there, of a client whose types do not tell of it. */
const property = (of: unknown, name: string): unknown => Reflect.get(Object(of), name)

/** Playwright gives every context a colour scheme, by a command that the extended support release does not know yet. */
const withoutColourScheme = (browser: Browser): void => {
  const connection = property(browser, "_connection")
  const toServer = property(connection, "toImpl")
  const session = typeof toServer === "function" ? property(toServer(browser), "_browserSession") : undefined
  const send = property(session, "send")
  if (typeof send !== "function") throw new Error("Playwright keeps its session elsewhere now.")
  Reflect.set(Object(session), "send", (method: string, ...rest: ReadonlyArray<unknown>) =>
    method === "emulation.setMediaFeaturesOverride"
      ? Promise.resolve({})
      : Reflect.apply(send, session, [method, ...rest]),
  )
}
