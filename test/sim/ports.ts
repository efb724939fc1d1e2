/** What a participant is given in the place of time, K2 and others' disks. */
import { CID } from 'multiformats/cid'
import type { StakeView } from '../../src/k2/index.ts'
import type { TaskAccount } from '../../src/k2/settlement/index.ts'
import type { Logger } from '../../src/observe/index.ts'
import type { Chain, Clock, Records } from '../../src/participant/index.ts'
import type { NewestResult } from './chain.ts'
import type { SimLook } from './k2.ts'
import { FETCH_SLOTS, SLOT_MS } from './units.ts'
import { TASK, type World } from './world.ts'

/** What the making of a record takes. */
const BUILD_SLOTS = 0.05
/** What is due in one slot goes one after the other. */
const BREATH_SLOTS = 0.01

const nothing = () => {}
export const silent = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing, fatal: nothing } as unknown as Logger

export function clockOf(world: World, slot: () => number, listeners: Set<(slot: number) => void>): Clock {
  return {
    now: slot,
    slotMs: () => SLOT_MS,
    on(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    nowMs: () => world.clock.now() * SLOT_MS,
    sleep: (ms, signal) => world.sleep(ms / SLOT_MS, signal),
    breathe: () => world.sleep(BREATH_SLOTS)
  }
}

export interface SimK2 extends Chain {
  account(): TaskAccount
}

/** The account of the task, as of what was finalized. */
export function taskOf({ chain, timing, largestSlash }: World, finalized: NewestResult | undefined): TaskAccount {
  const ring = (value: bigint) => [{ value, from: 0 }]
  return {
    ...timing,
    address: TASK,
    bounty: ring(chain.bounty),
    // more than is ever paid
    funded: ring(chain.bounty * 1_000_000n),
    totalRewards: 0n,
    tally: undefined,
    closedFrom: undefined,
    largestSlash,
    bundle: { cid: '', from: 0 },
    formerBundle: undefined,
    finalized
  } as unknown as TaskAccount
}

/** K2 as it is read where stakes are constant and nothing is wrong with it: everybody reads the same, at once. */
export function chainOf(world: World): SimK2 {
  const { chain } = world
  const stakes = chain.stakesOf(0)
  const { accounts } = chain.stakes.at(0)
  const account = () => taskOf(world, chain.newest())
  return {
    account,
    task: async () => account(),
    stakes: {
      weight: (staker) => stakes.weights.get(staker) ?? 0n,
      isStaked: (staker) => stakes.weights.has(staker),
      accounts: () => accounts,
      at: async () => stakes
    },
    async blockhashAt(slot) {
      world.stir()
      return chain.blockAfter(slot)
    },
    decided() {},
    cast: async () => {},
    bring: () => true,
    async lastVote({ staker }) {
      world.stir()
      const last = [...chain.votesOf(staker)].sort((a, b) => b.cycle - a.cycle)[0]
      return { value: last == null ? undefined : { cycle: last.cycle, recordDigest: CID.parse(last.cid).multihash.digest }, sure: true }
    }
  }
}

/** The same where it may be late, lie, or be behind: by the node's own endpoints. */
export function chainBy(world: World, look: SimLook, view: StakeView): SimK2 {
  return {
    account: () => taskOf(world, undefined),
    task: look.task,
    stakes: view,
    blockhashAt: look.blockhashAt,
    decided() {},
    cast: async () => {},
    bring: () => true,
    lastVote: ({ staker }) => look.lastVote(staker)
  }
}

/** The records of all nodes: what comes out the same for all is made once. */
export function recordsOf(world: World): Records {
  const read = async (cid: CID) => {
    world.stir()
    return world.records.read(cid.toString())
  }
  return {
    async build(facts) {
      const built = await world.records.build(facts)
      await world.sleep(world.init.buildSlots ?? BUILD_SLOTS)
      return built
    },
    async check(cid, facts) {
      const result = await world.records.check(cid.toString(), facts)
      await world.sleep(FETCH_SLOTS)
      return result
    },
    ensure: read,
    outcome: read
  }
}
