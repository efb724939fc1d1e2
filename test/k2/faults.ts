/** Seeded schedules of faults for a few proxies, and a run of clients that vote through them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Transaction } from '@solana/web3.js'
import { windowOf } from '../../src/clock/index.ts'
import type { KeyPair } from '../../src/identity/index.ts'
import {
  createK2Client,
  createOutbox,
  createSlots,
  type FinalVote,
  type K2Client,
  type Outbox,
  type OutboxCounters,
  type OutboxInit,
  type Slots
} from '../../src/k2/index.ts'
import { PROGRAM_ID, stakeAddress } from '../../src/k2/settlement/index.ts'
import { openStore, type Store } from '../../src/store/index.ts'
import { signerWith } from '../signer/signers.ts'
import { randomFrom } from '../sim/random.ts'
import { type Chain, silent } from './chain.ts'
import { createFork, type FaultProxy, type Faults, LIES } from './fault-proxy.ts'
import { type ClientEvent, checkHistory, type Figures, readChain, type Violation } from './history.ts'

/** From `slot` on, these are the faults of proxy `proxy`. */
export interface Step {
  slot: number
  proxy: number
  faults: Faults
}

/**
 * Faults in [from, to): each proxy goes through several, one of them at most lies, and sometimes all are on a fork that is rolled
 * back. From `to` on all is well.
 */
export function randomSchedule(random: () => number, { proxies, from, to }: { proxies: number; from: number; to: number }): Step[] {
  const whole = (below: number) => Math.floor(random() * below)
  const pick = <T>(list: readonly T[]): T => list[whole(list.length)]!
  const steps: Step[] = []
  const slots = to - from
  const liar = random() < 0.6 ? whole(proxies) : -1
  const kinds: Array<() => Faults> = [
    () => ({ down: true }),
    () => ({ httpStatus: 429, retryAfterS: 0 }),
    () => ({ httpStatus: 429 }),
    () => ({ httpStatus: pick([500, 502, 503]) }),
    () => ({ slowMs: pick([20, 100, 400]) }),
    () => ({ frozen: pick(['honest', 'cached'] as const) }),
    () => ({ dropRequest: random() }),
    () => ({ dropAnswer: random(), duplicate: 0.5 }),
    () => ({ duplicate: 1 }),
    () => ({ garbage: random() }),
    () => ({ hugeBytes: 2 * 1024 * 1024 }),
    () => ({ halfOpen: true })
  ]
  for (let proxy = 0; proxy < proxies; proxy++) {
    if (proxy === liar) {
      // a liar lies to the end of the window and beyond
      steps.push({ slot: from, proxy, faults: { lies: [pick(LIES), pick(LIES)] } })
      continue
    }
    for (let slot = from; slot < to; slot += 5 + whole(slots / 2)) {
      steps.push({ slot, proxy, faults: pick(kinds)() })
    }
    steps.push({ slot: to, proxy, faults: {} })
  }
  if (random() < 0.5) {
    const fork = createFork()
    const begins = from + whole(slots / 2)
    const ends = Math.min(to, begins + 5 + whole(slots / 3))
    for (let proxy = 0; proxy < proxies; proxy++) {
      if (proxy !== liar) {
        // nothing else of that proxy happens in between
        for (let i = steps.length - 1; i >= 0; i--) {
          if (steps[i]!.proxy === proxy && steps[i]!.slot >= begins && steps[i]!.slot < ends) {
            steps.splice(i, 1)
          }
        }
        steps.push({ slot: begins, proxy, faults: { fork } }, { slot: ends, proxy, faults: {} })
      }
    }
  }
  return steps.sort((a, b) => a.slot - b.slot)
}

export interface Client {
  pair: KeyPair
  /** Takes the client away in the middle of whatever it does, and makes a new one of what is on its disk. */
  restart(): Promise<void>
  cast(vote: FinalVote): Promise<void>
  waiting(): Promise<string[]>
  counters(): OutboxCounters
  contradictions(): number
  close(): Promise<void>
}

/** What a mutation may put in the place of a part. */
export interface Parts {
  k2?: (k2: K2Client) => OutboxInit['k2']
  store?: (store: Store) => OutboxInit['store']
}

/** A voting client as a node has it: K2 client, slot clock, outbox and store of its own. */
export async function startClient({
  pair,
  chain,
  urls,
  random,
  tell,
  parts = {}
}: {
  pair: KeyPair
  chain: Chain
  urls: string[]
  random: () => number
  tell: (event: ClientEvent) => void
  parts?: Parts
}): Promise<Client> {
  const dir = await mkdtemp(join(tmpdir(), 'koii-mesh-voter-'))
  const total: OutboxCounters = { signed: 0, sent: 0, rolledBack: 0, landedTwice: 0, handedOver: 0, voted: 0, lost: 0, bids: 0 }
  let contradictions = 0
  let store!: Store
  let k2!: K2Client
  let slots!: Slots
  let outbox!: Outbox
  const event = (kind: ClientEvent['kind'], { cycle, recordDigest }: FinalVote) =>
    tell({ kind, staker: pair.address, cycle, recordDigest: Buffer.from(recordDigest).toString('hex'), slot: chain.k2.slot() })
  const open = () => {
    store = openStore({ dir })
    k2 = createK2Client({
      url: urls,
      random,
      limits: { timeoutMs: 400, firstPauseMs: 10, longestPauseMs: 150, patienceMs: 60, maxResponseBytes: 1024 * 1024 }
    })
    slots = createSlots({ k2, log: silent })
    // a clock that nobody answers starts later
    const startSlots = () => {
      const starting = slots
      starting.start().catch(() => setTimeout(() => starting === slots && !closed && startSlots(), 100))
    }
    startSlots()
    const part = parts.k2?.(k2) ?? k2
    outbox = createOutbox({
      k2: {
        ...part,
        async broadcast(wire) {
          // what it bids may stand behind it
          const vote = Transaction.from(wire).instructions.find(({ programId }) => programId.toBase58() === PROGRAM_ID)!.data
          const at = vote.length - 80
          event('sent', {
            cycle: Number(vote.readBigUInt64LE(at)),
            root: vote.subarray(at + 8, at + 40),
            recordDigest: vote.subarray(at + 40, at + 72),
            totalRewards: 0n
          })
          return part.broadcast(wire)
        }
      },
      signer: signerWith(pair, store.signerLog),
      task: chain.task,
      timing: chain.timing,
      store: parts.store?.(store) ?? store.keyValue('outbox', undefined, true),
      slot: slots.now,
      slotMs: () => 20,
      log: silent,
      maxFeeRoe: 50_000n,
      random,
      onVoted: (vote) => event('landed', vote),
      onLost: (vote) => event('lost', vote)
    })
  }
  let closed = false
  const shut = async () => {
    const counters = outbox.counters()
    for (const key of Object.keys(total) as Array<keyof OutboxCounters>) {
      total[key] += counters[key]
    }
    contradictions += k2.endpoints().reduce((sum, one) => sum + one.contradictions, 0)
    // nothing is waited for: what is under way ends as in a process that was killed
    const stopped = outbox.stop()
    const stoppedSlots = slots.stop()
    k2.close()
    store.close()
    await Promise.all([stopped, stoppedSlots])
  }
  open()
  return {
    pair,
    async restart() {
      await shut()
      open()
      await outbox.resume()
    },
    cast(vote) {
      event('decided', vote)
      return outbox.cast(vote)
    },
    waiting: () => store.keyValue('outbox').list(),
    counters: () => total,
    contradictions: () => contradictions,
    async close() {
      closed = true
      await shut()
      await rm(dir, { recursive: true })
    }
  }
}

export interface RunResult {
  seed: number
  violations: Violation[]
  figures: Figures
  counters: OutboxCounters
  contradictions: number
  restarts: number
  faults: Record<string, number>
}

/**
 * One cycle of votes under a schedule of faults: everyone decides somewhere in the first half of the window, some are killed and come
 * back, and in its last part all endpoints but the liar are well again. Returns what does not fit together. The chain is held: its
 * slots go on here.
 */
export async function runCycle({
  seed,
  cycle,
  chain,
  proxies,
  voters,
  parts,
  schedule,
  patienceMs = 10_000
}: {
  seed: number
  cycle: number
  chain: Chain
  proxies: FaultProxy[]
  voters: KeyPair[]
  parts?: Parts
  schedule?: (random: () => number, range: { from: number; to: number }) => Step[]
  /** How long the clients get to tell the outcome after the window. */
  patienceMs?: number
}): Promise<RunResult> {
  const random = randomFrom(seed)
  const { from, to } = windowOf(chain.timing, cycle, 'distribution')
  const length = to - from
  const events: ClientEvent[] = []
  const tell = (event: ClientEvent) => events.push(event)
  const calm = from + Math.floor(length * 0.6)
  const range = { from: from + 1, to: calm }
  const steps = schedule?.(random, range) ?? randomSchedule(random, { proxies: proxies.length, ...range })
  const clients = await Promise.all(
    voters.map((pair, i) =>
      startClient({
        pair,
        chain,
        urls: proxies.map(({ url }) => url),
        random: randomFrom(seed * 100 + i),
        tell,
        ...(parts == null ? {} : { parts })
      })
    )
  )
  const before = proxies.map((proxy) => proxy.counters())
  const recordDigest = Buffer.from(Array.from({ length: 32 }, () => Math.floor(random() * 256)))
  const vote: FinalVote = { cycle, root: Buffer.alloc(32, 7), recordDigest, totalRewards: 0n }
  const plan = clients.map((client) => ({
    client,
    castAt: from + 1 + Math.floor((random() * length) / 3),
    restartsAt: Array.from({ length: Math.floor(random() * 3) }, () => from + 5 + Math.floor(random() * length * 0.7)).sort((a, b) => a - b)
  }))
  let restarts = 0
  const pending: Array<Promise<unknown>> = []
  chain.toRound(cycle + 2)
  try {
    const told = () => new Set(events.filter(({ kind }) => kind === 'landed' || kind === 'lost').map(({ staker }) => staker)).size
    while (chain.k2.slot() < to && (told() < clients.length || steps.length > 0 || plan.some(({ restartsAt }) => restartsAt.length > 0))) {
      const slot = chain.k2.slot()
      while (steps.length > 0 && steps[0]!.slot <= slot) {
        const { proxy, faults } = steps.shift()!
        proxies[proxy]!.set(faults)
      }
      for (const one of plan) {
        if (one.castAt <= slot) {
          one.castAt = Number.POSITIVE_INFINITY
          pending.push(one.client.cast(vote))
        } else if (one.restartsAt.length > 0 && one.restartsAt[0]! <= slot) {
          one.restartsAt.shift()
          restarts++
          await one.client.restart()
        }
      }
      // slots go on only as this process does: on a busy machine a window lasts longer, and what is possible in it stays the same
      await new Promise((resolve) => setTimeout(resolve, 8))
      chain.k2.warpTo(chain.k2.slot() + 1)
    }
    await Promise.all(pending)
    if (told() < clients.length) {
      // the window is over: how it ended is told once everybody can be asked
      for (const proxy of proxies) {
        proxy.set({})
      }
      chain.k2.warpTo(Math.max(to, chain.k2.slot()) + 2)
      const deadline = performance.now() + patienceMs
      while (told() < clients.length && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 20))
        chain.k2.warpTo(chain.k2.slot() + 1)
      }
    }
    // a lie that is believed late, or told twice, has its chance
    await new Promise((resolve) => setTimeout(resolve, 100))
  } finally {
    await Promise.all(clients.map((client) => client.close()))
    for (const proxy of proxies) {
      proxy.set({})
    }
  }
  const stakers = new Map(voters.map(({ address }) => [stakeAddress({ task: chain.task, staker: address }), address]))
  const everything = await readChain(
    chain.client.connection,
    voters.map(({ address }) => address),
    { from, stakerOf: (stake) => stakers.get(stake) ?? stake }
  )
  const { violations, figures } = checkHistory({
    events,
    writes: everything,
    windowOf: (one) => windowOf(chain.timing, one, 'distribution'),
    // the last part of the window is calm
    reachable: (_staker, _from, until) => until > calm,
    endSlot: told(events) === clients.length ? to : to + 3 * length
  })
  const counters = clients.map((client) => client.counters())
  const sum = (key: keyof OutboxCounters) => counters.reduce((all, one) => all + one[key], 0)
  const faults: Record<string, number> = {}
  proxies.forEach((proxy, i) => {
    for (const [name, count] of Object.entries(proxy.counters()).filter(([name]) => name !== 'notice')) {
      faults[name] = (faults[name] ?? 0) + count - (before[i]![name] ?? 0)
    }
  })
  return {
    seed,
    violations,
    figures,
    counters: {
      signed: sum('signed'),
      sent: sum('sent'),
      rolledBack: sum('rolledBack'),
      landedTwice: sum('landedTwice'),
      handedOver: sum('handedOver'),
      voted: sum('voted'),
      lost: sum('lost'),
      bids: sum('bids')
    },
    contradictions: clients.reduce((all, client) => all + client.contradictions(), 0),
    restarts,
    faults
  }
}

function told(events: readonly ClientEvent[]): number {
  return new Set(events.filter(({ kind }) => kind === 'landed' || kind === 'lost').map(({ staker }) => staker)).size
}
