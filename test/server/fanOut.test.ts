import { afterEach, expect, test } from "vitest"
import { FanOut, type Listener } from "../../src/server/fanOut.ts"
import { uws } from "../../src/server/uws.ts"
import { eventually } from "../support/index.ts"

const ending: Array<() => void> = []
afterEach(() => {
  for (const end of ending.splice(0).reverse()) end()
})

/** A server whose connections listen to `topic`, and so many connections to it with the frames that each has had. */
const connected = async (connections: number) => {
  const app = uws.App()
  const fanOut = new FanOut(app)
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
  await eventually(() => expect(fanOut.listeners("topic")).toBe(connections))
  return { fanOut, clients }
}

test("every listener gets every frame in order, though each round takes several turns", async () => {
  const { fanOut, clients } = await connected(300)
  fanOut.publish("topic", "first")
  fanOut.publish("topic", "second")
  fanOut.publish("elsewhere", "nobody listens")
  // While the first round is under way.
  setImmediate(() => fanOut.publish("topic", "third"))
  await eventually(() =>
    expect(new Set(clients.map(({ frames }) => frames.join()))).toEqual(new Set(["first,second,third"])),
  )
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
