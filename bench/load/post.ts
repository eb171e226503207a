/** Posts batches from the bench's own process, for scenarios that do not measure the load. */
import { API_PATH } from "../../src/domain/paths.ts"

const CONNECTIONS = 8

/** Posts arrays of events until `next` returns no more. Fails unless each gets a 201 with all events accepted. */
export const postBatches = async (url: string, next: () => ReadonlyArray<object> | null): Promise<void> => {
  const sender = async () => {
    for (let events = next(); events !== null; events = next()) {
      const response = await fetch(`${url}${API_PATH}/events`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(events),
      })
      const text = await response.text()
      if (response.status !== 201 || !text.includes(`"accepted":${events.length},`))
        throw new Error(`a batch was answered ${response.status} ${text.slice(0, 300)}`)
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, sender))
}
