/** What a participant is given in the place of time, K2 and others' disks. */
import { CID } from 'multiformats/cid'
import type { TaskAccount } from '../../src/k2/settlement/index.ts'
import type { Logger } from '../../src/observe/index.ts'
import type { Chain, Clock, Records } from '../../src/participant/index.ts'
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

export interface SimK2 extends Omit<Chain, 'lastVote'> {
  account(): TaskAccount
  lastVote(staker: string): { value: { cycle: number; recordDigest: Uint8Array } | undefined; sure: boolean }
}

/** K2 as it is read: an account of the task by what was finalized so far. */
export function chainOf(world: World): SimK2 {
  const { chain, timing } = world
  const ring = (value: bigint) => [{ value, from: 0 }]
  const accounts = [...chain.stakes.weights].map(([staker, stake]) => ({
    ...{ staker, stakingKey: staker, formerKey: undefined, keyFrom: 0, amount: ring(stake) }
  }))
  const account = (): TaskAccount =>
    ({
      ...timing,
      address: TASK,
      bounty: ring(chain.bounty),
      // more than is ever paid
      funded: ring(chain.bounty * 1_000_000n),
      totalRewards: 0n,
      tally: undefined,
      closedFrom: undefined,
      largestSlash: world.largestSlash,
      bundle: { cid: '', from: 0 },
      formerBundle: undefined,
      finalized: chain.newest()
    }) as unknown as TaskAccount
  return {
    account,
    task: async () => account(),
    stakes: {
      weight: (staker) => chain.stakes.weights.get(staker) ?? 0n,
      isStaked: (staker) => chain.stakes.weights.has(staker),
      accounts: () => accounts as never,
      at: async () => chain.stakes
    },
    async blockhashAt(slot) {
      world.stir()
      return chain.blockAfter(slot)
    },
    decided() {},
    cast: async () => {},
    bring: () => true,
    lastVote(staker) {
      world.stir()
      const last = [...chain.votesOf(staker)].sort((a, b) => b.cycle - a.cycle)[0]
      return { value: last == null ? undefined : { cycle: last.cycle, recordDigest: CID.parse(last.cid).multihash.digest }, sure: true }
    }
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
