import { Validator } from "@seriousme/openapi-schema-validator"
import { describe, expect, test } from "vitest"
import { openApiDocument } from "../../../src/server/openapi/document.ts"
import { matching } from "../../../src/server/openapi/schema.ts"
import { Contract } from "../../../src/tools/doctor/contract.ts"
import { served } from "../../support/routes.ts"

const OPTIONS = { sites: ["main", "blog"] }

describe("the OpenAPI document", () => {
  test.each([OPTIONS, { sites: ["main"] }])("is OpenAPI 3.1: %o", async (options) => {
    const document: Record<string, unknown> = JSON.parse(JSON.stringify(openApiDocument(options)))
    const validator = new Validator()
    expect(await validator.validate(document)).toMatchObject({ valid: true })
    expect(validator.version).toBe("3.1")
    expect(await new Validator().validate({ ...document, paths: { health: {} } })).toMatchObject({
      valid: false,
    })
  })

  test("has every route with its methods, and no other", () => {
    const { operations } = new Contract(openApiDocument(OPTIONS))
    const documented = operations.map(({ method, path }) => `${method} ${path}`)
    expect([...documented].sort()).toEqual([...served()].sort())
  })

  test("names each operation once", () => {
    const { paths } = openApiDocument(OPTIONS)
    const names = Object.values(paths).flatMap((item) => Object.values(item).map((each) => each.operationId))
    expect(new Set(names).size).toBe(names.length)
  })

  test("spells letters in both cases where an expression ignores case", () => {
    const { pattern } = matching(/^[0-9a-f]x-\d$/i)
    expect(new RegExp(String(pattern)).test("FX-1")).toBe(true)
    expect(new RegExp(String(pattern)).test("gX-1")).toBe(false)
  })
})
