/** uWebSockets.js, with the settings that have to be made before it is loaded. */
import { createRequire } from "node:module"

// Read once while the binary loads; its default of 4 KiB is less than browsers' cookies may take.
process.env.UWS_HTTP_MAX_HEADERS_SIZE ??= String(16 * 1024)

const load = (): typeof import("uWebSockets.js") => createRequire(import.meta.url)("uWebSockets.js")

export const uws = load()

// Undocumented: the library's own switch for leaving its name out of every answer.
const configure: unknown = Reflect.get(uws, "_cfg")
if (typeof configure === "function") configure("999999990007")
