/** The commands beside `serve`, each with its own `--help`. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import { CliConfig, CliOutput, Command, Flag, GlobalFlag } from "effect/cli"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import packageJson from "../../package.json" with { type: "json" }
import { verifyBackup } from "../backup/verify.ts"
import { FLAGS } from "../config/flags.ts"
import { type AppConfig, loadConfig, SETTINGS } from "../config/settings.ts"
import { nodeUrl } from "../domain/paths.ts"
import { prepareStores } from "../node/openStores.ts"
import { loggingLayer } from "../runtime/logging.ts"
import { addKey, addUser, changePassword, listKeys, listUsers, removeUser, revokeKey } from "./access.ts"
import { backUp, exportErasures, restore, verify } from "./backup.ts"
import { dropLetter, listLetters, replayLetters } from "./deadLetters.ts"
import { doctor } from "./doctor.ts"
import { erase } from "./erase.ts"
import { CommandError } from "./error.ts"
import { exportTo } from "./export.ts"
import { maybeFlag, optionalArgument, usage, valueArgument, valueFlag, yesFlag } from "./flags.ts"
import { checkHealth } from "./health.ts"
import { move } from "./move.ts"
import { rebuild } from "./rebuild.ts"
import { describeRetention, retain } from "./retention.ts"
import { serveUntilStopped } from "./serve.ts"
import {
  addSite,
  archiveSite,
  changeSite,
  eraseSiteByCommand,
  keepSite,
  listSites,
  moveSite,
  renameSite,
} from "./sites.ts"
import { withStores } from "./stores.ts"

/** Runs a command's body with the settings, the logger and a scope. */
const withConfig = <A, E, R>(body: (config: AppConfig) => Effect.Effect<A, E, R>) =>
  loadConfig.pipe(
    Effect.flatMap((config) =>
      Effect.scoped(body(config)).pipe(Effect.provide(loggingLayer(config.logLevel))),
    ),
  )

/** The settings, for the help of what reads them all. */
const settingsText = Object.values(SETTINGS)
  .map((setting) => `  ${setting.name}${setting.default === "" ? "" : `=${setting.default}`}  ${setting.doc}`)
  .join("\n")

const serve = Command.make("serve", {}, () => withConfig(serveUntilStopped)).pipe(
  Command.withShortDescription("Serve HTTP and WebSocket and process events (the default command)"),
  Command.withDescription(
    `Serve HTTP and WebSocket and process events (the default command). Settings are variables of the environment, with these defaults:\n\n${settingsText}`,
  ),
)

const migrate = Command.make("migrate", {}, () =>
  withConfig((config) =>
    Effect.gen(function* () {
      yield* prepareStores(config, yield* withStores(config, "database"))
      yield* Console.log("The schema is up to date.")
    }),
  ),
).pipe(Command.withDescription("Bring the Postgres schema up to date"))

const retention = Command.make(
  "retention",
  {
    dryRun: yesFlag("dry-run", "Say what would go and delete nothing"),
    days: valueFlag(FLAGS.days).pipe(Flag.optional),
    cursor: yesFlag("cursor", "Delete in cursor batches even where a whole table partition could be dropped"),
    yes: yesFlag("yes", "Delete events that RETENTION_DAYS keeps, too"),
  },
  ({ dryRun, days, cursor, yes }) =>
    withConfig((config) =>
      Effect.gen(function* () {
        const stores = yield* withStores(config, "deployment")
        yield* prepareStores(config, stores)
        const command = {
          dryRun,
          yes,
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
    partitions: valueFlag(FLAGS.partitions).pipe(Flag.optional),
    timeZone: valueFlag(FLAGS.timeZone).pipe(Flag.optional),
    adoptRedis: yesFlag(
      "adopt-redis",
      "Make what Redis has of another database this one's; every node of both must be stopped",
    ),
  },
  ({ partitions, timeZone, adoptRedis }) =>
    withConfig((config) =>
      Effect.gen(function* () {
        const stores = yield* withStores(config, "events")
        const command = {
          partitions: Option.getOrNull(partitions),
          timeZone: Option.getOrNull(timeZone),
          adoptRedis,
        }
        yield* rebuild(config, stores, command, Date.now)
      }),
    ),
).pipe(Command.withDescription("Recompute every figure in Redis from Postgres, while events keep arriving"))

const verifyCommand = Command.make("verify", { folder: valueArgument(FLAGS.folder) }, ({ folder }) =>
  verify(folder),
).pipe(Command.withDescription("Read all of a backup, compare it with its checksums, and say what it holds"))

const backup = Command.make("backup", { to: valueFlag(FLAGS.newFolder) }, ({ to }) =>
  withConfig((config) =>
    Effect.flatMap(withStores(config, "deployment"), (stores) => backUp(config, stores, to, Date.now)),
  ),
).pipe(
  Command.withDescription("Copy all of the deployment into a folder, while its nodes run"),
  Command.withSubcommands([verifyCommand]),
)

const restoreCommand = Command.make(
  "restore",
  {
    folder: valueArgument(FLAGS.folder),
    partitions: valueFlag(FLAGS.partitions, "Number of partitions from now on; by default the backup's").pipe(
      Flag.optional,
    ),
    timeZone: valueFlag(
      FLAGS.timeZone,
      "Time zone of days, weeks and months from now on; by default the backup's",
    ).pipe(Flag.optional),
    erasures: valueFlag(FLAGS.erasures).pipe(Flag.optional),
  },
  ({ folder, partitions, timeZone, erasures }) =>
    withConfig((config) =>
      Effect.gen(function* () {
        const command = {
          folder,
          manifest: yield* verifyBackup(folder),
          partitions: Option.getOrNull(partitions),
          timeZone: Option.getOrNull(timeZone),
          erasures: Option.getOrNull(erasures),
        }
        yield* restore(config, yield* withStores(config), command, Date.now)
      }),
    ),
).pipe(Command.withDescription("Put a backup into empty stores, or a DATA_DIR that is not there yet"))

const moveCommand = Command.make(
  "move",
  {
    databaseUrl: valueFlag(FLAGS.databaseUrl).pipe(Flag.optional),
    redisUrl: valueFlag(FLAGS.redisUrl).pipe(Flag.optional),
    dataDir: valueFlag(FLAGS.dataDir).pipe(Flag.optional),
    partitions: valueFlag(FLAGS.partitions, "Number of partitions from now on; by default as it is").pipe(
      Flag.optional,
    ),
    timeZone: valueFlag(
      FLAGS.timeZone,
      "Time zone of days, weeks and months from now on; by default as it is",
    ).pipe(Flag.optional),
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

const erasuresCommand = Command.make("erasures", { to: valueFlag(FLAGS.newFile) }, ({ to }) =>
  withConfig((config) =>
    Effect.flatMap(withStores(config, "events"), (stores) => exportErasures(stores, to)),
  ),
).pipe(Command.withDescription("Write the journal of erasures, which names nobody, to a file for `restore`"))

const exportCommand = Command.make(
  "export",
  {
    format: valueArgument(FLAGS.format),
    to: valueFlag(FLAGS.exportTo),
    from: valueFlag(FLAGS.from).pipe(Flag.optional),
    until: valueFlag(FLAGS.until).pipe(Flag.optional),
    site: valueFlag(FLAGS.site, "The site whose events to write; by default all").pipe(Flag.optional),
  },
  (given) =>
    withConfig((config) =>
      Effect.gen(function* () {
        const command = {
          ...given,
          site: Option.getOrNull(given.site),
          from: Option.getOrNull(given.from),
          until: Option.getOrNull(given.until),
        }
        yield* exportTo(config, yield* withStores(config, "events"), command, Date.now)
      }),
    ),
).pipe(
  Command.withDescription("Write whole days of events as files for other programs, those that are missing"),
)

const eraseCommand = Command.make("erase", { visitor: valueArgument(FLAGS.visitor) }, ({ visitor }) =>
  withConfig((config) =>
    Effect.flatMap(withStores(config, "deployment"), (stores) => erase(config, stores, visitor, Date.now)),
  ),
).pipe(Command.withDescription("Erase a visitor everywhere, archives of RETENTION_ARCHIVE_DIR included"))

const list = Command.make(
  "list",
  {
    limit: valueFlag(FLAGS.limit).pipe(Flag.withDefault(100)),
    json: yesFlag("json", "One JSON object a line"),
  },
  (options) => withConfig((config) => listLetters(config, options)),
).pipe(Command.withDescription("List dead letters with their reasons"))

const replay = Command.make("replay", { id: valueArgument(FLAGS.letters) }, ({ id }) =>
  withConfig((config) => replayLetters(config, id)),
).pipe(Command.withDescription("Send dead letters through their partition again"))

const drop = Command.make("drop", { id: valueArgument(FLAGS.letter) }, ({ id }) =>
  withConfig((config) => dropLetter(config, id)),
).pipe(Command.withDescription("Drop a dead letter for good"))

const deadLetters = Command.make("dead-letters").pipe(
  Command.withDescription("Events that could not be processed: list, replay, drop"),
  Command.withSubcommands([list, replay, drop]),
)

const health = Command.make("health", { url: valueFlag(FLAGS.url).pipe(Flag.optional) }, ({ url }) =>
  withConfig((config) => checkHealth(Option.getOrElse(url, () => nodeUrl(config.host, config.port)))),
).pipe(Command.withDescription("Ask a running node whether it is ready; exit code 0 when it is"))

const doctorCommand = Command.make(
  "doctor",
  {
    url: valueFlag(FLAGS.url).pipe(Flag.optional),
    site: valueFlag(FLAGS.site).pipe(Flag.optional),
    readOnly: yesFlag("read-only", "Send no event, so that no figure changes"),
    json: yesFlag("json", "The report as one JSON object"),
    timeout: valueFlag(FLAGS.timeout).pipe(Flag.withDefault(10)),
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

const usersCommand = Command.make("users").pipe(
  Command.withDescription("Who may log in: add, list, password, remove"),
  Command.withSubcommands([
    Command.make(
      "add",
      {
        name: valueArgument(FLAGS.user),
        role: valueFlag(FLAGS.role).pipe(Flag.withDefault("viewer" as const)),
        sites: valueFlag(FLAGS.sites).pipe(Flag.optional),
      },
      ({ sites, ...user }) =>
        withConfig((config) => addUser(config, { ...user, sites: Option.getOrNull(sites) })),
    ).pipe(Command.withDescription("Add a user, and print their password")),
    Command.make("list", {}, () => withConfig(listUsers)).pipe(
      Command.withDescription("List users and roles"),
    ),
    Command.make("password", { name: valueArgument(FLAGS.user) }, ({ name }) =>
      withConfig((config) => changePassword(config, name)),
    ).pipe(Command.withDescription("Give a user another password, and end every session of theirs")),
    Command.make("remove", { name: valueArgument(FLAGS.user) }, ({ name }) =>
      withConfig((config) => removeUser(config, name)),
    ).pipe(Command.withDescription("Remove a user, and end their sessions")),
  ]),
)

const keysCommand = Command.make("keys").pipe(
  Command.withDescription("API keys: add, list, revoke"),
  Command.withSubcommands([
    Command.make(
      "add",
      {
        name: valueArgument(FLAGS.user),
        scopes: valueFlag(FLAGS.scopes).pipe(Flag.withDefault(["read"] as const)),
        sites: valueFlag(FLAGS.sites).pipe(Flag.optional),
      },
      ({ sites, ...key }) =>
        withConfig((config) => addKey(config, { ...key, sites: Option.getOrNull(sites) })),
    ).pipe(Command.withDescription("Make a key, and print it this once")),
    Command.make("list", {}, () => withConfig(listKeys)).pipe(
      Command.withDescription("List keys and their scopes"),
    ),
    Command.make("revoke", { id: valueArgument(FLAGS.keyId) }, ({ id }) =>
      withConfig((config) => revokeKey(config, id)),
    ).pipe(Command.withDescription("Revoke a key")),
  ]),
)

const ONLY_HOSTS = "Short for --other-hosts refuse"

const sitesCommand = Command.make("sites").pipe(
  Command.withDescription("Sites: add, list, change, rename, time-zone, retention, archive, erase"),
  Command.withSubcommands([
    Command.make(
      "add",
      {
        slug: valueArgument(FLAGS.slug),
        name: valueFlag(FLAGS.siteName, "The site's name, for people; its slug by default").pipe(
          Flag.optional,
        ),
        hosts: valueFlag(FLAGS.hosts).pipe(Flag.withDefault([])),
        otherHosts: valueFlag(FLAGS.otherHosts).pipe(Flag.optional),
        onlyHosts: yesFlag("only-hosts", ONLY_HOSTS),
        timeZone: valueFlag(FLAGS.siteZone).pipe(Flag.optional),
      },
      ({ name, otherHosts, onlyHosts, timeZone, ...site }) =>
        withConfig((config) =>
          addSite(config, {
            ...site,
            otherHosts: Option.getOrElse(otherHosts, () => (onlyHosts ? "refuse" : "count")),
            name: Option.getOrNull(name),
            timeZone: Option.getOrNull(timeZone),
          }),
        ),
    ).pipe(Command.withDescription("Add a site: every node takes its events at once")),
    Command.make("list", {}, () => withConfig(listSites)).pipe(
      Command.withDescription("List sites with their names, hosts, and what they leave out"),
    ),
    Command.make(
      "change",
      {
        slug: valueArgument(FLAGS.slug),
        name: valueFlag(FLAGS.siteName).pipe(Flag.optional),
        hosts: valueFlag(FLAGS.changedHosts).pipe(Flag.optional),
        otherHosts: valueFlag(FLAGS.otherHosts).pipe(Flag.optional),
        onlyHosts: maybeFlag("only-hosts", `${ONLY_HOSTS}; false to refuse none`),
        timeZone: valueFlag(FLAGS.changedZone).pipe(Flag.optional),
        excludedPaths: valueFlag(FLAGS.excludedPaths).pipe(Flag.optional),
        excludedAddresses: valueFlag(FLAGS.excludedAddresses).pipe(Flag.optional),
      },
      ({ slug, timeZone, ...given }) =>
        withConfig((config) =>
          changeSite(config, slug, {
            ...{ name: Option.getOrNull(given.name), hosts: Option.getOrNull(given.hosts) },
            ...{
              otherHosts: Option.getOrNull(given.otherHosts),
              onlyHosts: Option.getOrNull(given.onlyHosts),
            },
            timeZone: Option.getOrUndefined(timeZone),
            excludedPaths: Option.getOrNull(given.excludedPaths),
            excludedAddresses: Option.getOrNull(given.excludedAddresses),
          }),
        ),
    ).pipe(Command.withDescription("Change what is given of a site; the rest stays")),
    Command.make(
      "rename",
      { slug: valueArgument(FLAGS.slug), name: valueArgument(FLAGS.siteName) },
      ({ slug, name }) => withConfig((config) => renameSite(config, slug, name)),
    ).pipe(Command.withDescription("Give a site another name; its slug stays")),
    Command.make(
      "time-zone",
      { slug: valueArgument(FLAGS.slug), zone: optionalArgument(FLAGS.zone) },
      ({ slug, zone }) => withConfig((config) => moveSite(config, slug, Option.getOrNull(zone))),
    ).pipe(Command.withDescription("Choose the time zone of a site; without one, TIME_ZONE again")),
    Command.make(
      "retention",
      {
        ...{ slug: valueArgument(FLAGS.slug), days: optionalArgument(FLAGS.siteDays) },
        yes: yesFlag("yes", "Let go what is kept now"),
      },
      ({ slug, days, yes }) =>
        withConfig((config) => keepSite(config, { slug, days: Option.getOrNull(days), yes }, Date.now)),
    ).pipe(
      Command.withDescription("Choose for how many days a site keeps raw events; without, RETENTION_DAYS"),
    ),
    Command.make(
      "archive",
      {
        slug: valueArgument(FLAGS.slug),
        undo: yesFlag("undo", "Let it take events again"),
      },
      ({ slug, undo }) => withConfig((config) => archiveSite(config, slug, !undo)),
    ).pipe(Command.withDescription("Take no more events of a site; its figures stay")),
    Command.make(
      "erase",
      {
        slug: valueArgument(FLAGS.slug),
        yes: yesFlag("yes", "Erase it, rather than say what would go"),
      },
      (given) => withConfig((config) => eraseSiteByCommand(config, given, Date.now)),
    ).pipe(Command.withDescription("Erase a site with all that there is of it, archives included")),
  ]),
)

/** Every command. */
export const root = Command.make("maicivy-analytics").pipe(
  Command.withDescription("Real-time analytics: durable events in, exact live figures out"),
  Command.withSubcommands([
    serve,
    migrate,
    retention,
    rebuildCommand,
    backup,
    restoreCommand,
    moveCommand,
    exportCommand,
    eraseCommand,
    erasuresCommand,
    usersCommand,
    keysCommand,
    sitesCommand,
    deadLetters,
    health,
    doctorCommand,
  ]),
)

/** Flags of every command. The library's others are about what this program has no use for, or has settings for. */
export const GLOBAL_FLAGS = [GlobalFlag.Help, GlobalFlag.Version]

/** What is wrong with the arguments is said by the error, without all of the help before it. */
const presenter: CliOutput.Presenter = {
  present: (event) =>
    event._tag === "InvalidInvocation" ? Effect.void : CliOutput.defaultPresenter.present(event),
}

/** Runs the command that the arguments name. Fails with a sentence for each wrong one, before anything is done. */
export const runCommandLine = (args: ReadonlyArray<string>) =>
  Command.runWith(root, { version: packageJson.version })(args).pipe(
    Effect.catchTag("ShowHelp", (wrong) => Effect.fail(new CommandError({ message: usage(wrong) }))),
    Effect.provideService(CliConfig.CliConfig, CliConfig.make({ builtIns: GLOBAL_FLAGS })),
    Effect.provideService(CliOutput.Presenter, presenter),
    Effect.provide(NodeServices.layer),
  )
