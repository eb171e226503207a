/** The schema of Postgres: its migrations and version, the deployment that it is for, its sites, and a table for each day of events. */
export { ensureDaysIn, ensureEventDays, hasDay, KnownEventDays, upcomingDays } from "./dayTables.ts"
export {
  type DeploymentIdentity,
  deploymentIdentity,
  ensureDeployment,
  FENCE_ALL,
  hasDeployment,
  INSERT_STREAM_PARTITIONS,
  MARK_FINISHED,
  MARK_UNFINISHED,
  partitionEpochs,
  type RestoreUnfinished,
  requireFinishedRestore,
  storedDeployment,
} from "./deployment.ts"
export { migrate, migrateUpTo, TABLES } from "./migrate.ts"
export { requireKnownSchema, SchemaTooNew, SELECT_NEWEST, tooNew } from "./schemaVersion.ts"
export { ensureSites, INSERT_MISSING_SITES, KnownSites } from "./sites.ts"
