/** In an HTTP thread: what it asks of the main one beside requests, and waits for: frames, and places for dashboards. */
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
  readonly #places = new Map<number, (refusal: PlaceRefusal | null) => void>()
  #next = 0

  constructor(ask: (message: Asked) => void) {
    this.#ask = ask
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

  enter(address: string, done: (refusal: PlaceRefusal | null) => void): void {
    const id = this.#next++
    this.#places.set(id, done)
    this.#ask({ type: "enter", id, address })
  }

  leave(address: string): void {
    this.#ask({ type: "leave", address })
  }

  /** Takes an answer. */
  answered(message: Extract<Told, { readonly type: "frame" | "entered" }>): void {
    if (message.type === "frame") {
      this.#frames.get(message.id)?.(message.frame)
      this.#frames.delete(message.id)
    } else {
      this.#places.get(message.id)?.(message.refusal)
      this.#places.delete(message.id)
    }
  }
}
