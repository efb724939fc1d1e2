/** Runs a world and says what went against the promises. */
import type { Breach } from './breaches.ts'
import { breachesOf, type Tallied, talliedOf } from './checker.ts'
import { World, type WorldInit } from './world.ts'

export interface Outcome {
  world: World
  breaches: Breach[]
  tallied: Tallied
}

export async function runWorld(init: WorldInit, cycles: number): Promise<Outcome> {
  const world = new World(init)
  await world.runCycles(cycles)
  return { world, breaches: breachesOf(world, cycles), tallied: talliedOf(world, cycles) }
}

/** For a failed run: what broke, how to run it again, and what happened. */
export function report({ world, breaches }: Outcome, replay: string): string {
  const broken = breaches.map(({ name, cycle, detail }) => `  cycle ${cycle}: ${name} (${detail})`)
  return [`seed ${world.init.seed} breaks its promises:`, ...broken, `run it again: ${replay}`, world.table()].join('\n')
}
