/** Reverse proxies of Debian's packages, each started with a configuration of the test's on a free port of the loopback. */
import { spawn } from "node:child_process"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import { eventually } from "./eventually.ts"
import { freePort } from "./freePort.ts"
import { newFolder, removeFolder } from "./temporaryFolder.ts"
import { type Wants, wantsProgram } from "./wants.ts"

interface Program {
  /** How it is asked for its version, which succeeds where it is installed. */
  readonly version: ReadonlyArray<string>
  /** How it is started in the foreground. */
  readonly start: (file: string, folder: string) => ReadonlyArray<string>
  /** What a recipe needs around it to run without the machine's own configuration, folders and users. */
  readonly around: (recipe: string, folder: string) => string
}

/** In the order in which they need each other. */
const APACHE_MODULES = [
  "mpm_event",
  "authz_core",
  "authz_host",
  "alias",
  "dir",
  "http2",
  "mime",
  "headers",
  "rewrite",
  "setenvif",
  "remoteip",
  "proxy",
  "proxy_http",
  "proxy_http2",
  "proxy_wstunnel",
  "slotmem_shm",
  "proxy_balancer",
  "lbmethod_byrequests",
  "proxy_hcheck",
  "socache_shmcb",
  "ssl",
]

const PROGRAMS = {
  /** The recipe goes into the `http` block. */
  nginx: {
    version: ["nginx", "-v"],
    start: (file, folder) => ["nginx", "-p", folder, "-c", file, "-g", "daemon off;"],
    around: (recipe, folder) => `${process.getuid?.() === 0 ? "user root;\n" : ""}
pid ${folder}/nginx.pid;
error_log ${folder}/log;
worker_processes 1;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
${recipe}
}
`,
  },
  /** The recipe is the whole file. */
  haproxy: {
    version: ["haproxy", "-v"],
    start: (file) => ["haproxy", "-db", "-f", file],
    around: (recipe) => recipe,
  },
  /** The recipe is the Caddyfile's site. */
  caddy: {
    version: ["caddy", "version"],
    start: (file) => ["caddy", "run", "--adapter", "caddyfile", "--config", file],
    around: (recipe) => `{\n\tadmin off\n\tauto_https disable_redirects\n}\n${recipe}`,
  },
  /** The recipe has `Listen` and the virtual host. */
  apache: {
    version: ["apache2", "-v"],
    start: (file, folder) => ["apache2", "-DFOREGROUND", "-d", folder, "-f", file],
    around: (recipe, folder) =>
      [
        ...APACHE_MODULES.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`),
        "ServerName localhost",
        "TypesConfig /etc/mime.types",
        ...(process.getuid?.() === 0 ? ["User www-data", "Group www-data"] : []),
        `DefaultRuntimeDir ${folder}`,
        `PidFile ${folder}/apache.pid`,
        `ErrorLog ${folder}/log`,
        recipe,
        "",
      ].join("\n"),
  },
} as const satisfies { readonly [name: string]: Program }

/** A proxy's program. */
export type ProxyName = keyof typeof PROGRAMS

/** Options of tests that run a proxy. */
export const wantsProxy = (name: ProxyName): Wants => {
  const [program = "", ...args] = PROGRAMS[name].version
  return wantsProgram(program, program, ...args)
}

/** A proxy that runs. */
export interface Proxy extends AsyncDisposable {
  readonly port: number
  /** `http://127.0.0.1:<port>`, whatever the recipe speaks there. */
  readonly url: string
  readonly pid: number
  /** What it has said so far, of its start and of errors. */
  readonly log: () => string
  /** Ends it, and whatever it has started, at once. */
  readonly stop: () => Promise<void>
}

/** Resolves once something accepts connections there. */
const listening = (port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("error", reject)
    socket.once("connect", () => {
      socket.destroy()
      resolve()
    })
  })

/**
 * Starts a proxy; `await using` stops it. Rejects with what it has said if it ends by itself.
 *
 * @param recipe its configuration, which listens on the port of 127.0.0.1 that it is given; `folder` is the proxy's own, for
 *   files that the configuration names
 */
export const startProxy = async (
  name: ProxyName,
  recipe: (port: number, folder: string) => string,
): Promise<Proxy> => {
  const { start, around }: Program = PROGRAMS[name]
  const folder = newFolder()
  mkdirSync(join(folder, "logs"))
  const port = await freePort()
  const file = join(folder, name === "caddy" ? "Caddyfile" : "proxy.conf")
  writeFileSync(file, around(recipe(port, folder), folder))
  const [program = "", ...args] = start(file, folder)
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
    // A group of its own, so that workers end with it.
    detached: true,
  })
  let said = ""
  const hear = (chunk: Buffer) => {
    said += chunk.toString()
  }
  child.stdout.on("data", hear)
  child.stderr.on("data", hear)
  let ended = false
  const exited = new Promise<void>((resolve) => {
    const over = () => {
      ended = true
      resolve()
    }
    child.once("close", over)
    child.once("error", over)
  })
  const log = () => {
    try {
      return said + readFileSync(join(folder, "log"), "utf8")
    } catch {
      // Not every proxy has a file, and none before its start.
      return said
    }
  }
  const endGroup = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL")
    } catch {
      // It has ended by itself.
    }
  }
  process.once("exit", endGroup)
  const stop = async () => {
    process.removeListener("exit", endGroup)
    endGroup()
    await exited
    removeFolder(folder)
  }
  try {
    await eventually(() => (ended ? undefined : listening(port)))
    if (ended) throw new Error(`${name} has ended:\n${log()}`)
  } catch (cause) {
    await stop()
    throw cause
  }
  const url = `http://127.0.0.1:${port}`
  return { port, url, pid: child.pid ?? 0, log, stop, [Symbol.asyncDispose]: stop }
}
