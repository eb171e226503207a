/** Listening on a port, and why that fails. */
import type { TemplatedApp, us_listen_socket } from "uWebSockets.js"
import { createServer } from "node:net"
import { TaggedError } from "effect/Data"
import * as Effect from "effect/Effect"

/** A port cannot be listened on. The message is one sentence: the setting, its value and what it should be. */
export class ListenError extends TaggedError("ListenError")<{ readonly message: string }> {}

/** `LIBUS_LISTEN_EXCLUSIVE_PORT`: without it a second server starts on the same port and takes half of the connections. */
const EXCLUSIVE_PORT = 1

/** Why a port cannot be listened on, which uWebSockets.js does not say. */
const listenFailure = (host: string, port: number): Promise<string> =>
  new Promise((resolve) => {
    const probe = createServer()
    probe.once("error", (cause) => {
      const code = "code" in cause ? String(cause.code) : cause.message
      resolve(
        code === "EADDRINUSE"
          ? `PORT is ${port}: it should be a port that nothing else listens on at ${host}.`
          : code === "EACCES"
            ? `PORT is ${port}: it should be a port that this user may listen on.`
            : `HOST is ${JSON.stringify(host)}: it should be an address of this machine (${code}).`,
      )
    })
    probe.listen({ host, port, exclusive: true }, () =>
      probe.close(() =>
        resolve(`PORT is ${port}: it should be a port that nothing else listens on at ${host}.`),
      ),
    )
  })

/** Makes the app listen on a port of one of this machine's addresses; the system chooses the port if 0 is given. */
export const listen = (
  app: TemplatedApp,
  host: string,
  port: number,
): Effect.Effect<us_listen_socket, ListenError> =>
  Effect.callback<us_listen_socket | null>((resume) => {
    const listening = (socket: us_listen_socket | false) => resume(Effect.succeed(socket || null))
    // The library takes host and option together; its types know no such overload.
    Reflect.apply(app.listen, app, [host, port, EXCLUSIVE_PORT, listening])
  }).pipe(
    Effect.flatMap((socket) =>
      socket === null
        ? Effect.flatMap(
            Effect.promise(() => listenFailure(host, port)),
            (message) => new ListenError({ message }),
          )
        : Effect.succeed(socket),
    ),
  )
