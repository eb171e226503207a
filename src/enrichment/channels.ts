/** Channels: groups of sources, by the rules of Google Analytics 4 (support.google.com/analytics/answer/9756891), and one for AI assistants. */
import type { Source } from "./sources.ts"

export interface Campaign {
  readonly source: Source | null
  readonly medium: string | null
  readonly campaign: string | null
}

const PAID = /^(?:.*cp.*|ppc|retargeting|paid.*)$/
const SHOP = /^(?:.*(?:[^a-df-z]|^)shop.*|.*shopping.*)$/
const DISPLAY: ReadonlySet<string> = new Set(["display", "banner", "expandable", "interstitial", "cpm"])
const SOCIAL: ReadonlySet<string> = new Set([
  ...["social", "social-network", "social-media", "sm", "social network", "social media"],
])
const EMAIL: ReadonlySet<string> = new Set(["email", "e-mail", "e_mail", "e mail"])
const REFERRAL: ReadonlySet<string> = new Set(["referral", "app", "link"])

/** The channel of a visitor who has a source, a medium or a campaign; the first rule that holds decides. */
export const channelOf = ({ source, medium: given, campaign: named }: Campaign): string => {
  const medium = given?.toLowerCase() ?? ""
  const campaign = named?.toLowerCase() ?? ""
  const name = source?.name.toLowerCase() ?? ""
  const kind = source?.kind ?? null
  const paid = PAID.test(medium)
  const shopping = kind === "shopping" || SHOP.test(campaign)
  if (campaign.includes("cross-network")) return "Cross-network"
  if (paid) {
    if (shopping) return "Paid Shopping"
    if (kind === "search") return "Paid Search"
    if (kind === "social") return "Paid Social"
    if (kind === "video") return "Paid Video"
  }
  if (DISPLAY.has(medium)) return "Display"
  if (paid) return "Paid Other"
  if (kind === "ai") return "AI Assistants"
  if (shopping) return "Organic Shopping"
  if (kind === "social" || SOCIAL.has(medium)) return "Organic Social"
  if (kind === "video" || medium.includes("video")) return "Organic Video"
  if (kind === "search" || medium === "organic") return "Organic Search"
  if (kind === "email" || EMAIL.has(medium) || EMAIL.has(name)) return "Email"
  if (medium === "affiliate" || medium === "affiliates") return "Affiliates"
  if (REFERRAL.has(medium)) return "Referral"
  if (medium === "audio") return "Audio"
  if (medium === "sms" || name === "sms") return "SMS"
  if (medium.endsWith("push") || medium.includes("mobile") || medium.includes("notification"))
    return "Mobile Push Notifications"
  return "Unassigned"
}
