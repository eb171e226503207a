import { expect, test } from "vitest"
import { addressOf, overPage } from "../../../src/dashboard/model/clicks.ts"

test.each([
  ["cv.example", "/cv?theme=x", "https://cv.example/cv?theme=x"],
  ["localhost:3000", "/", "http://localhost:3000/"],
  ["127.0.0.1:8080", "/cv", "http://127.0.0.1:8080/cv"],
  ["localhost.example", "start", "https://localhost.example/start"],
])("a page of %s, %s, is at %s", (host, page, address) => {
  expect(addressOf(host, page)).toBe(address)
})

test.each([
  ["https://cv.example/é?a=b#c", "https://cv.example/%C3%A9?a=b#maicivy-heatmap=mah_x.y"],
  ["cv.example/cv", null],
  ["javascript:alert(1)", null],
  ["", null],
])("the clicks over %j are at %j", (address, over) => {
  expect(overPage(address, "mah_x.y")).toBe(over)
})
