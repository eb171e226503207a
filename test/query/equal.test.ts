/**
 * Whatever happens to events, an answer equals a plain count over those that Postgres has. A few questions in the run of all tests;
 * `npm run questions` asks as many as it is told to, in a new deployment for every two thousand.
 */
import { describe, expect, test } from "vitest"
import { Dice } from "./engine/questions.ts"
import { HAPPENINGS, World } from "./world.ts"

const QUESTIONS = Number(process.env.TEST_QUESTIONS ?? 60)
const SEED = Number(process.env.TEST_SEED ?? 1)
/** Questions that a deployment is asked, at most. */
const OF_A_WORLD = 2000
/** Questions between two happenings. */
const AT_A_TIME = Math.min(125, Math.ceil(QUESTIONS / HAPPENINGS.length))

/** Where deployments have their days, and when they begin: days before clocks are changed there, or a year or a leap day ends. */
const BEGINNINGS = [
  ["Europe/Paris", "2027-10-27T21:50:00Z"],
  ["Africa/Cairo", "2028-04-25T12:00:00Z"],
  ["UTC", "2027-12-29T23:58:00Z"],
  ["America/Havana", "2028-03-09T03:00:00Z"],
  ["Pacific/Auckland", "2028-03-29T01:05:00Z"],
  ["Australia/Lord_Howe", "2028-03-30T10:00:00Z"],
  ["America/St_Johns", "2027-11-04T20:00:00Z"],
  ["Asia/Kathmandu", "2028-02-26T12:00:00Z"],
] as const

const worlds = Array.from({ length: Math.ceil(QUESTIONS / OF_A_WORLD) }, (_, i) => SEED + i)

describe("answers equal a plain count, whatever happens", () => {
  test.each(worlds)("to the events of deployment %i", async (seed) => {
    const dice = new Dice(seed)
    const [timeZone, begin] = BEGINNINGS[seed % BEGINNINGS.length] ?? BEGINNINGS[0]
    const world = await World.begin(dice, timeZone, Date.parse(begin))
    const wanted = Math.min(OF_A_WORLD, QUESTIONS)
    for (let asked = 0, turn = 0; asked < wanted; asked += AT_A_TIME, turn++) {
      // Each at least once, first of all.
      await world.happen(HAPPENINGS[turn] ?? dice.of(HAPPENINGS))
      expect(await world.ask(AT_A_TIME)).toEqual([])
    }
  })
})
