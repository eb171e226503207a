/**
 * The lines of docs/operations.md that make a user of Redis, generated from the rights that the start asks for:
 * `node scripts/redisUser.ts` prints them, `--write` puts them between the document's markers.
 */
import { SETTINGS } from "../src/config/settings.ts"
import { aclRules } from "../src/stores/rights.ts"
import { markdownTable, printOrWrite } from "./marked.ts"

const DOCUMENT = new URL("../docs/operations.md", import.meta.url)

/** What to type, and what to add to it for some deployments. */
export const redisUser = (): string => {
  const { always, cluster, replicas, database } = aclRules(SETTINGS.redisKeyPrefix.default)
  return [
    ...["```", `ACL SETUSER maicivy on >secret ${always}`, "```", ""],
    markdownTable(
      ["with", "add"],
      [
        ["a cluster (on every node)", `\`${cluster}\``],
        ["`ACK_REPLICAS`", `\`${replicas}\``],
        ["a database other than 0", `\`${database}\``],
      ],
    ),
  ].join("\n")
}

if (import.meta.main) printOrWrite(DOCUMENT, { "redis-user": redisUser() })
