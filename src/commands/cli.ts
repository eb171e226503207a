/** The commands beside `serve`, each with its own `--help`. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import { Argument, Command, Flag } from "effect/cli"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import packageJson from "../../package.json" with { type: "json" }
import { type AppConfig, loadConfig, SETTINGS } from "../config/settings.ts"
import { nodeUrl } from "../domain/paths.ts"
import { prepareStores } from "../node/openStores.ts"
import { loggingLayer } from "../runtime/logging.ts"
import { backUp, exportErasures, restore, verify } from "./backup.ts"
import { dropLetter, listLetters, replayLetters } from "./deadLetters.ts"
import { doctor } from "./doctor.ts"
import { checkHealth } from "./health.ts"
import { move } from "./move.ts"
import { rebuild } from "./rebuild.ts"
import { describeRetention, retain } from "./retention.ts"
import { serveUntilStopped } from "./serve.ts"
import { withStores } from "./stores.ts"

/** Runs a command's body with the settings, the logger and a scope. */
const withConfig = <A, E, R>(body: (config: AppConfig) => Effect.Effect<A, E, R>) =>
  loadConfig.pipe(
    Effect.flatMap((config) =>
      Effect.scoped(body(config)).pipe(Effect.provide(loggingLayer(config.logLevel))),
    ),
  )

const serve = Command.make("serve", {}, () => withConfig(serveUntilStopped)).pipe(
  Command.withDescription("Serve HTTP and WebSocket and process events (the default command)"),
)

const migrate = Command.make("migrate", {}, () =>
  withConfig((config) =>
    Effect.gen(function* () {
      yield* prepareStores(config, yield* withStores(config))
      yield* Console.log("The schema is up to date.")
    }),
  ),
).pipe(Command.withDescription("Bring the Postgres schema up to date"))

const retention = Command.make(
  "retention",
  {
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("Say what would go and delete nothing"),
      Flag.withDefault(false),
    ),
    days: Flag.Int("days").pipe(
      Flag.withDescription("Days to keep, instead of RETENTION_DAYS"),
      Flag.optional,
    ),
    cursor: Flag.Boolean("cursor").pipe(
      Flag.withDescription("Delete in cursor batches even where a whole table partition could be dropped"),
      Flag.withDefault(false),
    ),
  },
  ({ dryRun, days, cursor }) =>
    withConfig((config) =>
      Effect.gen(function* () {
        const stores = yield* withStores(config)
        yield* prepareStores(config, stores)
        const command = {
          dryRun,
          dropTables: !cursor,
          retentionDays: Option.getOrElse(days, () => config.retentionDays),
        }
        const report = yield* retain(config, stores, command, Date.now)
        yield* Console.log(describeRetention(report))
      }),
    ),
).pipe(Command.withDescription("Delete raw events older than the retention now, as the schedule does"))

const rebuildCommand = Command.make(
  "rebuild",
  {
    partitions: Flag.Int("partitions").pipe(
      Flag.withDescription(
        "Change the number of partitions; every node must be stopped and the streams empty",
      ),
      Flag.optional,
    ),
    timeZone: Flag.String("time-zone").pipe(
      Flag.withDescription(
        "Change the time zone of days, weeks and months; every node must be stopped and the streams empty",
      ),
      Flag.optional,
    ),
    adoptRedis: Flag.Boolean("adopt-redis").pipe(
      Flag.withDescription(
        "Make what Redis has of another database this one's; every node of both must be stopped",
      ),
      Flag.withDefault(false),
    ),
  },
  ({ partitions, timeZone, adoptRedis }) =>
    withConfig((config) =>
      Effect.gen(function* () {
        const stores = yield* withStores(config)
        const command = {
          partitions: Option.getOrNull(partitions),
          timeZone: Option.getOrNull(timeZone),
          adoptRedis,
        }
        yield* rebuild(config, stores, command, Date.now)
      }),
    ),
).pipe(Command.withDescription("Recompute every figure in Redis from Postgres, while events keep arriving"))

const folderArgument = Argument.String("folder").pipe(Argument.withDescription("The backup's folder"))

const verifyCommand = Command.make("verify", { folder: folderArgument }, ({ folder }) => verify(folder)).pipe(
  Command.withDescription("Read all of a backup, compare it with its checksums, and say what it holds"),
)

const backup = Command.make(
  "backup",
  { to: Flag.String("to").pipe(Flag.withDescription("The folder to make; it must not be there yet")) },
  ({ to }) =>
    withConfig((config) =>
      Effect.flatMap(withStores(config), (stores) => backUp(config, stores, to, Date.now)),
    ),
).pipe(
  Command.withDescription("Copy all of the deployment into a folder, while its nodes run"),
  Command.withSubcommands([verifyCommand]),
)

const restoreCommand = Command.make(
  "restore",
  {
    folder: folderArgument,
    partitions: Flag.Int("partitions").pipe(
      Flag.withDescription("Number of partitions from now on; by default the backup's"),
      Flag.optional,
    ),
    timeZone: Flag.String("time-zone").pipe(
      Flag.withDescription("Time zone of days, weeks and months from now on; by default the backup's"),
      Flag.optional,
    ),
    erasures: Flag.String("erasures").pipe(
      Flag.withDescription("Journal of the erasures since, as the command `erasures` writes it"),
      Flag.optional,
    ),
  },
  ({ folder, partitions, timeZone, erasures }) =>
    withConfig((config) =>
      Effect.gen(function* () {
        const command = {
          folder,
          partitions: Option.getOrNull(partitions),
          timeZone: Option.getOrNull(timeZone),
          erasures: Option.getOrNull(erasures),
        }
        yield* restore(config, yield* withStores(config), command, Date.now)
      }),
    ),
).pipe(Command.withDescription("Put a backup into empty stores, or a DATA_DIR that is not there yet"))

const url = (name: string, setting: "databaseUrl" | "redisUrl") =>
  Flag.String(name).pipe(
    Flag.withDescription(`What ${SETTINGS[setting].name} is to be; without it, the new store is embedded`),
    Flag.optional,
  )

const moveCommand = Command.make(
  "move",
  {
    databaseUrl: url("database-url", "databaseUrl"),
    redisUrl: url("redis-url", "redisUrl"),
    dataDir: Flag.String("data-dir").pipe(
      Flag.withDescription("The new DATA_DIR, where a new store is to be embedded"),
      Flag.optional,
    ),
    partitions: Flag.Int("partitions").pipe(
      Flag.withDescription("Number of partitions from now on; by default as it is"),
      Flag.optional,
    ),
    timeZone: Flag.String("time-zone").pipe(
      Flag.withDescription("Time zone of days, weeks and months from now on; by default as it is"),
      Flag.optional,
    ),
  },
  (given) =>
    withConfig((config) =>
      move(
        config,
        {
          databaseUrl: Option.getOrNull(given.databaseUrl),
          redisUrl: Option.getOrNull(given.redisUrl),
          dataDir: Option.getOrNull(given.dataDir),
          partitions: Option.getOrNull(given.partitions),
          timeZone: Option.getOrNull(given.timeZone),
        },
        Date.now,
      ),
    ),
).pipe(
  Command.withDescription("Take all of the deployment to other, empty stores; every node must be stopped"),
)

const erasuresCommand = Command.make(
  "erasures",
  { to: Flag.String("to").pipe(Flag.withDescription("The file to write")) },
  ({ to }) =>
    withConfig((config) => Effect.flatMap(withStores(config), (stores) => exportErasures(stores, to))),
).pipe(Command.withDescription("Write the journal of erasures, which names nobody, to a file for `restore`"))

const list = Command.make(
  "list",
  {
    limit: Flag.Int("limit").pipe(Flag.withDescription("Most to show"), Flag.withDefault(100)),
    json: Flag.Boolean("json").pipe(Flag.withDescription("One JSON object a line"), Flag.withDefault(false)),
  },
  (options) => withConfig((config) => listLetters(config, options)),
).pipe(Command.withDescription("List dead letters with their reasons"))

const replay = Command.make(
  "replay",
  {
    id: Argument.String("id").pipe(
      Argument.withDescription("Partition and id as `list` shows them, or `all`"),
    ),
  },
  ({ id }) => withConfig((config) => replayLetters(config, id)),
).pipe(Command.withDescription("Send dead letters through their partition again"))

const drop = Command.make(
  "drop",
  {
    id: Argument.String("id").pipe(
      Argument.withDescription("Partition and id as `list` shows them, such as 0/1733650000000-0"),
    ),
  },
  ({ id }) => withConfig((config) => dropLetter(config, id)),
).pipe(Command.withDescription("Drop a dead letter for good"))

const deadLetters = Command.make("dead-letters").pipe(
  Command.withDescription("Events that could not be processed: list, replay, drop"),
  Command.withSubcommands([list, replay, drop]),
)

const health = Command.make(
  "health",
  {
    url: Flag.String("url").pipe(
      Flag.withDescription("Where the node answers; by default HOST and PORT"),
      Flag.optional,
    ),
  },
  ({ url }) =>
    withConfig((config) => checkHealth(Option.getOrElse(url, () => nodeUrl(config.host, config.port)))),
).pipe(Command.withDescription("Ask a running node whether it is ready; exit code 0 when it is"))

const doctorCommand = Command.make(
  "doctor",
  {
    url: Flag.String("url").pipe(
      Flag.withDescription("Where the deployment answers; by default HOST and PORT"),
      Flag.optional,
    ),
    site: Flag.String("site").pipe(
      Flag.withDescription("The site to send the event to; by default the deployment's default one"),
      Flag.optional,
    ),
    readOnly: Flag.Boolean("read-only").pipe(
      Flag.withDescription("Send no event, so that no figure changes"),
      Flag.withDefault(false),
    ),
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("The report as one JSON object"),
      Flag.withDefault(false),
    ),
    timeout: Flag.Int("timeout").pipe(
      Flag.withDescription("Seconds that one thing may take"),
      Flag.withDefault(10),
    ),
  },
  ({ url, site, ...options }) =>
    withConfig((config) =>
      doctor(config, { ...options, url: Option.getOrNull(url), site: Option.getOrNull(site) }),
    ),
).pipe(
  Command.withDescription(
    "Examine a running deployment from outside: endpoints, an event's way to the dashboards, metrics, stores; exit code 0 when all is well",
  ),
)

const root = Command.make("maicivy-analytics").pipe(
  Command.withDescription("Real-time analytics: durable events in, exact live figures out"),
  Command.withSubcommands([
    serve,
    migrate,
    retention,
    rebuildCommand,
    backup,
    restoreCommand,
    moveCommand,
    erasuresCommand,
    deadLetters,
    health,
    doctorCommand,
  ]),
)

/** Runs the command that the arguments name. */
export const runCommandLine = (args: ReadonlyArray<string>) =>
  Command.runWith(root, { version: packageJson.version })(args).pipe(Effect.provide(NodeServices.layer))
