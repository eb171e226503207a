/** The server's time, by what its frames say: figures are of its day and hour, however wrong the reader's clock is. */

/** Milliseconds that the clocks differ by before the reader's own is not believed: frames tell whole seconds, and travel. */
const TRUSTED_MS = 3000

export class ServerClock {
  #ahead = 0

  /** A frame said that it is `seconds` (unix); `at` is the reader's time, unix milliseconds. */
  heard(seconds: number, at: number): void {
    const ahead = seconds * 1000 - at
    // Within a second of each other nothing has to jump.
    this.#ahead = Math.abs(ahead) < TRUSTED_MS ? 0 : ahead
  }

  /** The server's time at a time of the reader's, unix milliseconds. */
  now(at: number): number {
    return at + this.#ahead
  }
}
