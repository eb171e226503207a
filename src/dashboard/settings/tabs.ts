/** The tabs of the settings, and for whom each of them is. */
import type { FunctionComponent } from "preact"
import type { SettingsTab } from "../../domain/paths.ts"
import type { Access } from "../model/decode.ts"
import { AccountTab } from "./account.tsx"
import { AuditTab } from "./audit.tsx"
import { GoalsTab } from "./goals.tsx"
import { KeysTab } from "./keys.tsx"
import { SharesTab } from "./shares.tsx"
import { SitesTab } from "./sites.tsx"
import { UsersTab } from "./users.tsx"
import { VisitorsTab } from "./visitors.tsx"

export interface Tab {
  readonly name: SettingsTab
  /** Whether a reader may use it; the server refuses others anyway. */
  readonly isFor: (access: Access) => boolean
  readonly View: FunctionComponent
}

const admin = ({ may }: Access): boolean => may.includes("admin")

const TABS: ReadonlyArray<Tab> = [
  { name: "sites", isFor: admin, View: SitesTab },
  { name: "goals", isFor: ({ may, own }) => may.includes("write") && own.length > 0, View: GoalsTab },
  { name: "shares", isFor: admin, View: SharesTab },
  { name: "keys", isFor: admin, View: KeysTab },
  { name: "users", isFor: admin, View: UsersTab },
  { name: "visitors", isFor: admin, View: VisitorsTab },
  { name: "audit", isFor: admin, View: AuditTab },
  // A proxy that authenticates has accounts of its own.
  { name: "account", isFor: ({ login }) => login === "session", View: AccountTab },
]

/** The tabs for a reader, in their order. */
export const tabsFor = (access: Access): ReadonlyArray<Tab> => TABS.filter(({ isFor }) => isFor(access))
