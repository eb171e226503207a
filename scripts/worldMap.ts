/**
 * The dashboard's map of the world: the shapes of countries as Natural Earth has them (public domain, by way of world-atlas), in the
 * Equal Earth projection, which keeps areas, and in whole units, so that they are small. `--write` puts them where the page loads them
 * from; nothing is fetched when it runs.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { iso31661NumericToAlpha2 } from "iso-3166"

const SOURCE = createRequire(import.meta.url).resolve("world-atlas/countries-110m.json")
/** The file that is made. */
export const WORLD = new URL("../src/dashboard/front/world.txt", import.meta.url)

/** Units from the map's left to its right. */
const WIDTH = 960
/** Who lives there does not browse much, and it would be a quarter of the map. */
const LEFT_OUT: ReadonlySet<string> = new Set(["Antarctica"])
/** Codes of places that have no number: what databases of addresses call them. */
const WITHOUT_NUMBER: { readonly [name: string]: string } = { Kosovo: "XK" }

type Point = readonly [x: number, y: number]

/** What is read of a topology: https://github.com/topojson/topojson-specification. */
interface Topology {
  readonly transform: { readonly scale: Point; readonly translate: Point }
  readonly arcs: ReadonlyArray<ReadonlyArray<Point>>
  readonly objects: { readonly countries: { readonly geometries: ReadonlyArray<Country> } }
}

type Rings = ReadonlyArray<ReadonlyArray<number>>

type Country = {
  readonly id?: string
  readonly properties: { readonly name: string }
} & (
  | { readonly type: "Polygon"; readonly arcs: Rings }
  | { readonly type: "MultiPolygon"; readonly arcs: ReadonlyArray<Rings> }
)

const isTopology = (value: unknown): value is Topology =>
  typeof value === "object" && value !== null && "type" in value && value.type === "Topology"

const topology = (): Topology => {
  const value: unknown = JSON.parse(readFileSync(SOURCE, "utf8"))
  if (!isTopology(value)) throw new Error(`${SOURCE} is no topology.`)
  return value
}

/** Arcs as longitudes and latitudes: each point is stored as the step from the one before. */
const arcsOf = ({ arcs, transform }: Topology): ReadonlyArray<ReadonlyArray<Point>> =>
  arcs.map((steps) => {
    let [x, y] = [0, 0]
    return steps.map(([dx, dy]) => {
      x += dx
      y += dy
      return [
        x * transform.scale[0] + transform.translate[0],
        y * transform.scale[1] + transform.translate[1],
      ] as const
    })
  })

const RADIAN = Math.PI / 180
const [A1, A2, A3, A4] = [1.340264, -0.081106, 0.000893, 0.003796]
const M = Math.sqrt(3) / 2

/** Šavrič, Patterson and Jenny, The Equal Earth map projection, 2018; y grows downwards. */
const equalEarth = ([longitude, latitude]: Point): Point => {
  const theta = Math.asin(M * Math.sin(latitude * RADIAN))
  const square = theta * theta
  const sixth = square ** 3
  const slope = A1 + 3 * A2 * square + sixth * (7 * A3 + 9 * A4 * square)
  return [
    (longitude * RADIAN * Math.cos(theta)) / (M * slope),
    -theta * (A1 + A2 * square + sixth * (A3 + A4 * square)),
  ]
}

const SCALE = WIDTH / (2 * equalEarth([180, 0])[0])

const placed = (point: Point): Point => {
  const [x, y] = equalEarth(point)
  return [Math.round(x * SCALE + WIDTH / 2), Math.round(y * SCALE)]
}

/** The longitudes and latitudes of a ring. */
const ringOf = (ring: ReadonlyArray<number>, arcs: ReturnType<typeof arcsOf>): ReadonlyArray<Point> =>
  // A negative number is that of an arc from its end.
  ring.flatMap((arc) => (arc < 0 ? (arcs[~arc] ?? []).toReversed() : (arcs[arc] ?? [])))

/** The part of a ring on one side of a meridian. */
const beside = (ring: ReadonlyArray<Point>, meridian: number, side: 1 | -1): ReadonlyArray<Point> =>
  ring.flatMap((to, i) => {
    const from = ring.at(i - 1) ?? to
    const isIn = ([longitude]: Point) => side * (longitude - meridian) >= 0
    const share = (meridian - from[0]) / (to[0] - from[0])
    const crossing: Point = [meridian, from[1] + share * (to[1] - from[1])]
    return [...(isIn(from) === isIn(to) ? [] : [crossing]), ...(isIn(to) ? [to] : [])]
  })

/** A ring that crosses the map's edge is two on the map: it is unrolled, and cut there. */
const cutAtEdge = (ring: ReadonlyArray<Point>): ReadonlyArray<ReadonlyArray<Point>> => {
  let turns = 0
  const unrolled = ring.map(([longitude, latitude], i): Point => {
    const step = longitude - (ring[i - 1]?.[0] ?? longitude)
    if (Math.abs(step) > 180) turns -= Math.sign(step)
    return [longitude + 360 * turns, latitude]
  })
  return [-360, 0, 360].map((by) => {
    const moved = unrolled.map(([longitude, latitude]): Point => [longitude + by, latitude])
    return beside(beside(moved, -180, 1), 180, -1)
  })
}

/** The points of a ring on the map, without those that fall together with the one before, closed. */
const drawnOf = (ring: ReadonlyArray<Point>): ReadonlyArray<Point> => {
  const points = ring.map(placed)
  const [first] = points
  return [...points, ...(first === undefined ? [] : [first])].filter(
    ([x, y], i, all) => i === 0 || x !== all[i - 1]?.[0] || y !== all[i - 1]?.[1],
  )
}

/** A ring as a part of an SVG path; nothing for one without an area. */
const pathOf = (ring: ReadonlyArray<Point>): string => {
  const [first] = ring
  if (first === undefined || ring.length < 4) return ""
  const steps = ring.slice(1, -1).map(([x, y], i) => {
    const [fromX, fromY] = ring[i] ?? first
    return `${x - fromX} ${y - fromY}`
  })
  // A minus separates, too.
  return `M${first.join(" ")}l${steps.join(" ")}z`.replaceAll(" -", "-")
}

/** The file's text: paths by codes, and the bounds of what is drawn. */
export const worldMap = (): string => {
  const world = topology()
  const arcs = arcsOf(world)
  const paths: Array<readonly [code: string, path: string]> = []
  const rows: Array<number> = []
  for (const country of world.objects.countries.geometries) {
    if (LEFT_OUT.has(country.properties.name)) continue
    const rings = (country.type === "Polygon" ? [country.arcs] : country.arcs).flat()
    const drawn = rings
      .flatMap((ring) => cutAtEdge(ringOf(ring, arcs)))
      .map(drawnOf)
      .filter((ring) => pathOf(ring) !== "")
    rows.push(...drawn.flat().map(([, y]) => y))
    const code = iso31661NumericToAlpha2[country.id ?? ""] ?? WITHOUT_NUMBER[country.properties.name] ?? "--"
    paths.push([code, drawn.map(pathOf).join("")])
  }
  const [top, bottom] = [Math.min(...rows), Math.max(...rows)]
  paths.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return [`0 ${top} ${WIDTH} ${bottom - top}`, ...paths.map((each) => each.join(" ")), ""].join("\n")
}

if (import.meta.main) {
  if (process.argv.includes("--write")) writeFileSync(WORLD, worldMap())
  else console.log(worldMap())
}
