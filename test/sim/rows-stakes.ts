/** Stakes that change while rounds go on: whatever is read when and from how far behind, one set counts in a cycle. */
import type { Dice } from './random.ts'
import { begins, lostFrom, ROUND, type Row, start, TIMING } from './row.ts'
import type { K2Init, WorldInit } from './world.ts'

type Change = NonNullable<K2Init['changes']>[number]

const CYCLES = 9
/** From an unstake until its money can be had, in rounds. */
const LOCK_ROUNDS = 6
/** What an endpoint's accounts are behind its slot at most. */
const MOST_BEHIND = 5

/** At the edges of cycles, most of them: the last slots that count for the next cycle, and the first that do not. */
const slotIn = (dice: Dice, cycle: number): number =>
  begins(cycle) + (dice.chance(0.6) ? dice.pick([-2, -1, -1, 0, 0, 1, 2]) : dice.int(ROUND))

interface Plan {
  changes: Change[]
  stakes: bigint[]
}

/** As many changes as come together without leaving fewer than four with a stake. */
function planOf(dice: Dice, first: readonly bigint[], newcomers: readonly number[], successors: readonly number[]): Plan {
  const stakes = [...first, ...newcomers.map(() => 0n), ...successors.map(() => 0n)]
  const changes: Change[] = []
  const sum = () => stakes.reduce((all, one) => all + one, 0n)
  /** By node: not before this cycle again. */
  const free = new Map<number, number>()
  const waiting = [...successors]
  let replacedIn = -3
  const sums: bigint[] = []
  for (let cycle = 0; cycle < CYCLES - 2; cycle++) {
    sums.push(sum())
    // of the cycles that are open when this round ends
    const least = sums.slice(-3).sort((one, other) => (one < other ? -1 : 1))[0]!
    const joins = newcomers.filter((node) => stakes[node] === 0n && !free.has(node))
    for (const node of joins.filter(() => dice.chance(0.4))) {
      const amount = dice.chance(0.3) ? sum() / 2n + 1n : BigInt(1 + dice.int(10))
      changes.push({ slot: slotIn(dice, cycle + 1), staker: node, is: 'stake', amount })
      stakes[node] = amount
      free.set(node, cycle + 2)
    }
    const settled = first.map((_, node) => node).filter((node) => (free.get(node) ?? 0) <= cycle)
    for (const node of settled.filter(() => dice.chance(0.25))) {
      const slot = slotIn(dice, cycle + 1)
      const holds = stakes[node]!
      const others = stakes.filter((stake, i) => i !== node && stake > 0n).length
      free.set(node, cycle + 3)
      if (holds === 0n || dice.chance(0.4)) {
        const amount = BigInt(1 + dice.int(10))
        changes.push({ slot, staker: node, is: 'stake', amount })
        stakes[node] = holds + amount
      } else if (waiting.length > 0 && cycle >= replacedIn + 4 && holds * 4n < least && dice.chance(0.5)) {
        // K2 takes its votes by the new key alone, at once: so much less stake votes on the open cycles
        changes.push({ slot, staker: node, is: 'replace', key: waiting.pop()! })
        replacedIn = cycle
        free.set(node, CYCLES)
      } else if (others >= 4) {
        const amount = dice.chance(0.5) ? holds : (holds + 1n) / 2n
        changes.push({ slot, staker: node, is: 'unstake', amount })
        stakes[node] = holds - amount
        free.set(node, CYCLES)
        const due = begins(cycle + 1 + LOCK_ROUNDS) + dice.int(3)
        if (due < begins(CYCLES)) {
          changes.push({ slot: due, staker: node, is: 'withdraw' })
        }
      }
    }
  }
  return { changes, stakes }
}

function changing(seed: number, count: number | undefined): WorldInit {
  const { dice, nodes } = start(seed, count)
  const newcomers = Array.from({ length: 1 + dice.int(3) }, (_, i) => nodes.length + i)
  const successors = Array.from({ length: 2 }, (_, i) => nodes.length + newcomers.length + i)
  const { changes } = planOf(
    dice,
    nodes.map(({ stake }) => stake),
    newcomers,
    successors
  )
  const all = [...nodes, ...newcomers.map(() => ({ stake: 0n })), ...successors.map(() => ({ stake: 0n }))]
  return {
    seed,
    timing: TIMING,
    network: { jitterSlots: 0.3 },
    nodes: all.map((node) => {
      const period = 3 + dice.int(9)
      const most = dice.int(MOST_BEHIND + 1)
      const phase = dice.int(period)
      return { ...node, endpoints: [{ reads: (at: number) => (most * (Math.floor(at + phase) % period)) / period }] }
    }),
    k2: { changes }
  }
}

export const STAKES: Row[] = [
  {
    name: 'stakes: changing',
    promise: 'stakers come, top up, unstake and replace keys, nodes read it late: one set counts in a cycle, and who is in it is paid once',
    cycles: CYCLES,
    // who reads what a record builds on some slots late approves in a later turn
    without: ['turn-lost'],
    world: changing,
    also: (world) => lostFrom(world, 0, CYCLES)
  }
]
