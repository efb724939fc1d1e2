/** A process may end at any write, before it or after it, and start again: it never contradicts itself, and nothing that had time is lost. */
import { expect } from 'chai'
import { breachesOf } from './checker.ts'
import { contradictionsIn } from './convictions.ts'
import type { Write } from './disk.ts'
import { diceFrom } from './random.ts'
import { report } from './run.ts'
import { World, type WorldInit } from './world.ts'

const SHIFT = Number(process.env.KOII_MESH_SIM_SHIFT ?? 0)
const TIMING = { startingSlot: 10, roundSlots: 30, submissionWindow: 10, auditWindow: 18 }
const CYCLES = 3
const STAKES = [10n, 10n, 10n, 10n]

interface Point {
  node: number
  /** Of the node's writes, counted from 1. */
  nth: number
  what: Write
  when: 'before' | 'after'
}

const meshOf = (seed: number): WorldInit => ({
  seed,
  nodes: STAKES.map((stake) => ({ stake })),
  timing: TIMING,
  network: { jitterSlots: 0.3 },
  ownRecords: true
})

/** Where the processes of an undisturbed run write. */
async function pointsOf(seed: number): Promise<Point[]> {
  const counts = new Map<number, number>()
  const points: Point[] = []
  const world = new World({
    ...meshOf(seed),
    onWrite({ index: node }, what, when) {
      const nth = (counts.get(node) ?? 0) + (when === 'before' ? 1 : 0)
      counts.set(node, nth)
      points.push({ node, nth, what, when })
    }
  })
  await world.runCycles(CYCLES)
  return points
}

/** What no mesh may do, whoever was killed: who was away may have lost its own part. */
const SAFETY = new Set([
  'contradiction',
  'two-records',
  'honest-slashed',
  'honest-rejected',
  'unreadable-record',
  'took-more',
  'bad-accepted'
])

async function killedAt(seed: number, { node, nth, when }: Point, awaySlots: number): Promise<World> {
  let count = 0
  let isDone = false
  const world = new World({
    ...meshOf(seed),
    onWrite(one, _what, at) {
      if (one.index !== node || isDone) {
        return
      }
      count += at === 'before' ? 1 : 0
      if (count === nth && at === when) {
        isDone = true
        world.clock.at(world.clock.now() + awaySlots, () => world.pending(one.restart()))
        one.kill()
      }
    }
  })
  await world.runCycles(CYCLES)
  expect(isDone, 'it was killed').to.equal(true)
  return world
}

function check(world: World, what: string): void {
  const breaches = breachesOf(world, CYCLES).filter(({ name }) => SAFETY.has(name))
  expect([breaches, contradictionsIn(world)], `${what}\n${report({ world, breaches, tallied: null as never }, 'this test')}`).to.deep.equal(
    [[], []]
  )
  // three of four agree without it, and what it says when it is back is the same
  expect(
    Array.from({ length: CYCLES }, (_, cycle) => world.chain.finalized(cycle) != null),
    `${what}\n${world.table()}`
  ).to.deep.equal([true, true, true])
}

describe('sim: a process that is killed', () => {
  it('at 1,000 writes, before and after them: it contradicts nothing, and each cycle is finalized', async () => {
    const kinds = new Set<string>()
    let kills = 0
    for (let seed = 1 + SHIFT; kills < 1_000; seed++) {
      const dice = diceFrom(seed)
      const points = await pointsOf(seed)
      for (const point of points.filter(({ node }) => node === seed % STAKES.length)) {
        const awaySlots = dice.pick([0.2, 1, 2.5])
        check(
          await killedAt(seed, point, awaySlots),
          `seed ${seed}, node ${point.node} killed ${point.when} its ${point.what} ${point.nth}, away ${awaySlots}`
        )
        kinds.add(`${point.what} ${point.when}`)
        kills++
      }
    }
    expect([...kinds]).to.include.members([
      'signed before',
      'signed after',
      'message before',
      'message after',
      'cycle before',
      'key before',
      'block before',
      'block after'
    ])
  }).timeout(10 * 60_000)

  it('and all at once, as by a power cut, at any time: what was under way is taken up where it was', async () => {
    const { roundSlots, startingSlot } = TIMING
    for (let at = startingSlot + 1; at < startingSlot + (CYCLES + 1) * roundSlots; at++) {
      const seed = at + SHIFT
      const world = new World(meshOf(seed))
      await world.runTo(at)
      for (const node of world.nodes) {
        node.end()
        world.clock.at(world.clock.now() + 0.2 + node.index / 10, () => world.pending(node.restart()))
      }
      await world.runCycles(CYCLES)
      check(world, `seed ${seed}, all killed in slot ${at}`)
    }
  }).timeout(5 * 60_000)

  it('a disk that is full for a while, of one or of all, at any time, makes nobody contradict itself; each cycle after it is finalized', async () => {
    const { roundSlots, startingSlot } = TIMING
    let refused = 0
    for (let seed = 1 + SHIFT; seed <= 150 + SHIFT; seed++) {
      const dice = diceFrom(seed)
      const from = startingSlot + dice.int(2 * roundSlots)
      const to = from + 1 + dice.int(roundSlots / 2)
      const all = dice.chance(0.5)
      const world: World = new World({
        ...meshOf(seed),
        onWrite({ index }, _what, when) {
          if (when === 'before' && (all || index === 0) && world.clock.now() >= from && world.clock.now() < to) {
            refused++
            throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
          }
        }
      })
      await world.runCycles(5)
      const what = `seed ${seed}, ${all ? 'all disks' : 'one disk'} full in slots ${from} to ${to}`
      const breaches = breachesOf(world, 5).filter(({ name }) => SAFETY.has(name))
      expect(
        [breaches, contradictionsIn(world)],
        `${what}\n${report({ world, breaches, tallied: null as never }, 'this test')}`
      ).to.deep.equal([[], []])
      // the cycles whose round began when it was over
      const first = Math.ceil((to - startingSlot) / roundSlots)
      const after = Array.from({ length: 5 - first }, (_, i) => first + i)
      expect(
        after.filter((cycle) => world.chain.finalized(cycle) == null),
        `${what}\n${world.table()}`
      ).to.deep.equal([])
    }
    expect(refused).to.be.greaterThan(100)
  }).timeout(5 * 60_000)
})
