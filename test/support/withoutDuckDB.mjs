// Preloaded into a process (`--import`): a platform for which there is no DuckDB.
import { registerHooks } from "node:module"

registerHooks({
  resolve: (specifier, context, next) => {
    if (specifier.startsWith("@duckdb/"))
      throw Object.assign(new Error(`Cannot find package '${specifier}'`), { code: "ERR_MODULE_NOT_FOUND" })
    return next(specifier, context)
  },
})
