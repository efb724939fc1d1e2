/**
 * K2 as one node has it: endpoints that may be late, lie, or be behind, each in its own way and for a while. What is made of their answers is the
 * real code: the clock, the majority, the check of a list against the task's account, the view of the stakes.
 */
import { CID } from 'multiformats/cid'
import { majority } from '../../src/k2/choose.ts'
import { K2BehindError, K2ContradictionError, K2DoubtError, K2NotYetError } from '../../src/k2/errors.ts'
import { createStakeFollow, createStakeView, type StakeFollow, type StakeView } from '../../src/k2/index.ts'
import type { StakeAccount, TaskAccount } from '../../src/k2/settlement/index.ts'
import { followStory, type Clock as SlotClock, type Story, turnClock } from '../../src/k2/slot-clock.ts'
import { lastingOf, lastingStake } from '../../src/k2/task-reads.ts'
import { contradictionIn } from '../../src/k2/witness.ts'
import type { NewestResult } from './chain.ts'
import { silent, taskOf } from './ports.ts'
import { SLOT_MS } from './units.ts'
import { TASK, type World } from './world.ts'

/** What is wrong with an endpoint at a time, in K2's slots; nothing where a part is left out. */
export interface EndpointFaults {
  /** So many slots ago it stopped hearing of the chain. */
  behind?: (at: number) => number
  /** Its slot is that of the chain, and what it knows of accounts is so many slots older. */
  reads?: (at: number) => number
  /** It does not say so: its answers claim to be of now, and its slot is that of now. */
  hidesIt?: boolean
  /** So many slots ahead of the chain is what it tells. */
  ahead?: (at: number) => number
  /** What it lists in the place of all stakes. */
  stakes?: (at: number, all: readonly StakeAccount[]) => readonly StakeAccount[]
  /** Its account of the task is made to fit what it lists. */
  fits?: boolean
  /** What it says was finalized. */
  finalized?: (at: number, truth: NewestResult | undefined) => NewestResult | undefined
}

export interface SimLook {
  slot(): number
  /** Time goes on: whether the slot is another one, and whether the clock went back. */
  turn(): { slot: number; back: boolean } | undefined
  task(minSlot?: number): Promise<TaskAccount>
  lastVote(staker: string): Promise<{ value: { cycle: number; recordDigest: Uint8Array } | undefined; sure: boolean }>
  blockhashAt(slot: number): Promise<Uint8Array>
  /** Its stakes, and when they are read: a new process begins with nothing. */
  stakes(): { view: StakeView; follow: StakeFollow }
  /** Calls `listener` with what the subscriptions tell of the task, when that is news. */
  watch(listener: (account: TaskAccount) => void): () => void
}

interface Answer<T> {
  name: string
  slot: number
  value: T
}

/** As long as the client asks again of itself, in slots. */
const PATIENCE_SLOTS = 6
const NEVER: EndpointFaults = {}

export function createLook(world: World, endpoints: readonly EndpointFaults[] = [NEVER]): SimLook {
  const { chain } = world
  const stories: Array<Story | undefined> = endpoints.map(() => undefined)
  let clock: SlotClock | undefined
  const listeners = new Set<(account: TaskAccount) => void>()
  const stakeListeners = new Set<(account: StakeAccount) => void>()
  let told = ''
  let toldStakes = new Map<string, string>()

  const now = () => world.now()
  const lagOf = ({ behind }: EndpointFaults) => behind?.(now()) ?? 0
  /** The last slot whose end it knows: what is confirmed is one behind the slot in progress. */
  const knownTo = (faults: EndpointFaults) => Math.max(0, Math.floor(now() - lagOf(faults) - (faults.reads?.(now()) ?? 0)) - 1)
  const aheadOf = ({ ahead }: EndpointFaults) => ahead?.(now()) ?? 0
  const slotOf = (faults: EndpointFaults) => Math.max(0, Math.floor(now() - (faults.hidesIt ? 0 : lagOf(faults))) + aheadOf(faults))
  const claimOf = (faults: EndpointFaults) => (faults.hidesIt ? Math.max(0, slotOf(faults) - 1) : knownTo(faults) + aheadOf(faults))

  const listed = (faults: EndpointFaults): readonly StakeAccount[] => {
    const { accounts } = chain.stakes.at(knownTo(faults))
    return faults.stakes?.(now(), accounts) ?? accounts
  }
  const taskBy = (faults: EndpointFaults): TaskAccount => {
    const known = knownTo(faults)
    const { accounts, stake } = chain.stakes.at(known)
    const truth = chain.newest(known)
    const finalized = faults.finalized == null ? truth : faults.finalized(now(), truth)
    const list = faults.fits === true ? listed(faults) : accounts
    // of a list that lacks some, what the others have had in all
    const sums =
      list === accounts
        ? stake
        : stake.map(({ from }) => ({
            from,
            value: list.reduce((sum, { amount }) => sum + (amount.find((entry) => entry.from <= from)?.value ?? 0n), 0n)
          }))
    return { ...taskOf(world, finalized), stake: sums, stakerCount: list.length }
  }

  /** What most endpoints say that know of a slot. @throws K2BehindError, K2ContradictionError */
  const agreed = <T>(minSlot: number, ask: (faults: EndpointFaults) => T, digest: (value: T) => string): T => {
    const answers: Array<Answer<T>> = endpoints.flatMap((faults, i) => {
      const slot = claimOf(faults)
      return slot < minSlot ? [] : [{ name: String(i), slot, value: ask(faults) }]
    })
    if (answers.length === 0) {
      throw new K2BehindError(`no endpoint knows of slot ${minSlot}`)
    }
    const { witnesses } = majority(
      answers.map(({ name, slot, value }) => ({ name, slot, digest: digest(value), suspect: false })),
      answers.length
    )
    const chosen = answers.find(({ name }) => witnesses.includes(name))
    if (chosen == null) {
      throw new K2ContradictionError('the endpoints contradict each other')
    }
    return chosen.value
  }

  const patiently = async <T>(ask: () => T): Promise<T> => {
    world.stir()
    for (let waited = 0; ; waited++) {
      try {
        return ask()
      } catch (err) {
        if (waited >= PATIENCE_SLOTS) {
          throw err
        }
        await world.sleep(1)
      }
    }
  }

  const readTask = (minSlot: number) => agreed(minSlot, taskBy, lastingOf)
  const readStakes = (minSlot: number): StakeAccount[] => {
    const witness = readTask(minSlot)
    const doubts: Array<{ name: string; reason: string }> = []
    const whole = endpoints.filter((faults, i) => {
      const doubt = claimOf(faults) < minSlot ? undefined : contradictionIn(listed(faults), witness, minSlot)
      if (doubt != null) {
        doubts.push({ name: String(i), reason: doubt.reason })
      }
      return doubt == null && claimOf(faults) >= minSlot
    })
    if (whole.length === 0) {
      throw doubts.length > 0 ? new K2DoubtError(doubts) : new K2BehindError(`no endpoint knows of slot ${minSlot}`)
    }
    return [...listed(whole[0]!)].sort((a, b) => (a.address < b.address ? -1 : 1))
  }

  /** What is news is told by whoever tells it; with several it is asked for, so that one alone moves nobody. */
  const tell = () => {
    const account = endpoints.length === 1 ? taskBy(endpoints[0]!) : attempt(() => readTask(0))
    const text = account == null ? told : lastingOf(account)
    if (account != null && text !== told) {
      told = text
      for (const listener of listeners) {
        listener(account)
      }
    }
    for (const faults of endpoints) {
      for (const stake of listed(faults)) {
        const text = lastingStake(stake)
        if (toldStakes.get(stake.address) !== text) {
          toldStakes = new Map(toldStakes).set(stake.address, text)
          for (const listener of stakeListeners) {
            listener(stake)
          }
        }
      }
    }
  }

  const slot = () => clock?.slot ?? Math.max(0, Math.floor(now()))
  const task = (minSlot = 0) => patiently(() => readTask(minSlot))

  return {
    slot,
    task,
    turn() {
      const nowMs = world.clock.now() * SLOT_MS
      endpoints.forEach((faults, i) => {
        stories[i] = followStory(stories[i], slotOf(faults), nowMs)
      })
      const former = clock
      clock = turnClock(
        former,
        stories.flatMap((story) => story ?? []),
        nowMs,
        SLOT_MS
      )
      tell()
      return clock == null || clock.slot === former?.slot
        ? undefined
        : { slot: clock.slot, back: former != null && clock.slot < former.slot }
    },
    blockhashAt: (of) =>
      patiently(() => {
        if (!endpoints.some((faults) => claimOf(faults) >= of + 1)) {
          throw new K2NotYetError(`there is no block after slot ${of}`)
        }
        return chain.blockAfter(of)
      }),
    async lastVote(staker) {
      world.stir()
      const last = agreed(
        0,
        (faults) => chain.votesOf(staker, knownTo(faults)).sort((a, b) => b.cycle - a.cycle)[0],
        (vote) => `${vote?.cycle} ${vote?.cid}`
      )
      return {
        value: last == null ? undefined : { cycle: last.cycle, recordDigest: CID.parse(last.cid).multihash.digest },
        sure: true
      }
    },
    stakes() {
      const view = createStakeView({
        k2: { stakes: (_task, minSlot = 0) => patiently(() => readStakes(minSlot)), task: (_task, minSlot) => task(minSlot) },
        task: TASK,
        timing: world.timing,
        slot,
        log: silent
      })
      const follow = createStakeFollow({
        k2: {
          watchStakes: (_task, listener) => {
            stakeListeners.add(listener)
            return Object.assign(() => void stakeListeners.delete(listener), { live: () => true })
          }
        },
        task: TASK,
        stakes: view,
        log: silent
      })
      return { view, follow }
    },
    watch(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    }
  }
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch {
    return undefined
  }
}
