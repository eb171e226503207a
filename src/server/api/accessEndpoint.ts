/** `GET /access`: what who asks may do here. */
import type { AccessReport } from "../../domain/answers.ts"
import type { Gate } from "../access/gate.ts"
import { SCOPES, visibleOf } from "../access/grant.ts"
import type { Grant } from "../http/access.ts"
import type { Exchange } from "../http/exchange.ts"
import { askingOf } from "../http/router.ts"
import type { IncomingRequest } from "../http/wire.ts"

/** What may be granted of a site. */
const OF_SITES = ["figures", "read", "write", "admin"] as const

export class AccessEndpoint {
  readonly #gate: Gate

  constructor(gate: Gate) {
    this.#gate = gate
  }

  get(exchange: Exchange, req: IncomingRequest): void {
    const { grant, sites } = this.#gate.look(askingOf(exchange, req))
    const data: AccessReport = {
      access: this.#gate.isPublic ? "public" : "private",
      chosen: this.#gate.isChosen,
      exposed: this.#gate.isExposed,
      name: grant.name,
      login: grant.kind === "session" || grant.kind === "proxy" ? grant.kind : null,
      may: SCOPES.filter((scope) => this.#gate.isOpen(scope) || grant.needs.has(scope)),
      sites: [...sites.declared],
      own: this.#givesMore(grant) ? [...visibleOf(sites, grant.sites).declared] : [],
      default: sites.default === "" ? null : sites.default,
    }
    exchange.json({ success: true, data })
  }

  /** Whether something is granted of sites that not everybody has: a token that lifts a limit, or is for scrapes, gives nothing of them. */
  #givesMore({ needs }: Grant): boolean {
    return OF_SITES.some((need) => needs.has(need) && !this.#gate.isOpen(need))
  }
}
