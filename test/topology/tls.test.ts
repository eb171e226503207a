/** Redis behind TLS as people have it: a CA of their own, names in place of addresses, certificates of clients, IPv6. */
import { copyFileSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { createServer } from "node:tls"
import * as Effect from "effect/Effect"
import { describe, expect, onTestFinished, test } from "vitest"
import { type CertificateFiles, NO_CERTIFICATES, tlsOptions } from "../../src/stores/certificates.ts"
import { checkRedis } from "../../src/stores/checkRedis.ts"
import { connectorTo } from "../../src/stores/connector.ts"
import { awaitReady, connectRedis } from "../../src/stores/redis.ts"
import { streamKeys } from "../../src/stores/redisKeys.ts"
import { CertificateAuthority } from "../support/certificates.ts"
import { freshDeployment } from "../support/deployment.ts"
import { run, testScope } from "../support/effects.ts"
import { eventually } from "../support/eventually.ts"
import { RedisCluster } from "../support/redisCluster.ts"
import { RedisSentinel } from "../support/redisSentinel.ts"
import { RedisServer } from "../support/redisServer.ts"
import { expectCounted, sending } from "../support/sending.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"

/** A folder with a CA, and a server's settings of TLS with a certificate for some names. */
const authority = () => new CertificateAuthority(join(temporaryFolder(), "certificates"))

const tlsSettings = (ca: CertificateAuthority, names: string, ...more: ReadonlyArray<string>) => {
  const { cert, key } = ca.issue("server", names)
  return ["--tls-ca-cert-file", ca.cert, "--tls-cert-file", cert, "--tls-key-file", key, ...more]
}

/** What the tests themselves need to get in. */
const insider = (ca: CertificateAuthority) => {
  const { cert, key } = ca.issue("insider")
  const read = (path: string) => readFileSync(path)
  return {
    tls: { ca: read(ca.cert), cert: read(cert), key: read(key), checkServerIdentity: () => undefined },
  }
}

const only = (ca: CertificateAuthority): CertificateFiles => ({ ca: ca.cert, cert: null, key: null })

const withOwn = (ca: CertificateAuthority): CertificateFiles => {
  const { cert, key } = ca.issue("node")
  return { ca: ca.cert, cert, key }
}

const refusal = async (url: string, certificates: CertificateFiles = NO_CERTIFICATES) =>
  (await run(Effect.flip(checkRedis(url, { certificates })))).message

describe("a server", () => {
  const started = async (ca: CertificateAuthority, names: string, ...settings: ReadonlyArray<string>) => {
    const server = await RedisServer.start({
      ...{ folder: temporaryFolder(), client: insider(ca) },
      settings: tlsSettings(ca, names, ...settings),
    })
    onTestFinished(() => server.kill())
    return server
  }

  test("with a certificate of a CA of one's own is trusted by REDIS_CA_FILE, and nobody else is", async () => {
    const ca = authority()
    const server = await started(ca, "DNS:localhost", "--tls-auth-clients", "no")
    const url = `rediss://localhost:${server.port}`
    const client = await testScope().run(
      connectRedis({ url, cluster: false, certificates: only(ca) }, "command", "test"),
    )
    await run(awaitReady(client))
    expect(await client.ping()).toBe("PONG")
    await run(checkRedis(url, { certificates: only(ca) }))
    expect(await refusal(url)).toMatch(/self-signed certificate|unable to verify|unable to get local issuer/)
    expect(await refusal(url, only(authority()))).toMatch(/cannot be used: localhost:\d+: .*certificate/)
    expect(await refusal(`rediss://127.0.0.1:${server.port}`, only(ca))).toMatch(/altnames/)
  })

  test("that asks clients for certificates is shown that of REDIS_CERT_FILE", async () => {
    const ca = authority()
    const server = await started(ca, "DNS:localhost")
    const url = `rediss://localhost:${server.port}`
    await run(checkRedis(url, { certificates: withOwn(ca) }))
    expect(await refusal(url, only(ca))).toContain("set REDIS_CERT_FILE and REDIS_KEY_FILE")
    expect(await refusal(url.replace("rediss", "redis"))).toContain("if it wants TLS, write rediss://")
  })

  test("goes on being trusted when its certificates are renewed while a client runs", async () => {
    const [before, after] = [authority(), authority()]
    const file = join(temporaryFolder(), "ca.pem")
    copyFileSync(before.cert, file)
    const files = { ca: file, cert: null, key: null }
    const first = await started(before, "DNS:localhost", "--tls-auth-clients", "no")
    const url = `rediss://localhost:${first.port}`
    const client = await testScope().run(
      connectRedis({ url, cluster: false, certificates: files }, "command", "test"),
    )
    await run(awaitReady(client))
    await first.kill()
    copyFileSync(after.cert, file)
    const second = await RedisServer.start({
      ...{ folder: temporaryFolder(), port: first.port, client: insider(after) },
      settings: tlsSettings(after, "DNS:localhost", "--tls-auth-clients", "no"),
    })
    onTestFinished(() => second.kill())
    await run(awaitReady(client))
    expect(await client.ping()).toBe("PONG")
  })

  test("is called by its name, which is how a proxy knows where to pass the connection on", async () => {
    const ca = authority()
    const { cert, key } = ca.issue("proxy", "DNS:localhost")
    const names: Array<unknown> = []
    const proxy = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (socket) => {
      names.push(socket.servername)
      socket.destroy()
    })
    await new Promise<void>((resolve) => proxy.listen(0, resolve))
    onTestFinished(() => void proxy.close())
    const address = proxy.address()
    const port = typeof address === "object" ? address?.port : 0
    await refusal(`rediss://localhost:${port}`, only(ca))
    expect(names).toEqual(["localhost"])
  })

  test("may tell of an alert and then of a lost connection, which both are heard", async () => {
    const ca = authority()
    const server = await started(ca, "DNS:localhost")
    const heard: Array<string> = []
    const Connector = connectorTo(tlsOptions(withOwn(ca)), null, ({ message }) => heard.push(message))
    const socket = await new Connector({ host: "localhost", port: server.port }).connect()
    await new Promise((resolve) => socket.once("secureConnect", resolve))
    // As TLSSocket does for an alert, without ending the connection.
    socket.emit("error", new Error("alert"))
    socket.destroy(new Error("lost"))
    await new Promise((resolve) => socket.once("close", resolve))
    expect(heard).toEqual(["alert", "lost"])
  })

  test.each([
    [
      "a file that is not there",
      { ca: "/nowhere/ca.pem", cert: null, key: null },
      "REDIS_CA_FILE /nowhere/ca.pem",
    ],
    ["no PEM file", { ca: "package.json", cert: null, key: null }, "it should be a PEM file"],
    ["a certificate without its key", { ca: null, cert: "package.json", key: null }, "set both, or neither"],
  ])("is not asked with %s", async (_, files, words) => {
    expect(await refusal("rediss://localhost:1", files)).toContain(words)
  })

  test("is not asked with another certificate's key, nor with any without TLS", async () => {
    const ca = authority()
    const files = { ca: null, cert: ca.issue("one").cert, key: ca.issue("other").key }
    expect(await refusal("rediss://localhost:1", files)).toContain("do not fit together")
    expect(await refusal("redis://localhost:1", only(ca))).toContain("rediss://")
  })
})

/** A master that a busy machine lets be silent is not replaced: its replica need not have everything. */
const PATIENCE_MS = 10_000

describe("a cluster", () => {
  /** Starts it, sends under load, moves a slot, and expects that every event is counted once. */
  const expectExact = async (cluster: RedisCluster, url: string, certificates: CertificateFiles) => {
    await run(checkRedis(url, { certificates }))
    const deployment = await freshDeployment({ redisUrl: url, cluster: true, certificates })
    deployment.startNode()
    const senders = sending(deployment)
    await senders.goesOn()
    const slot = await cluster.slotOf(streamKeys(deployment.prefix, 0).events)
    const [replica] = await cluster.replicasOf(await cluster.masterOf(slot))
    if (replica === undefined) throw new Error("the master has no replica")
    await cluster.failOver(replica)
    await senders.goesOn()
    await expectCounted(deployment, await senders.stop())
  }

  test.each(["hostname", "ip"])(
    "with certificates for names only is used by name, where it prefers to give the %s",
    async (preferred) => {
      const ca = authority()
      const cluster = await RedisCluster.start({
        ...{ folder: temporaryFolder(), client: insider(ca), nodeTimeoutMs: PATIENCE_MS },
        settings: [
          ...tlsSettings(ca, "DNS:localhost", "--tls-cluster", "yes", "--tls-replication", "yes"),
          ...["--cluster-announce-hostname", "localhost", "--cluster-preferred-endpoint-type", preferred],
        ],
      })
      onTestFinished(() => cluster.stop())
      const url = `rediss://${cluster.servers.map(({ port }) => `localhost:${port}`).join(",")}`
      await expectExact(cluster, url, withOwn(ca))
    },
  )

  test("of IPv6 addresses, with and without TLS", async () => {
    for (const tls of [false, true]) {
      const ca = authority()
      const cluster = await RedisCluster.start({
        ...{ folder: temporaryFolder(), place: () => ({ host: "::1" }), nodeTimeoutMs: PATIENCE_MS },
        ...(tls && {
          client: insider(ca),
          settings: tlsSettings(ca, "IP:::1", "--tls-cluster", "yes", "--tls-replication", "yes"),
        }),
      })
      onTestFinished(() => cluster.stop())
      const [server] = cluster.servers
      await expectExact(cluster, server?.url ?? "", tls ? withOwn(ca) : NO_CERTIFICATES)
    }
  })

  test("that does not let a client in says why", async () => {
    const ca = authority()
    const cluster = await RedisCluster.start({
      ...{ folder: temporaryFolder(), replicasEach: 0, client: insider(ca) },
      settings: tlsSettings(ca, "DNS:localhost", "--tls-cluster", "yes"),
    })
    onTestFinished(() => cluster.stop())
    const url = `rediss://localhost:${cluster.servers[0]?.port}`
    /** A busy machine may take longer than this to be told why. */
    const says = async (address: string, certificates: CertificateFiles, why: RegExp) => {
      const client = await testScope().run(
        connectRedis({ url: address, cluster: true, certificates }, "command", "test"),
      )
      await eventually(async () =>
        expect((await run(Effect.flip(awaitReady(client, 1500)))).message).toMatch(why),
      )
    }
    const required = /no connection within 1500 ms \(localhost:\d+: .*(certificate required|ECONNRESET)/
    await says(url, only(ca), required)
    await says(url, NO_CERTIFICATES, /\(localhost:\d+: .*certificate/)
    await says("redis://localhost:1", NO_CERTIFICATES, /\(localhost:1: .*ECONNREFUSED/)
  })
})

test("Sentinels and their master are both reached by TLS", async () => {
  const ca = authority()
  const settings = tlsSettings(ca, "IP:127.0.0.1", "--tls-replication", "yes")
  const sentinel = await RedisSentinel.start({
    ...{ folder: temporaryFolder(), replicas: 1, sentinels: 1, client: insider(ca) },
    ...{ settings, sentinelSettings: settings },
  })
  onTestFinished(() => sentinel.stop())
  const url = sentinel.url.replace(/^rediss?/, "rediss")
  await run(checkRedis(url, { certificates: withOwn(ca) }))
  const client = await testScope().run(
    connectRedis({ url, cluster: false, certificates: withOwn(ca) }, "command", "test"),
  )
  await run(awaitReady(client))
  expect(await client.ping()).toBe("PONG")
  expect(await refusal(url, only(ca))).toContain("set REDIS_CERT_FILE and REDIS_KEY_FILE")
})
