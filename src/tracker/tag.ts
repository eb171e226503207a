/** The tag that has loaded the tracker, and what it says. */

/** A module has no `currentScript`; its tag is found by the file's name. */
export const script =
  (document.currentScript as HTMLScriptElement | null) ||
  document.querySelector<HTMLScriptElement>("script[src*='{{script}}']")

/** The tag's attributes. */
export const data = script?.dataset || {}

/**
 * The address that the script has, or the page's for one that stands in it. A name and a password in the page's address are in those that
 * follow from it, too; browsers send nothing to such a one.
 */
export const source = (script?.src || location.href).replace(/(\/\/)[^/]*@/, "$1")

const said: { [what: string]: true } = {}

/** Tells whoever sets the tracker up what they should know, on the browser's console: each thing once. */
export const warn = (what: unknown): void => {
  if (!said[`${what}`]) console.warn("maicivy:", what)
  said[`${what}`] = true
}
