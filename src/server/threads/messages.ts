/** What the HTTP threads of a node say to its main thread and are told. `id` numbers what a thread has asked, from 0. */
import type { Known } from "../../access/known.ts"
import type { Refusal, Topic } from "../../domain/frames.ts"
import type { SiteRow } from "../../sites/index.ts"
import type { PublishOptions } from "../dashboards/fanOut.ts"
import type { FollowedQuestion } from "../dashboards/liveQuestions.ts"

/** A request that a thread has taken and hands over. */
export interface HandedRequest {
  readonly id: number
  readonly method: string
  readonly path: string
  readonly query: string
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>
  /** Of the socket, binary. */
  readonly address: ArrayBuffer
  /** What a proxy has told of the client with the PROXY protocol, binary; empty if none has. */
  readonly proxiedAddress: ArrayBuffer
}

/** What an answer begins with. */
export interface Head {
  readonly status: string
  readonly headers: ReadonlyArray<readonly [name: string, value: string | Uint8Array]>
}

export type Asked =
  /** It takes connections from now on; the name by which uWebSockets.js knows its app. */
  | { readonly type: "listening"; readonly descriptor: unknown }
  | { readonly type: "request"; readonly request: HandedRequest }
  | { readonly type: "body"; readonly id: number; readonly chunk: ArrayBuffer; readonly isLast: boolean }
  /** The client has caught up with the last part of an answer. */
  | { readonly type: "writable"; readonly id: number }
  /** The client has left before the end of its answer. */
  | { readonly type: "aborted"; readonly id: number }
  /** How many more of the thread's dashboards listen to a topic, in a group. */
  | { readonly type: "listeners"; readonly topic: string; readonly group: number; readonly change: number }
  /** For a first frame: of a topic, or of the figures that every dashboard begins with. */
  | { readonly type: "frame"; readonly id: number; readonly site: string; readonly topic: Topic | null }
  /** For what a dashboard is sent that begins to follow a question; answered as for a frame. */
  | { readonly type: "follow"; readonly id: number; readonly question: FollowedQuestion }
  /** Events that it has refused. */
  | { readonly type: "refused"; readonly refusals: ReadonlyArray<Refusal> }
  /** An API key was used. */
  | { readonly type: "used"; readonly key: number }
  /** It has a dashboard more of an address, and one less. */
  | { readonly type: "entered" | "left"; readonly address: string }
  /** It has met a fault that it cannot go on from, and ends once it gets no more connections. */
  | { readonly type: "failing" }

export type Told =
  | {
      readonly type: "answer"
      readonly id: number
      readonly head: Head
      readonly body: string | Uint8Array
      readonly close: boolean
    }
  /** An answer without its body, whose length may be told. */
  | {
      readonly type: "empty"
      readonly id: number
      readonly head: Head
      readonly length: number | undefined
      readonly close: boolean
    }
  /** An answer whose parts and end follow. */
  | { readonly type: "begin"; readonly id: number; readonly head: Head; readonly part: string }
  | { readonly type: "part"; readonly id: number; readonly part: string }
  | { readonly type: "end"; readonly id: number; readonly close: boolean }
  /** The connection is broken. */
  | { readonly type: "break"; readonly id: number }
  | { readonly type: "frame"; readonly id: number; readonly frame: string | null }
  | {
      readonly type: "publish"
      readonly topic: string
      readonly frame: string
      readonly options: PublishOptions
    }
  /** Who has access from now on. */
  | { readonly type: "known"; readonly known: Known }
  /** What is known of sites from now on. */
  | { readonly type: "sites"; readonly rows: ReadonlyArray<SiteRow> }
  /** The node will stop, in so many milliseconds. */
  | { readonly type: "drain"; readonly milliseconds: number }
  /** It gets no more connections. */
  | { readonly type: "unlisted" }
