/**
 * The yardstick, in its own process: uWebSockets.js that parses the JSON of a POST, sends the same response as the
 * product, and publishes a message to every WebSocket when its parent says so. It stores nothing.
 */
import type { WebSocket } from "uWebSockets.js"
import { uws } from "../../src/server/http/uws.ts"

const ANSWER = '{"success":true,"message":"Event tracked successfully"}'
const TOPIC = "all"

const app = uws.App()

app.post("/*", (res) => {
  const chunks: Array<Buffer> = []
  res.onAborted(() => {})
  res.onData((chunk, last) => {
    chunks.push(Buffer.from(Buffer.from(chunk)))
    if (!last) return
    JSON.parse(Buffer.concat(chunks).toString("utf8"))
    res.cork(() => {
      res
        .writeStatus("201 Created")
        .writeHeader("Content-Type", "application/json; charset=utf-8")
        .end(ANSWER)
    })
  })
})
app.get("/*", (res) => {
  res.end("ok")
})
app.ws<null>("/*", {
  idleTimeout: 60,
  sendPingsAutomatically: true,
  open: (ws: WebSocket<null>) => {
    ws.subscribe(TOPIC)
  },
})
app.listen("127.0.0.1", 0, (socket) => {
  if (socket === false) throw new Error("no port is free")
  process.send?.({ port: uws.us_socket_local_port(socket) })
})

process.on("message", (message) => {
  if (
    typeof message === "object" &&
    message !== null &&
    "publish" in message &&
    typeof message.publish === "string"
  )
    app.publish(TOPIC, message.publish)
})
process.on("disconnect", () => process.exit())
