/** `GET /openapi.json`: the document as bytes, made when it is first asked for. */
import { gzipSync } from "node:zlib"
import { type Exchange, JSON_TYPE } from "../../http/exchange.ts"
import { type OpenApiOptions, openApiDocument } from "./document.ts"

const PLAIN = "Cache-Control: no-cache\r\nVary: Accept-Encoding\r\n"

export class OpenApi {
  readonly #options: OpenApiOptions
  #bytes: { readonly plain: Buffer; readonly gzipped: Buffer } | null = null

  constructor(options: OpenApiOptions) {
    this.#options = options
  }

  answer(exchange: Exchange): void {
    if (this.#bytes === null) {
      const plain = Buffer.from(JSON.stringify(openApiDocument(this.#options)))
      this.#bytes = { plain, gzipped: gzipSync(plain) }
    }
    if (exchange.headers.gzip)
      exchange.answer("200 OK", JSON_TYPE, this.#bytes.gzipped, {
        lines: `${PLAIN}Content-Encoding: gzip\r\n`,
      })
    else exchange.answer("200 OK", JSON_TYPE, this.#bytes.plain, { lines: PLAIN })
  }
}
