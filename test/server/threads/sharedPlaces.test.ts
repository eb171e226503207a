import { expect, test } from "vitest"
import { SharedPlaces } from "../../../src/server/threads/sharedPlaces.ts"
import { tableMemory } from "../../../src/server/threads/sharedTable.ts"

const placesOf = (wsMaxConnections: number, wsMaxConnectionsPerIp: number) => {
  const memory = tableMemory()
  const of = (thread: number) => new SharedPlaces({ wsMaxConnections, wsMaxConnectionsPerIp }, memory, thread)
  return { memory, here: of(0), there: of(1), of }
}

test("an address has its places on all threads together, and has them again when it has left", () => {
  const { here, there } = placesOf(100, 3)
  expect([here.enter("a"), there.enter("a"), here.enter("a")]).toEqual([null, null, null])
  for (const thread of [here, there]) expect(thread.enter("a")).toBe("CONNECTION_LIMIT")
  expect(there.enter("b")).toBeNull()
  // Whichever thread says so.
  there.leave("a")
  expect([here.enter("a"), there.enter("a")]).toEqual([null, "CONNECTION_LIMIT"])
})

test("the node has its places, whoever takes them", () => {
  const { here, there } = placesOf(3, 100)
  expect([here.enter("a"), there.enter("b"), there.enter("b")]).toEqual([null, null, null])
  for (const address of ["a", "b", "c"]) expect(here.enter(address)).toBe("TOO_MANY_CONNECTIONS")
  here.leave("b")
  expect([there.enter("c"), there.enter("c")]).toEqual([null, "TOO_MANY_CONNECTIONS"])
})

test("more addresses than are counted have the node's limit only, and what leaves is given back", () => {
  const addresses = Array.from({ length: 150_000 }, (_, i) => `10.${i}`)
  const { here, there } = placesOf(addresses.length, 1)
  for (const address of addresses) expect(here.enter(address)).toBeNull()
  expect(there.enter("another")).toBe("TOO_MANY_CONNECTIONS")
  for (const address of addresses) there.leave(address)
  for (const address of addresses) expect(here.enter(address)).toBeNull()
  expect(here.enter("another")).toBe("TOO_MANY_CONNECTIONS")
})

test("the lock of a thread that has ended while it had it is given back", () => {
  const { memory, here, of } = placesOf(1, 1)
  // As the thread has left it.
  new Int32Array(memory, 0, 1)[0] = 2
  of(1).ended()
  expect(here.enter("a")).toBeNull()
})
