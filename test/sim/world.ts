/**
 * A whole mesh in one process: real rounds, judge, pool, tally and records, on a virtual clock and network. Everything
 * follows from the seed. Transport, proofs, the task and K2 are models; who runs the faulty keys is handed in.
 */
import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { scheduleFor, type Timing, windowOf } from '../../src/clock/index.ts'
import type { Blocks } from '../../src/participant/index.ts'
import { ProofUnavailableError } from '../../src/proofs/errors.ts'
import { type DistributionInput, LARGEST_SLASH, placesOf, proposerFor } from '../../src/record/index.ts'
import type { Base, StakeSet } from '../../src/rounds/index.ts'
import { type Message, type Network, networkOf, open, type Verify } from '../../src/wire/index.ts'
import type { Adversary, Power } from './adversary.ts'
import { createChain, type SimChain } from './chain.ts'
import { EventClock } from './clock.ts'
import type { Write } from './disk.ts'
import { createHistory, cycleTable, type History } from './history.ts'
import type { EndpointFaults } from './k2.ts'
import { type SimKeys, standInKeys } from './keys.ts'
import { CALM, createNetwork, type NetworkModel, type SimNetwork } from './network.ts'
import { SimNode } from './node.ts'
import { createProofs, type SimProofs } from './proofs.ts'
import { type Dice, diceFrom, randomFrom } from './random.ts'
import { createRecords, payByStake, type SimRecords } from './records.ts'
import { FETCH_SLOTS, SLOT_MS } from './units.ts'
import { saidBy, sign, subjectOf, words } from './words.ts'

export interface WorldInit {
  seed: number
  /** `lagAt`: by how many slots its clock is behind at a time; below 0 for one that is ahead. */
  nodes: Array<{
    /** Of the beginning, in ROE. */
    stake: bigint
    faulty?: boolean
    idle?: boolean
    down?: (slot: number) => boolean
    lagAt?: (at: number) => number
    /** One that is true when left out. */
    endpoints?: EndpointFaults[]
    /** While it may lose its own part in a cycle, by what it is told. */
    misled?: (slot: number) => boolean
    /** From this slot on it is told nothing but what is so, and its clock is right again. */
    backAt?: number
  }>
  /** K2 is not the same for all, or not the same for ever: each node reads it by its own endpoints. */
  k2?: K2Init
  timing?: Timing
  network?: Partial<NetworkModel>
  adversary?: Adversary
  keys?: SimKeys
  /** In ROE, for every cycle. */
  bounty?: bigint
  /** Every node decodes every message itself, as it would from the wire. */
  thorough?: boolean
  maxRecordBytes?: number
  /** Honest nodes that do not get what others submit, through a fault of their own that they do not see. */
  mistaken?: (node: number, author: number) => boolean
  /** How long the making of a record takes. */
  buildSlots?: number
  /** Every node makes, fetches and checks records itself, over blocks that others have to give. */
  ownRecords?: boolean
  /** Called before and after each write of a node to its disk: what it throws is what the disk says. */
  onWrite?: (node: SimNode, what: Write, when: 'before' | 'after') => void
}

/** What happens on K2. Slots are K2's. */
export interface K2Init {
  /** By whom, by numbers of nodes: the staker is the one that staked first, and `key` that of the node that takes over. */
  changes?: Array<
    { slot: number; staker: number } & ({ is: 'stake' | 'unstake'; amount: bigint } | { is: 'withdraw' } | { is: 'replace'; key: number })
  >
  /** At a slot so many slots are taken back, with the votes in them. */
  forks?: Array<{ slot: number; depth: number }>
  /** K2 stands at a slot for so long, in slots' time. */
  halts?: Array<{ slot: number; slots: number }>
}

/** Windows around an audit window of a given length, in slots. */
export function timingOf(auditWindow: number, submissionWindow = 4): Timing {
  return { startingSlot: 10, roundSlots: submissionWindow + auditWindow + 2, submissionWindow, auditWindow }
}

/** The rhythm of the smallest testnet. */
export const TESTNET_TIMING: Timing = { startingSlot: 10, roundSlots: 30, submissionWindow: 12, auditWindow: 16 }

export const GENESIS = '11111111111111111111111111111112'
export const TASK = '11111111111111111111111111111113'
export const NETWORK: Network = networkOf(GENESIS, TASK)

export class World {
  readonly init: WorldInit
  readonly timing: Timing
  readonly network = NETWORK
  readonly keys: SimKeys
  readonly clock: EventClock
  readonly chain: SimChain
  readonly wire: SimNetwork
  readonly proofs: SimProofs
  readonly records: SimRecords
  readonly history: History = createHistory()
  readonly nodes: SimNode[]
  readonly words = words
  readonly said = saidBy
  /** Signatures are the same for everybody: each is checked once. */
  readonly verifyOnce: Verify
  readonly largestSlash = LARGEST_SLASH
  readonly #trace = createHash('sha256')
  /** Something goes on between two moments: it ends before time does. */
  #stirred = false
  #started = false
  #opened = new WeakMap<Uint8Array, Message>()
  #pending: Array<Promise<unknown>> = []
  #ticked = 0
  #cycles = 0
  #dice: Dice
  #power: Power | undefined
  #proposers = new Map<string, string | null>()
  #indexes: Map<string, number>
  /** Stakers in K2's order, by cycle. */
  #places = new WeakMap<StakeSet, string[]>()

  constructor(init: WorldInit) {
    this.init = init
    this.timing = init.timing ?? TESTNET_TIMING
    this.keys = init.keys ?? standInKeys
    this.#dice = diceFrom(init.seed)
    const keys = init.nodes.map((_, index) => this.keys.keyOf(init.seed, index))
    this.clock = new EventClock(() => (this.#stirred || this.#pending.length > 0 ? this.#settle() : undefined))
    this.#indexes = new Map(keys.map(({ address }, index) => [address, index]))
    this.chain = createChain({
      seed: init.seed,
      timing: this.timing,
      first: new Map(keys.map(({ address }, index) => [address, init.nodes[index]!.stake])),
      changes: init.k2?.changes != null,
      bounty: init.bounty ?? 1_000_000n,
      now: () => this.now()
    })
    const model = { ...CALM, ...init.network }
    this.wire = createNetwork({
      clock: this.clock,
      dice: this.#dice,
      model,
      size: keys.length,
      deliver: (to, message) => this.nodes[to]!.receive(message)
    })
    this.proofs = createProofs((from, to) => from === to || (!this.nodes[from]!.isDown() && this.wire.connected(from, to)))
    const checked = new Map<Uint8Array, boolean>()
    this.verifyOnce = (signature, bytes, publicKey) => {
      let right = checked.get(signature)
      if (right == null) {
        right = this.keys.verify(signature, bytes, publicKey)
        checked.set(signature, right)
      }
      return right
    }
    this.records = createRecords({
      taskId: TASK,
      genesisHash: GENESIS,
      network: NETWORK,
      timing: this.timing,
      stakesOf: this.chain.stakesOf,
      verify: this.keys.verify,
      maxRecordBytes: init.maxRecordBytes,
      elsewhere: (cid) => this.nodes.find(({ disk }) => disk.blocks.has(cid))?.disk.blocks.get(cid)
    })
    this.nodes = keys.map(
      (key, index) =>
        new SimNode({
          world: this,
          index,
          key,
          random: randomFrom(init.seed * 1000 + index),
          lag: model.skewSlots === 0 || init.nodes[index]!.faulty ? 0 : this.#dice.pick([0, 0.5, 1]) * model.skewSlots,
          faulty: init.nodes[index]!.faulty ? { adversary: init.adversary ?? { name: 'none' }, power: () => this.power() } : null,
          idle: init.nodes[index]!.idle === true,
          down: init.nodes[index]!.down,
          lagAt: init.nodes[index]!.lagAt,
          k2: init.k2 == null ? undefined : (init.nodes[index]!.endpoints ?? [{}])
        })
    )
    if (init.nodes.some(({ faulty }) => faulty)) {
      init.adversary?.start?.(this.power())
    }
  }

  /** Runs until the distribution window of the last of so many cycles has closed. */
  async runCycles(cycles: number): Promise<void> {
    this.#cycles = cycles
    await this.runTo(windowOf(this.timing, cycles - 1, 'distribution').to + 1)
    for (let cycle = 0; cycle < cycles; cycle++) {
      await this.#readBack(cycle)
    }
  }

  async runTo(slot: number): Promise<void> {
    if (!this.#started) {
      this.#started = true
      for (const node of this.nodes) {
        await node.start()
      }
    }
    const { syncSlots } = { ...CALM, ...this.init.network }
    if (this.#ticked === 0) {
      this.#planK2()
    }
    for (let tick = this.timeOf(this.#ticked); tick < this.timeOf(slot); tick++) {
      this.clock.at(tick, () => {
        for (const node of this.nodes) {
          if (node.look != null) {
            node.turn()
          } else if (this.init.nodes[node.index]!.lagAt != null) {
            node.tick(node.slot())
          } else if (node.lag === 0) {
            node.tick(tick)
          } else {
            this.clock.at(tick + node.lag, () => node.tick(tick))
          }
        }
        if (syncSlots != null && tick % syncSlots === 0) {
          this.#sync()
        }
      })
    }
    this.#ticked = Math.max(this.#ticked, slot)
    await this.clock.runTo(this.timeOf(slot))
  }

  /** K2's slot, and how much of it is over: its time stands still while K2 does. */
  now(): number {
    let at = this.clock.now()
    for (const halt of this.init.k2?.halts ?? []) {
      if (at > halt.slot) {
        at = Math.max(halt.slot, at - halt.slots)
      }
    }
    return at
  }

  /** When K2 comes to a slot. */
  timeOf(slot: number): number {
    return (this.init.k2?.halts ?? []).reduceRight((time, halt) => (time > halt.slot ? time + halt.slots : time), slot)
  }

  #planK2(): void {
    const { changes = [], forks = [] } = this.init.k2 ?? {}
    const address = (node: number) => this.nodes[node]!.key.address
    for (const { slot, staker, ...change } of [...changes].sort((a, b) => a.slot - b.slot)) {
      const named = change.is === 'replace' ? { ...change, key: address(change.key) } : change
      this.clock.at(this.timeOf(slot), () => this.chain.stakes.change(slot, { ...named, staker: address(staker) }))
    }
    for (const { slot, depth } of forks) {
      this.clock.at(this.timeOf(slot), () => this.chain.fork(slot - depth))
    }
  }

  /** The same for the same seed, whatever the machine. */
  digest(): string {
    return this.#trace.copy().digest('hex')
  }

  table(): string {
    const names = new Map(this.nodes.map(({ key, index, honest }) => [key.address, `${honest ? '' : 'faulty '}n${index}`]))
    const stakes = this.init.nodes.map(({ stake, faulty }, i) => `n${i}${faulty ? ' (faulty)' : ''} ${stake}`).join(', ')
    const cycles = this.history
      .cycles()
      .filter(({ cycle }) => cycle < this.#cycles)
      .map((cycle) =>
        cycleTable(
          cycle,
          (address) => names.get(address) ?? address,
          (id) => this.proofs.truth(id)?.quality ?? 'without proof',
          this.placesOf(cycle.cycle)
        )
      )
    return [`stakes: ${stakes}; W ${this.timing.auditWindow}`, ...cycles].join('\n')
  }

  /** Time stands still until what was begun now waits for it. */
  stir(): void {
    this.#stirred = true
  }

  /** Until so many slots have passed, or `signal` is aborted. */
  sleep(slots: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        signal?.removeEventListener('abort', done)
        this.#stirred = true
        resolve()
      }
      if (signal?.aborted) {
        done()
        return
      }
      this.clock.at(this.clock.now() + slots, done)
      signal?.addEventListener('abort', done)
    })
  }

  /** Decoding was the sender's, and is the same for all. */
  readonly messageOf = (bytes: Uint8Array): Message => {
    let message = this.#opened.get(bytes)
    if (message == null) {
      message = open(bytes, NETWORK)
      this.#opened.set(bytes, message)
      this.#opened.set(message.bytes, message)
    }
    return message
  }

  /** A node's own blocks, and those that others give. */
  blocksOf(index: number): Blocks {
    const own = () => this.nodes[index]!.disk.blocks
    const held = (name: string) =>
      own().get(name) ??
      this.nodes
        .find((other) => other.index !== index && !other.isDown() && this.#talk(index, other.index) && other.disk.blocks.has(name))
        ?.disk.blocks.get(name) ??
      this.records.block(name)
    return {
      from: (_hints, timeoutMs, until) => {
        const deadline = this.clock.now() + timeoutMs / SLOT_MS
        return async (cid) => {
          const name = cid.toString()
          for (let pause = FETCH_SLOTS; !own().has(name); pause = 1) {
            await this.sleep(pause, until)
            const block = held(name)
            if (block != null) {
              return block
            }
            if (until?.aborted || this.clock.now() >= deadline) {
              throw new ProofUnavailableError(cid, 'nobody gave it in time')
            }
          }
          return own().get(name)!
        }
      },
      put: async (cid, bytes) => {
        const node = this.nodes[index]!
        this.init.onWrite?.(node, 'block', 'before')
        own().set(cid.toString(), bytes)
        this.init.onWrite?.(node, 'block', 'after')
      },
      pin: async () => undefined
    }
  }

  distribution(input: DistributionInput) {
    return payByStake(input)
  }

  #talk(a: number, b: number): boolean {
    return this.wire.connected(a, b) && this.wire.connected(b, a)
  }

  pending(promise: Promise<unknown>): void {
    this.#pending.push(promise)
  }

  note(node: SimNode, cycle: number, text: string): void {
    this.history.cycle(cycle).notes.push({ node: node.index, at: this.now(), text })
  }

  /** A node took a message in. */
  onKept(node: SimNode, message: Message): void {
    const history = this.history.cycle(message.body.cycle)
    const own = node.key.address === message.signer
    if (message.kind === 'submission') {
      const known = history.submissions.get(message.id) ?? { message, author: this.indexOf(message.signer), heard: new Map() }
      history.submissions.set(message.id, known)
      if (!own) {
        known.heard.set(node.index, this.now() - node.lag)
      }
    }
    if (message.evidence != null || this.nodes[this.indexOf(message.signer)]?.honest === false) {
      const had = history.had.get(message.id) ?? { message, by: new Map<number, number>() }
      history.had.set(message.id, had)
      had.by.set(node.index, this.now())
    }
    if (own) {
      this.#trace.update(`${this.clock.now()} ${message.id}\n`)
      history.said.push({ by: node.index, message, at: this.now() })
    }
  }

  indexOf(address: string): number {
    return this.#indexes.get(address) ?? -1
  }

  /** Stakers of a cycle in K2's order. */
  placesOf(cycle: number): string[] {
    const stakes = this.chain.stakesOf(cycle)
    let places = this.#places.get(stakes)
    if (places == null) {
      places = placesOf(stakes.weights)
      this.#places.set(stakes, places)
    }
    return places
  }

  /** Of a staker in K2's list. */
  placeOf(address: string, cycle: number): number {
    return this.placesOf(cycle).indexOf(address)
  }

  baseOf(cycle: number): Base {
    const before = this.chain.before(cycle)
    return {
      previous: before == null ? null : { cid: before.cid, cycle: before.cycle },
      bounty: this.chain.bounty,
      beacon: this.beaconOf(cycle)
    }
  }

  beaconOf(cycle: number): Uint8Array {
    return this.chain.blockAfter(scheduleFor(this.timing, cycle).beaconSlot)
  }

  /** Whether a node has a staked peer. */
  hasPeer(index: number): boolean {
    return this.nodes.some(
      (other) =>
        other.index !== index && !other.isDown() && this.wire.connected(index, other.index) && this.wire.connected(other.index, index)
    )
  }

  /** Whom a node knows: a peer stays known when it is out of reach. The faulty are silent, unless they choose to answer. */
  peersOf(index: number): Array<{ staker: string; answers: boolean }> {
    const reaches = (other: SimNode) =>
      !other.isDown() && this.wire.connected(index, other.index) && this.wire.connected(other.index, index)
    return this.nodes
      .filter((other) => other.index !== index)
      .map((other) => ({
        staker: other.key.address,
        answers: reaches(other) && (other.honest || this.init.adversary?.answers === true)
      }))
  }

  proposerOf(cycle: number, attempt: number): string | null {
    const key = `${cycle}/${attempt}`
    let proposer = this.#proposers.get(key)
    if (proposer === undefined) {
      proposer = proposerFor({ taskId: TASK, stakes: this.chain.stakesOf(cycle).weights, beacon: this.beaconOf(cycle), cycle, attempt })
      this.#proposers.set(key, proposer)
    }
    return proposer
  }

  vote(node: number, cycle: number, cid: string): void {
    const at = this.now()
    const before = this.chain.finalized(cycle)
    if (this.chain.vote(this.nodes[node]!.key.address, cycle, cid, at)) {
      this.#trace.update(`${at} vote ${node} ${cid}\n`)
      this.history.cycle(cycle).votes.push({ by: node, cid, at })
    }
    if (before == null && this.chain.finalized(cycle) != null && this.init.k2 == null) {
      for (const one of this.nodes) {
        this.clock.at(at + 1 + 3 * this.#dice.next(), () => one.isDown() || one.hearTask())
      }
    }
  }

  voteOf(node: number, cycle: number): { cid: string; at: number } | undefined {
    return this.chain.voteBy(this.nodes[node]!.key.address, cycle)
  }

  power(): Power {
    this.#power ??= createPower(this, this.#dice)
    return this.#power
  }

  async #settle(): Promise<void> {
    while (this.#stirred || this.#pending.length > 0) {
      this.#stirred = false
      await Promise.all(this.#pending.splice(0))
      // whatever does not wait for time has ended by then
      await setImmediate()
    }
  }

  /** Anti-entropy: each node compares pools with one other, and either gets what it lacks. */
  #sync(): void {
    for (const node of this.nodes) {
      const other = this.nodes[this.#dice.int(this.nodes.length)]!
      if (
        other === node ||
        node.isDown() ||
        other.isDown() ||
        !this.wire.connected(node.index, other.index) ||
        !this.wire.connected(other.index, node.index)
      ) {
        continue
      }
      for (const cycle of new Set([...node.pool.cycles(), ...other.pool.cycles()])) {
        if (Buffer.compare(node.pool.digest(cycle), other.pool.digest(cycle)) === 0 && node.pool.count(cycle) === other.pool.count(cycle)) {
          continue
        }
        const [mine, theirs] = [node.pool.messages(cycle), other.pool.messages(cycle)]
        for (const message of theirs.filter(({ id }) => !node.pool.isSettled(id))) {
          node.receive(message)
        }
        for (const message of mine.filter(({ id }) => !other.pool.isSettled(id))) {
          other.receive(message)
        }
      }
    }
  }

  async #readBack(cycle: number): Promise<void> {
    const history = this.history.cycle(cycle)
    history.proposer = this.proposerOf(cycle, 0)
    const finalized = this.chain.finalized(cycle)
    if (finalized != null) {
      try {
        history.record = await this.records.read(finalized.cid)
      } catch (err) {
        history.unreadable = err instanceof Error ? err.message : String(err)
      }
    }
  }
}

function createPower(world: World, dice: Dice): Power {
  const own = world.nodes.filter(({ honest }) => !honest)
  return {
    own: own.map(({ index }) => index),
    honest: world.nodes.filter(({ honest }) => honest).map(({ index }) => index),
    timing: world.timing,
    dice,
    now: () => world.now(),
    slot: () => Math.floor(world.now()),
    schedule: (cycle) => scheduleFor(world.timing, cycle),
    at: (time, run) => world.clock.at(world.timeOf(time), run),
    address: (node) => world.nodes[node]!.key.address,
    verdicts(when, findings) {
      const found = findings.map(({ about, finding }) => ({ place: world.placeOf(about.signer, when.cycle), finding }))
      return words.verdicts(
        when,
        found.filter(({ place }) => place >= 0)
      )
    },
    sign(by, body, how) {
      const message = sign(body, NETWORK, world.nodes[by]!.key, how)
      if (message != null) {
        world.nodes[by]!.said(message)
      }
      return message
    },
    offer(message, offer) {
      world.proofs.offer(message.id, { author: world.indexOf(message.signer), ...offer })
    },
    send(message, from, to) {
      const list = [...to]
      const note = `to ${list.map((node) => `n${node}`).join(' ')}`
      const history = world.history.cycle(message.body.cycle)
      history.said.push({ by: from, message, at: world.now(), note })
      if (message.kind === 'submission' && !history.submissions.has(message.id)) {
        history.submissions.set(message.id, { message, author: world.indexOf(message.signer), heard: new Map() })
      }
      world.wire.send(message, from, list)
    },
    publish: (message, from) => world.nodes[from]!.tell(message),
    heard(cycle) {
      const seen = new Map<string, Message>()
      for (const node of own) {
        for (const message of node.pool.messages(cycle)) {
          seen.set(message.id, message)
        }
      }
      return [...seen.values()]
    },
    records: (cycle) => world.records.built(cycle),
    submissions(cycle) {
      return this.heard(cycle)
        .filter(({ kind }) => kind === 'submission')
        .map(subjectOf)
    },
    async build(effect, messages) {
      const { cid, root, totalRewards } = await world.records.build({ ...effect, messages })
      return { cid: cid.toString(), root, totalRewards }
    },
    cidOf: (message) => saidBy(message).cid!,
    buildOf(cycle, messages) {
      if (world.now() >= windowOf(world.timing, cycle, 'distribution').from) {
        const facts = { cycle, messages, stakes: world.chain.stakesOf(cycle), base: world.baseOf(cycle) }
        world.pending(world.records.build(facts).catch(() => undefined))
      }
    },
    proposer: (cycle, attempt) => world.proposerOf(cycle, attempt),
    wait: (promise) => world.pending(promise),
    vote: (by, cycle, cid) => world.vote(by, cycle, cid)
  }
}
