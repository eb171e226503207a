/** Postgres' advisory locks, once: what only one node of the cluster may do at a time. */

const lock = (name: string) => `hashtext('maicivy-analytics'), hashtext('${name}')`

/** Arguments of `pg_advisory_xact_lock` and its kin, by what they guard. */
export const LOCKS = {
  migrate: lock("migrate"),
  retention: lock("retention"),
  chunks: lock("chunks"),
} as const
