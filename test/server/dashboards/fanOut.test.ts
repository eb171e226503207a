import type { RecognizedString } from "uWebSockets.js"
import { afterEach, expect, test } from "vitest"
import { GROUPS } from "../../../src/live/budget.ts"
import { Metrics } from "../../../src/metrics/metrics.ts"
import { FanOut, type Listener } from "../../../src/server/dashboards/fanOut.ts"
import { uws } from "../../../src/server/http/uws.ts"
import { eventually } from "../../support/index.ts"
import { metricValue } from "../../support/server.ts"

const ending: Array<() => void> = []
afterEach(() => {
  for (const end of ending.splice(0).reverse()) end()
})

/** A server whose connections listen to `topic`, and N connections to it with the frames that each has received. */
const connected = async (connections: number) => {
  const app = uws.App()
  /** Frames in the order in which they were handed to shards. */
  const handed: Array<unknown> = []
  const metrics = new Metrics("test_")
  const recording = {
    publish: (topic: string, frame: RecognizedString) => {
      handed.push(frame)
      return app.publish(topic, frame)
    },
    numSubscribers: (topic: string) => app.numSubscribers(topic),
  }
  const fanOut = new FanOut(recording, metrics)
  app.ws<Listener>("/*", {
    upgrade: (res, req, context) =>
      res.upgrade<Listener>(
        { shard: fanOut.shard(), topics: new Set() },
        req.getHeader("sec-websocket-key"),
        "",
        req.getHeader("sec-websocket-extensions"),
        context,
      ),
    open: (ws) => {
      expect(fanOut.subscribe(ws, "topic")).toBe(true)
      expect(fanOut.subscribe(ws, "topic")).toBe(false)
    },
    message: (ws) => fanOut.unsubscribe(ws, "topic"),
    close: (ws) => fanOut.left(ws.getUserData()),
  })
  const port = await new Promise<number>((resolve, reject) => {
    app.listen("127.0.0.1", 0, (socket) =>
      socket === false ? reject(new Error("no port is free")) : resolve(uws.us_socket_local_port(socket)),
    )
  })
  ending.push(() => {
    fanOut.stop()
    app.close()
  })
  const clients = Array.from({ length: connections }, () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`)
    const frames: Array<unknown> = []
    socket.addEventListener("message", ({ data }) => frames.push(data))
    return { socket, frames }
  })
  await eventually(() => {
    expect(fanOut.listeners("topic")).toBe(connections)
    // The server has a connection a moment before its client knows.
    expect(clients.every(({ socket }) => socket.readyState === WebSocket.OPEN)).toBe(true)
  })
  const sent = () => metricValue(metrics, "websocket_messages_total", { direction: "out" })
  return { fanOut, clients, handed, sent }
}

test("every listener gets every frame in order, though each round takes several turns", async () => {
  const { fanOut, clients, sent } = await connected(300)
  fanOut.publish("topic", "first")
  fanOut.publish("topic", "second")
  fanOut.publish("elsewhere", "nobody listens")
  // While the first round is under way.
  setImmediate(() => fanOut.publish("topic", "third"))
  await eventually(() =>
    expect(new Set(clients.map(({ frames }) => frames.join()))).toEqual(new Set(["first,second,third"])),
  )
  expect(await sent()).toBe(3 * 300)
})

test("who has unsubscribed or left is sent nothing more and not counted", async () => {
  const { fanOut, clients } = await connected(3)
  const [stays, unsubscribes, leaves] = clients
  unsubscribes?.socket.send("any")
  leaves?.socket.close()
  await eventually(() => expect(fanOut.listeners("topic")).toBe(1))
  fanOut.publish("topic", "frame")
  await eventually(() => expect(stays?.frames).toEqual(["frame"]))
  expect(unsubscribes?.frames).toEqual([])
})

test("a group's frames go to its listeners only, and those that are to be there soon before what others wait for", async () => {
  const { fanOut, clients, handed, sent } = await connected(2 * GROUPS)
  for (let group = 0; group < GROUPS; group++) expect(fanOut.listeners("topic", group)).toBe(2)
  fanOut.publish("topic", "for all")
  fanOut.publish("topic", "for one", { group: GROUPS - 1, soon: true })
  await eventually(() =>
    expect(clients.map(({ frames }) => frames.join()).sort()).toEqual([
      ...Array.from({ length: 2 * GROUPS - 2 }, () => "for all"),
      "for all,for one",
      "for all,for one",
    ]),
  )
  // Of all that was handed over, the last that was for one of the group's shards.
  const shards = handed.filter((frame) => frame === "for one").length
  expect(handed.lastIndexOf("for one")).toBe(2 * shards - 1)
  expect(await sent()).toBe(2 * GROUPS + 2)
})
