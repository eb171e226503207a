/**
 * The recipes of infra for reverse proxies, made to run in a test from the very files: on a free port, with a certificate of
 * the test's, in front of the test's node. What is replaced has to be there.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { CertificateAuthority } from "./certificates.ts"
import { read } from "./documents.ts"
import { type ProxyName, type Proxy as RunningProxy, startProxy } from "./proxies.ts"

/** Every proxy whose program Debian has. */
export const PROXIES: ReadonlyArray<ProxyName> = ["nginx", "haproxy", "caddy", "apache"]

/** A host of its own, and the path `/stats` of a site. */
export const RECIPES = {
  nginx: { host: "infra/nginx/analytics.conf", path: "infra/nginx/sub-path.conf" },
  haproxy: { host: "infra/haproxy/haproxy.cfg", path: "infra/haproxy/sub-path.cfg" },
  caddy: { host: "infra/caddy/Caddyfile", path: "infra/caddy/sub-path.Caddyfile" },
  apache: { host: "infra/apache/analytics.conf", path: "infra/apache/sub-path.conf" },
} as const satisfies { readonly [name in ProxyName]: { readonly host: string; readonly path: string } }

/** What a test puts in place of what a recipe says. */
export interface Place {
  /** The test's certificate, for `localhost`. */
  readonly authority: CertificateAuthority
  /** Of the node: `127.0.0.1:1234`. */
  readonly node: string
  /** Of the second one, where the recipe has two. */
  readonly secondNode?: string
  /** The service at which readers log in, where the recipe has one. */
  readonly authenticator?: string
  /** Seconds of silence after which the proxy gives up, in place of 60. */
  readonly patience?: number
  /** The site that a sub-path belongs to: a folder with its pages, and where they are served. */
  readonly site?: { readonly folder: string; readonly address: string }
}

type Replacement = readonly [from: string | RegExp, to: string]

const replaced = (text: string, replacements: ReadonlyArray<Replacement>): string =>
  replacements.reduce((so, [from, to]) => {
    const next = so.replaceAll(from, to)
    if (next === so) throw new Error(`The recipe does not have ${from}.`)
    return next
  }, text)

/** Starts a proxy with a recipe; `file` is one of {@link RECIPES} or another of the same program. */
export const startRecipe = (
  name: ProxyName,
  file: string,
  { authority, node, secondNode, authenticator, patience, site }: Place,
): Promise<RunningProxy> =>
  startProxy(name, (port, folder) => {
    const { cert, key } = authority.issue("localhost", "DNS:localhost,IP:127.0.0.1")
    const both = join(folder, "both.pem")
    writeFileSync(both, readFileSync(cert, "utf8") + readFileSync(key, "utf8"))
    // Of a WebSocket, which bears the longer of two silences.
    const timeout = patience === undefined ? "" : `Timeout ${patience}\n`
    const named = site === undefined ? "analytics" : "cv"
    const own = {
      nginx: [
        ["listen 443 ssl", `listen 127.0.0.1:${port} ssl`],
        [`/etc/ssl/${named}.example.pem`, cert],
        [`/etc/ssl/${named}.example.key`, key],
        ...(site === undefined ? [] : [["/var/www/cv", site.folder] as const]),
      ],
      haproxy: [
        ["bind :443", `bind 127.0.0.1:${port}`],
        [`/etc/haproxy/${named}.example.pem`, both],
        ...(site === undefined ? [] : [["127.0.0.1:3000", site.address] as const]),
      ],
      caddy: [
        [`${named}.example {`, `https://localhost:${port} {\n\tbind 127.0.0.1\n\ttls ${cert} ${key}`],
        ...(site === undefined ? [] : [["/var/www/cv", site.folder] as const]),
      ],
      apache: [
        ["<VirtualHost *:443>", `Listen 127.0.0.1:${port}\n${timeout}<VirtualHost 127.0.0.1:${port}>`],
        [`/etc/ssl/${named}.example.pem`, cert],
        [`/etc/ssl/${named}.example.key`, key],
        ...(site === undefined ? [] : [["/var/www/cv", site.folder] as const]),
      ],
    } satisfies { readonly [name in ProxyName]: ReadonlyArray<Replacement> }
    const silence = { nginx: "60s", haproxy: "60s", caddy: null, apache: "timeout=60" }[name]
    return replaced(read(file), [
      ...own[name],
      ["127.0.0.1:8080", node],
      ...(secondNode === undefined ? [] : [["127.0.0.1:8081", secondNode] as const]),
      ...(authenticator === undefined ? [] : [["127.0.0.1:9091", authenticator] as const]),
      // Caddy does not cut off what is silent.
      ...(patience === undefined || silence === null
        ? []
        : [[silence, silence.replace("60", String(patience))] as const]),
    ])
  })
