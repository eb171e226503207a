/** The program that tests start: the bundle of the current sources, as users start it, which costs a start half as much as sources do. */
import { entryOf } from "../../scripts/bundleFolder.mjs"
import { ROOT } from "./documents.ts"

/** The path of what a node and every command begin with; the set-up of the tests has made it. */
export const PROGRAM = entryOf(ROOT)

/** The command that starts a node. */
export const NODE: ReadonlyArray<string> = ["node", PROGRAM]
