/** Redis and PostgreSQL in containers, where a Docker engine answers and has or gets their images. */
import { randomBytes } from "node:crypto"
import { Redis } from "ioredis"
import pg from "pg"
import { GenericContainer, getContainerRuntimeClient, type StartedTestContainer } from "testcontainers"
import { eventually } from "./eventually.ts"
import { SHARED_POSTGRES } from "./postgresServer.ts"

/** The images of the run; another version is tested by naming its image. */
const REDIS_IMAGE = process.env.TEST_REDIS_IMAGE ?? "redis:8"
const POSTGRES_IMAGE = process.env.TEST_POSTGRES_IMAGE ?? "postgres:17"
const STARTED_WITHIN_MS = 180_000

interface Containers {
  readonly redisUrl: string
  readonly databaseUrl: string
  readonly images: string
  readonly stop: () => Promise<void>
}

/** Whether a Docker engine answers, without which containers need not be tried. */
export const hasDocker = (): Promise<boolean> =>
  getContainerRuntimeClient().then(
    () => true,
    () => false,
  )

/** Starts both; rejects, with nothing left running, when an image is unavailable or a server does not come up. */
export const startContainers = async (): Promise<Containers> => {
  const password = randomBytes(16).toString("hex")
  const results = await Promise.allSettled([
    new LoopbackContainer(REDIS_IMAGE)
      .withCommand([
        "redis-server",
        "--requirepass",
        password,
        "--appendonly",
        "yes",
        "--maxmemory-policy",
        "noeviction",
      ])
      .withExposedPorts(6379)
      .withStartupTimeout(STARTED_WITHIN_MS)
      .start(),
    new LoopbackContainer(POSTGRES_IMAGE)
      .withEnvironment({ POSTGRES_PASSWORD: password })
      .withCommand(["postgres", "-c", "max_connections=200", "-c", `fsync=${SHARED_POSTGRES.fsync}`])
      .withExposedPorts(5432)
      .withStartupTimeout(STARTED_WITHIN_MS)
      .start(),
  ])
  const stop = async () => {
    await Promise.all(
      results.map((result) => (result.status === "fulfilled" ? result.value.stop() : undefined)),
    )
  }
  try {
    const [redis, postgres] = results.map(startedOrThrow)
    const redisUrl = `redis://:${password}@127.0.0.1:${redis?.getMappedPort(6379)}/0`
    const databaseUrl = `postgresql://postgres:${password}@127.0.0.1:${postgres?.getMappedPort(5432)}/postgres`
    await eventually(() => Promise.all([answersPing(redisUrl), answersQuery(databaseUrl)]))
    return { redisUrl, databaseUrl, images: `${REDIS_IMAGE} and ${POSTGRES_IMAGE}`, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Docker publishes ports on every address of the machine unless told otherwise. */
class LoopbackContainer extends GenericContainer {
  protected override async beforeContainerCreated(): Promise<void> {
    const bindings = (this.hostConfig.PortBindings ?? {}) as Record<string, Array<{ HostIp?: string }>>
    for (const binding of Object.values(bindings).flat()) binding.HostIp = "127.0.0.1"
  }
}

const startedOrThrow = (result: PromiseSettledResult<StartedTestContainer>): StartedTestContainer => {
  if (result.status === "rejected") throw result.reason
  return result.value
}

const answersPing = async (url: string): Promise<void> => {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null })
  redis.on("error", () => undefined)
  try {
    await redis.connect()
    await redis.ping()
  } finally {
    redis.disconnect()
  }
}

const answersQuery = async (url: string): Promise<void> => {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  client.on("error", () => undefined)
  await client.connect()
  await client.query("SELECT 1")
  await client.end()
}
