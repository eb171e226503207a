/**
 * The WebSocket, kept open:
 *
 * - `connecting`: the first try, or one after a loss
 * - `open`: frames arrive; the server sends one at least every 5 seconds
 * - `waiting`: lost; tried again after a pause (`backoff.ts`), or at once when the browser comes back online or the page into
 *   view
 *
 * A connection that has been silent for {@link SILENCE_MS} counts as lost: after a sleep or a change of networks a socket can
 * stay open with nobody at the other end.
 */
import type { Topic } from "../../domain/frames.ts"
import { WEBSOCKET_PATH } from "../../domain/paths.ts"
import type { Followed } from "./asking.ts"
import { pauseMs } from "./backoff.ts"
import { decodeFrame, type Frame } from "./decode.ts"
import { urlBelow } from "./place.ts"
import { shareToken } from "./share.ts"
import type { ConnectionState } from "./state.ts"

const SILENCE_MS = 16_000
/** With this the server closes a connection whose access was revoked, or is to something else now. */
const POLICY_VIOLATION = 1008
/** What every connection is subscribed to at first. */
const INITIAL: ReadonlyArray<Topic> = ["stats", "events"]

export interface ConnectionOptions {
  readonly site: string | null
  /** What is subscribed to first. */
  readonly topics: ReadonlyArray<Topic>
  readonly onState: (state: ConnectionState) => void
  readonly onFrame: (frame: Frame) => void
  /** What the reader may see is something else now. */
  readonly onRevoked?: () => void
}

export interface Connection {
  /** Follows questions, and others no longer; nothing while there is no connection. */
  readonly ask: (begun: Followed, ended: ReadonlyArray<string>) => void
  /** Subscribes to other topics instead. */
  readonly follow: (topics: ReadonlyArray<Topic>) => void
  readonly close: () => void
}

/**
 * Connects and stays connected until it is closed. Long: the handlers of one socket, over the state that they share.
 */
export const connect = ({ site, topics, onState, onFrame, onRevoked }: ConnectionOptions): Connection => {
  let followed = topics
  let socket: WebSocket | null = null
  let timer = 0
  let silence = 0
  let tries = 0
  let ended = false

  const say = (type: "subscribe" | "unsubscribe", topics: ReadonlyArray<Topic>) => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type, topics }))
  }

  const ask = (begun: Followed, ended: ReadonlyArray<string>) => {
    if (socket?.readyState !== WebSocket.OPEN) return
    const topics = ["query"]
    if (ended.length > 0) socket.send(JSON.stringify({ type: "unsubscribe", topics, queries: ended }))
    if (begun.size > 0)
      socket.send(JSON.stringify({ type: "subscribe", topics, queries: Object.fromEntries(begun) }))
  }

  const heard = () => {
    clearTimeout(silence)
    silence = window.setTimeout(lost, SILENCE_MS)
  }

  const drop = () => {
    clearTimeout(silence)
    clearTimeout(timer)
    const old = socket
    socket = null
    old?.close()
  }

  const lost = () => {
    drop()
    if (ended) return
    const pause = pauseMs(tries++, Math.random())
    onState({ is: "waiting", until: Date.now() + pause })
    timer = window.setTimeout(open, pause)
  }

  const open = () => {
    drop()
    onState({ is: "connecting" })
    const url = urlBelow(WEBSOCKET_PATH.slice(1))
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:"
    if (site !== null) url.searchParams.set("site", site)
    const share = shareToken()
    if (share !== null) url.searchParams.set("share", share)
    const opened = new WebSocket(url)
    socket = opened
    heard()
    opened.addEventListener("open", () => {
      if (socket !== opened) return
      tries = 0
      say("subscribe", followed)
      const unwanted = INITIAL.filter((topic) => !followed.includes(topic))
      if (unwanted.length > 0) say("unsubscribe", unwanted)
      onState({ is: "open" })
    })
    opened.addEventListener("message", ({ data }) => {
      if (socket !== opened) return
      heard()
      const frame = decodeFrame(String(data))
      if (frame !== null) onFrame(frame)
    })
    opened.addEventListener("close", ({ code }) => {
      if (socket !== opened) return
      if (code === POLICY_VIOLATION) onRevoked?.()
      lost()
    })
  }

  const nudge = () => {
    if (socket === null && document.visibilityState === "visible") {
      tries = 0
      open()
    }
  }
  window.addEventListener("online", nudge)
  document.addEventListener("visibilitychange", nudge)
  open()
  return {
    ask,
    follow: (next) => {
      const gone = followed.filter((topic) => !next.includes(topic))
      if (gone.length > 0) say("unsubscribe", gone)
      followed = next
      say("subscribe", followed)
    },
    close: () => {
      ended = true
      drop()
      window.removeEventListener("online", nudge)
      document.removeEventListener("visibilitychange", nudge)
    },
  }
}
