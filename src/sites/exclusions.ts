/** What of a site's events is left out: those of some pages, and of some visitors, such as the site's own people. */
import { AddressList } from "../domain/addressList.ts"

/** Whether a path is as a pattern says, in which `*` stands for any characters. Linear, whatever the pattern. */
export const isLike = (pattern: string, path: string): boolean => {
  const [first = "", ...others] = pattern.split("*")
  if (!path.startsWith(first)) return false
  const last = others.pop()
  if (last === undefined) return path === first
  let at = first.length
  for (const part of others) {
    const found = path.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return path.length - last.length >= at && path.endsWith(last)
}

export class Exclusions {
  readonly #paths: ReadonlyArray<string>
  readonly #addresses: AddressList

  constructor(paths: ReadonlyArray<string>, addresses: ReadonlyArray<string>) {
    this.#paths = paths
    this.#addresses = new AddressList(addresses)
  }

  hasPath(path: string): boolean {
    return this.#paths.some((pattern) => isLike(pattern, path))
  }

  hasAddress(address: string): boolean {
    return this.#addresses.has(address)
  }
}
