/** Whether a file is there. */

/** Whether something has failed because there is no such file: it, or a folder above it, is missing, or what should be that folder is a file. */
export const isMissing = (cause: unknown): boolean =>
  cause instanceof Error && "code" in cause && (cause.code === "ENOENT" || cause.code === "ENOTDIR")
