/** The Kubernetes manifests against the API's schemas, and against each other. */
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { PodMonitor, PrometheusRule } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { Deployment } from "kubernetes-models/apps/v1"
import { HorizontalPodAutoscaler } from "kubernetes-models/autoscaling/v2"
import { PodDisruptionBudget } from "kubernetes-models/policy/v1"
import { ConfigMap, Secret, Service } from "kubernetes-models/v1"
import { describe, expect, onTestFinished, test } from "vitest"
import { parse, parseAllDocuments } from "yaml"
import { loadConfig, SETTINGS } from "../../src/config/settings.ts"
import { ROOT, read, section } from "../support/documents.ts"
import { rules } from "./monitoring.ts"

const FOLDER = "infra/kubernetes"

const kustomization = parse(read(`${FOLDER}/kustomization.yaml`)) as { readonly resources: Array<string> }
const FILES = [...kustomization.resources, "secret.example.yaml"]

/** The kinds in use: the schema that checks values, and the type that knows every field's name. */
const KINDS = {
  "v1/ConfigMap": [ConfigMap, "kubernetes-models/v1", "IConfigMap"],
  "v1/Secret": [Secret, "kubernetes-models/v1", "ISecret"],
  "v1/Service": [Service, "kubernetes-models/v1", "IService"],
  "apps/v1/Deployment": [Deployment, "kubernetes-models/apps/v1", "IDeployment"],
  "autoscaling/v2/HorizontalPodAutoscaler": [
    HorizontalPodAutoscaler,
    "kubernetes-models/autoscaling/v2",
    "IHorizontalPodAutoscaler",
  ],
  "policy/v1/PodDisruptionBudget": [
    PodDisruptionBudget,
    "kubernetes-models/policy/v1",
    "IPodDisruptionBudget",
  ],
  "monitoring.coreos.com/v1/PodMonitor": [
    PodMonitor,
    "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1",
    "IPodMonitor",
  ],
  "monitoring.coreos.com/v1/PrometheusRule": [
    PrometheusRule,
    "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1",
    "IPrometheusRule",
  ],
} as const

interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string }
}

const manifestsIn = (text: string): ReadonlyArray<Manifest> =>
  parseAllDocuments(text, { merge: true }).map((document) => document.toJS() as Manifest)

const kindOf = ({ apiVersion, kind }: Manifest) => {
  const known = KINDS[`${apiVersion}/${kind}` as keyof typeof KINDS]
  if (known === undefined) throw new Error(`${apiVersion}/${kind} is not among KINDS.`)
  return known
}

const manifests = FILES.flatMap((file) => manifestsIn(read(`${FOLDER}/${file}`)))

const only = <A>(type: { readonly is: (value: unknown) => value is A }): ReadonlyArray<A> =>
  manifests.filter(type.is as (value: unknown) => boolean) as unknown as ReadonlyArray<A>

/** The compiler's words about fields that do not exist: schemas let those pass, as the API server does by default. */
const misnamedFields = (checked: ReadonlyArray<Manifest>): string => {
  const cache = join(ROOT, "node_modules/.cache")
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, "manifests-"))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const lines = checked.map((manifest, index) => {
    const [, from, type] = kindOf(manifest)
    return `import type { ${type} as T${index} } from "${from}"\nexport const m${index}: T${index} = ${JSON.stringify(manifest)}\n`
  })
  writeFileSync(join(folder, "manifests.ts"), lines.join("\n"))
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({ extends: join(ROOT, "tsconfig.json"), include: ["manifests.ts"], exclude: [] }),
  )
  return spawnSync(join(ROOT, "node_modules/.bin/tsc"), ["--noEmit", "--project", folder], {
    encoding: "utf8",
  }).stdout
}

const expectValid = (manifest: Manifest) => {
  const [Model] = kindOf(manifest)
  ;new (Model as new (data: unknown) => { validate: () => void })(manifest).validate()
}

describe("manifests", () => {
  test.each(manifests.map((manifest) => ({ ...manifest, name: manifest.metadata.name })))(
    "$kind $name has values that its schema allows",
    (manifest) => expectValid(manifest),
  )

  test("have fields that there are", () => {
    expect(misnamedFields(manifests)).toBe("")
  })

  test("would be refused with a wrong value or a misspelt field", () => {
    const service = { apiVersion: "v1", kind: "Service", metadata: { name: "x" } }
    expect(() => expectValid({ ...service, spec: { ports: [{ port: "http" }] } } as Manifest)).toThrow()
    expect(misnamedFields([{ ...service, spec: { selectors: {} } } as Manifest])).toContain("selectors")
  })

  test("select the pods that there are", () => {
    const pods = only(Deployment).map(({ spec }) => spec?.template.metadata?.labels ?? {})
    const selectors = [
      ...only(Deployment).map(({ spec }) => spec?.selector.matchLabels),
      ...only(PodDisruptionBudget).map(({ spec }) => spec?.selector?.matchLabels),
      ...only(Service).map(({ spec }) => spec?.selector),
      ...only(PodMonitor).map(({ spec }) => spec.selector.matchLabels),
    ]
    expect(selectors.length).toBe(6)
    for (const selector of selectors)
      expect(pods).toContainEqual(expect.objectContaining(selector ?? { nothing: "" }))
    const deployments = only(Deployment).map(({ metadata }) => metadata?.name)
    for (const { spec } of only(HorizontalPodAutoscaler))
      expect(deployments).toContain(spec?.scaleTargetRef.name)
  })

  test("give nodes settings that they can start with", async () => {
    const env = {
      ...only(ConfigMap)[0]?.data,
      ...only(Secret)[0]?.stringData,
    }
    const settings = Object.values(SETTINGS).map(({ name }) => String(name))
    for (const { spec } of only(Deployment)) {
      const own = spec?.template.spec?.containers?.[0]?.env ?? []
      const all = { ...env, ...Object.fromEntries(own.map(({ name, value }) => [name, value ?? ""])) }
      expect(Object.keys(all).filter((name) => ![...settings, "PGPASSWORD"].includes(name))).toEqual([])
      const config = await Effect.runPromise(
        loadConfig.pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: all })))),
      )
      expect(spec?.template.metadata?.labels?.["app.kubernetes.io/component"]).toBe(config.roles.join())
      // One more than partitions would be idle.
      for (const { spec: scaler } of only(HorizontalPodAutoscaler))
        if (scaler?.scaleTargetRef.name.endsWith("actors")) expect(scaler.maxReplicas).toBe(config.partitions)
    }
  })

  test("scale on a series that is recorded", () => {
    const values = read(`${FOLDER}/prometheus-adapter.values.yaml`)
    const adapter = parse(values) as {
      readonly rules: { readonly external: Array<{ seriesQuery: string; name: { as: string } }> }
    }
    const [external] = adapter.rules.external
    const recorded = rules.flatMap(({ record }) => record ?? [])
    expect(recorded).toContain(/__name__="([^"]+)"/.exec(external?.seriesQuery ?? "")?.[1])
    const scaledOn = only(HorizontalPodAutoscaler).flatMap(
      ({ spec }) => spec?.metrics?.flatMap((metric) => metric.external?.metric.name ?? []) ?? [],
    )
    expect(scaledOn).toEqual([external?.name.as])
  })
})

describe("docs/deployment.md", () => {
  test("makes rules for the Prometheus operator that its schema allows", () => {
    const script = /^```sh\n(for file in [\s\S]*?)^```/m.exec(
      section(read("docs/deployment.md"), "Kubernetes"),
    )?.[1]
    const { stdout } = spawnSync("sh", ["-c", (script ?? "").replace(/\| kubectl .*/, "")], {
      cwd: ROOT,
      encoding: "utf8",
    })
    const made = manifestsIn(stdout)
    expect(made.length).toBe(2)
    for (const manifest of made) expectValid(manifest)
    expect(misnamedFields(made)).toBe("")
  })
})
