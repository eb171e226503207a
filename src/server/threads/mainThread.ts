/** In an HTTP thread: what it asks of the main one beside requests, and waits for: frames. And what it tells it: its dashboards' places. */
import type { Topic } from "../../domain/frames.ts"
import type { Hub } from "../dashboards/hub.ts"
import type { FollowedQuestion } from "../dashboards/liveQuestions.ts"
import type { PlaceRefusal, Places } from "../dashboards/places.ts"
import { STORE_ERROR_FRAME } from "../dashboards/protocol.ts"
import type { Asked, Told } from "./messages.ts"

type Following = { readonly type: "follow"; readonly question: FollowedQuestion }

export class MainThread implements Pick<Hub, "initialStats" | "firstFrame" | "follow">, Places {
  readonly #ask: (message: Asked) => void
  readonly #frames = new Map<number, (frame: string | null) => void>()
  readonly #places: Places
  #next = 0

  /** @param places those of the node */
  constructor(ask: (message: Asked) => void, places: Places) {
    this.#ask = ask
    this.#places = places
  }

  #frame(
    message: { readonly type: "frame"; readonly site: string; readonly topic: Topic | null } | Following,
  ): Promise<string | null> {
    return new Promise((resolve) => {
      const id = this.#next++
      this.#frames.set(id, resolve)
      this.#ask({ ...message, id })
    })
  }

  async initialStats(site: string): Promise<string> {
    return (await this.#frame({ type: "frame", site, topic: null })) ?? STORE_ERROR_FRAME
  }

  firstFrame(site: string, topic: Topic): Promise<string | null> {
    return this.#frame({ type: "frame", site, topic })
  }

  follow(question: FollowedQuestion): Promise<string | null> {
    return this.#frame({ type: "follow", question })
  }

  enter(address: string): PlaceRefusal | null {
    const refusal = this.#places.enter(address)
    if (refusal === null) this.#ask({ type: "entered", address })
    return refusal
  }

  leave(address: string): void {
    this.#places.leave(address)
    this.#ask({ type: "left", address })
  }

  /** Takes an answer. */
  answered({ id, frame }: Extract<Told, { readonly type: "frame" }>): void {
    this.#frames.get(id)?.(frame)
    this.#frames.delete(id)
  }
}
