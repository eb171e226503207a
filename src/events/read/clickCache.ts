/** The clicks of chunks, as this node has read them. A chunk never changes, so that they are read once. */

/** The clicks of a chunk. */
export interface ChunkClicks {
  /** The chunk's pages, as `pageKey` has them; empty where an event names none. */
  readonly pages: ReadonlyArray<string>
  /** Of each click, where its page is among them, from 0. */
  readonly page: Uint16Array
  readonly x: Float64Array
  readonly y: Float64Array
}

/** Bytes of a chunk beside its clicks, about: its key and its objects. */
const CHUNK_BYTES = 700
const CLICK_BYTES = 2 + 8 + 8
/** Bytes of a page beside its text, which chunks that are read together share. */
const PAGE_BYTES = 32

const bytesOf = ({ pages, x }: ChunkClicks): number =>
  CHUNK_BYTES + CLICK_BYTES * x.length + pages.reduce((sum, page) => sum + PAGE_BYTES + page.length, 0)

export interface ClickLimits {
  /** Bytes of what is kept, about. */
  readonly maxBytes: number
  /** Clicks of one answer that are counted here: what that takes keeps this thread from everything else. */
  readonly maxClicks: number
}

/** What is kept by the chunks' keys, within a bound; that which nobody has asked for the longest goes first. */
export class ClickCache {
  readonly limits: ClickLimits
  readonly #chunks = new Map<string, ChunkClicks>()
  #bytes = 0

  constructor(limits: ClickLimits) {
    this.limits = limits
  }

  get(key: string): ChunkClicks | undefined {
    const clicks = this.#chunks.get(key)
    if (clicks === undefined) return undefined
    this.#chunks.delete(key)
    this.#chunks.set(key, clicks)
    return clicks
  }

  add(key: string, clicks: ChunkClicks): void {
    if (this.#chunks.has(key)) return
    this.#chunks.set(key, clicks)
    this.#bytes += bytesOf(clicks)
    for (const [oldest, gone] of this.#chunks) {
      if (this.#bytes <= this.limits.maxBytes) return
      this.#chunks.delete(oldest)
      this.#bytes -= bytesOf(gone)
    }
  }
}
