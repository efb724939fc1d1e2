/**
 * A whole mesh in one process: the real round machines, real signatures, a virtual clock and a network that delays,
 * loses and is cut at will. Everything follows from the seed, so a failure is replayed by its seed.
 *
 * Transport, tasks and K2 are models: a message is validated as gossip would (signature and stake), a record is the
 * set of its message ids, and K2 counts one vote for each staker and cycle with the program's quorum.
 */
import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { windowOf, within } from '../../src/clock/index.ts'
import { type KeyPair, keyPairFromSeed, signEd25519, verifyEd25519 } from '../../src/identity/index.ts'
import { createRounds, type Note, type Rounds, type RoundsEffect, type RoundsEvent, type StakeSet } from '../../src/rounds/index.ts'
import { type Body, type Message, networkOf, onceKey, seal, verifySignature } from '../../src/wire/index.ts'

export type Fault = 'honest' | 'bad-proof' | 'no-proof' | 'silent' | 'equivocate' | 'deny' | 'absent'

export interface SimulationInit {
  seed: number
  /** Stake and behaviour of each node. */
  nodes: Array<{ stake: bigint; fault?: Fault }>
  /** Chance that a message between two nodes is lost; sync brings it later. */
  loss?: number
  /** Longest delay of a message, in slots. */
  delaySlots?: number
  /** Whether two nodes can talk in a slot. */
  connected?: (a: number, b: number, slot: number) => boolean
  /** Slots between two exchanges of what gossip forgot; null for none. */
  syncSlots?: number | null
}

export const TIMING = { startingSlot: 10, roundSlots: 30, submissionWindow: 10, auditWindow: 18 }
const GENESIS = '11111111111111111111111111111112'
const TASK = '11111111111111111111111111111113'
const NETWORK = networkOf(GENESIS, TASK)

/** mulberry32: small, seeded, good enough for choosing delays. */
export function randomFrom(seed: number): () => number {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

interface SimNode {
  index: number
  pair: KeyPair
  fault: Fault
  rounds: Rounds
  pool: Map<string, Message>
  /** What it signed, as the Signer's log has it. */
  signed: Map<string, string>
  notes: Array<{ cycle: number; note: Note }>
}

export interface Finalized {
  cycle: number
  cid: string
  /** The message ids of the record. */
  ids: string[]
}

export class Simulation {
  readonly nodes: SimNode[]
  readonly finalized = new Map<number, Finalized>()
  readonly votes = new Map<string, string>()
  readonly trace = createHash('sha256')
  /** Messages that one honest node signed twice for the same thing: must stay empty. */
  readonly contradictions: string[] = []
  slot = 0
  #random: () => number
  #queue = new Map<number, Array<() => void>>()
  #records = new Map<string, string[]>()
  #tallies = new Map<string, bigint>()
  #stakes: StakeSet
  #init: SimulationInit
  #pending: Array<Promise<void>> = []

  constructor(init: SimulationInit) {
    this.#init = init
    this.#random = randomFrom(init.seed)
    const pairs = init.nodes.map((_, i) => keyPairFromSeed(createHash('sha256').update(`${init.seed}/${i}`).digest()))
    this.#stakes = {
      weights: new Map(pairs.map((pair, i) => [pair.address, init.nodes[i]!.stake])),
      total: init.nodes.reduce((sum, node) => sum + node.stake, 0n)
    }
    const order = pairs.map((pair) => pair.address).sort()
    this.nodes = pairs.map((pair, index) => ({
      index,
      pair,
      fault: init.nodes[index]!.fault ?? 'honest',
      pool: new Map(),
      signed: new Map(),
      notes: [],
      rounds: createRounds({
        self: pair.address,
        network: NETWORK,
        timing: TIMING,
        random: randomFrom(init.seed * 1000 + index),
        proposer: ({ cycle, attempt }) => order[(cycle + attempt) % order.length]!
      })
    }))
  }

  /** Runs up to (not including) `slot`. */
  async runTo(slot: number): Promise<void> {
    for (; this.slot < slot; this.slot++) {
      for (const deliver of this.#queue.get(this.slot) ?? []) {
        deliver()
        await this.#settle()
      }
      this.#queue.delete(this.slot)
      for (const node of this.nodes) {
        if (!this.#down(node)) {
          this.#feed(node, { type: 'slot', slot: this.slot })
          await this.#settle()
        }
      }
      const { syncSlots = 3 } = this.#init
      if (syncSlots != null && this.slot % syncSlots === 0) {
        this.#sync()
        await this.#settle()
      }
    }
  }

  /** Runs until `cycle` has closed everywhere. */
  async runCycles(cycles: number): Promise<void> {
    await this.runTo(windowOf(TIMING, cycles - 1, 'distribution').to + 1)
  }

  address(index: number): string {
    return this.nodes[index]!.pair.address
  }

  /** What the record of a cycle says of each staker, by the rule of the tally in its simplest form. */
  submitters(cycle: number): string[] {
    const ids = this.finalized.get(cycle)?.ids ?? []
    const pool = this.nodes.flatMap((node) => [...node.pool])
    const byId = new Map(pool)
    return [
      ...new Set(
        ids
          .map((id) => byId.get(id)!)
          .filter((message) => message.kind === 'submission')
          .map((message) => message.signer)
      )
    ].sort()
  }

  digest(): string {
    return this.trace.copy().digest('hex')
  }

  async #settle(): Promise<void> {
    while (this.#pending.length > 0) {
      await Promise.all(this.#pending.splice(0))
    }
  }

  #down(node: SimNode): boolean {
    return node.fault === 'absent' || (node.fault === 'silent' && this.slot >= windowOf(TIMING, 0, 'distribution').to)
  }

  #later(slots: number, run: () => void): void {
    const at = this.slot + Math.max(1, slots)
    const queue = this.#queue.get(at) ?? []
    this.#queue.set(at, queue)
    queue.push(run)
  }

  #feed(node: SimNode, event: RoundsEvent): void {
    for (const effect of node.rounds.handle(event)) {
      this.#run(node, effect)
    }
  }

  #run(node: SimNode, effect: RoundsEffect): void {
    switch (effect.type) {
      case 'need-stakes':
        this.#later(1, () => this.#feed(node, { type: 'stakes', cycle: effect.cycle, stakes: this.#stakes }))
        break
      case 'need-base': {
        const before = [...this.finalized.values()].filter((record) => record.cycle < effect.cycle).sort((a, b) => b.cycle - a.cycle)[0]
        const previous = before == null ? null : { cid: before.cid, cycle: before.cycle }
        this.#later(1, () => this.#feed(node, { type: 'base', cycle: effect.cycle, base: { previous, bounty: 1000n } }))
        break
      }
      case 'work': {
        const value = Buffer.from(node.fault === 'bad-proof' ? 'wrong' : `result ${effect.cycle}`)
        this.#later(windowOf(TIMING, effect.cycle, 'work').to - this.slot, () =>
          this.#feed(node, { type: 'worked', cycle: effect.cycle, outcome: { ok: true, draft: { value, proofs: [] } } })
        )
        break
      }
      case 'publish':
        if (effect.body.submission != null) {
          effect.body.submission.peerId = new Uint8Array(1) // the host's part
        }
        this.#publish(node, effect.body)
        if (node.fault === 'equivocate' && effect.body.submission != null) {
          this.#publish(node, { ...effect.body, submission: { ...effect.body.submission, value: Buffer.from('another') } })
        }
        break
      case 'audit': {
        const author = this.nodes.find((other) => other.pair.address === effect.submission.signer)!
        const bad = Buffer.from(effect.submission.body.submission!.value).toString() === 'wrong'
        const missing = author.fault === 'no-proof' || this.#down(author) || !this.#connected(node.index, author.index)
        const finding = node.fault === 'deny' ? 'invalid' : missing ? 'unavailable' : bad ? 'invalid' : 'valid'
        const wait = finding === 'unavailable' ? effect.fetchBySlot - this.slot : 1
        this.#later(wait, () =>
          this.#feed(node, { type: 'audited', cycle: effect.cycle, submission: effect.submission.id, finding, reason: finding })
        )
        break
      }
      case 'respond':
        this.#publish(node, {
          cycle: effect.cycle,
          slot: this.slot,
          response: { submission: Buffer.from(effect.submission, 'hex'), peerId: new Uint8Array(1), multiaddrs: [] }
        })
        break
      case 'build': {
        const ids = effect.messages.map((message) => message.id).sort()
        const cid = cidOf([effect.base.previous?.cid ?? '', String(effect.cycle), ...ids].join())
        this.#records.set(cid, ids)
        const record = { cid, root: createHash('sha256').update(cid).digest(), totalRewards: 1n }
        this.#later(1, () => this.#feed(node, { type: 'built', cycle: effect.cycle, key: effect.key, result: { ok: true, record } }))
        break
      }
      case 'check': {
        const cid = CID.decode(effect.proposal.body.record!.cid).toString()
        const ids = this.#records.get(cid)
        const record = { cid, root: createHash('sha256').update(cid).digest(), totalRewards: 1n }
        const missing = ids != null && [...effect.mustHave].some((id) => !ids.includes(id))
        const right = ids != null && cidOf([effect.base.previous?.cid ?? '', String(effect.cycle), ...ids].join()) === cid
        const result = !right
          ? ({ verdict: 'wrong', reason: 'does not recompute' } as const)
          : missing
            ? ({ verdict: 'incomplete', record, reason: 'lacks a message' } as const)
            : ({ verdict: 'right', record } as const)
        this.#later(1, () => this.#feed(node, { type: 'checked', cycle: effect.cycle, cid, result }))
        break
      }
      case 'vote':
        if (node.fault !== 'deny') {
          this.#later(1, () => this.#vote(node, effect.cycle, effect.record.cid))
        }
        break
      case 'note':
        node.notes.push({ cycle: effect.cycle, note: effect.note })
        break
      case 'closed':
        break
    }
  }

  /** K2: one vote for each staker and cycle, in its window; more than 2/3 of the stake finalizes. */
  #vote(node: SimNode, cycle: number, cid: string): void {
    const key = `${node.pair.address}/${cycle}`
    if (!within(windowOf(TIMING, cycle, 'distribution'), this.slot) || this.votes.has(key)) {
      return
    }
    this.votes.set(key, cid)
    this.trace.update(`${this.slot} vote ${key} ${cid}\n`)
    const tally = (this.#tallies.get(`${cycle}/${cid}`) ?? 0n) + this.#stakes.weights.get(node.pair.address)!
    this.#tallies.set(`${cycle}/${cid}`, tally)
    if (tally * 3n > this.#stakes.total * 2n) {
      const before = this.finalized.get(cycle)
      if (before != null && before.cid !== cid) {
        throw new Error(`two records of cycle ${cycle} finalized: ${before.cid} and ${cid}`)
      }
      this.finalized.set(cycle, { cycle, cid, ids: this.#records.get(cid)! })
    }
  }

  #publish(node: SimNode, body: Body): void {
    const once = onceKey(body)
    this.#pending.push(
      seal(body, NETWORK, { publicKey: node.pair.publicKey, sign: async (bytes) => signEd25519(bytes, node.pair.secretKey) }).then(
        (message) => {
          if (once != null && node.fault === 'honest') {
            const key = `${body.cycle}/${once}`
            const before = node.signed.get(key)
            if (before != null && before !== message.id) {
              this.contradictions.push(`${node.pair.address} ${key}`)
              return
            }
            node.signed.set(key, message.id)
          }
          this.trace.update(`${this.slot} publish ${message.id}\n`)
          this.#receive(node, message)
          for (const other of this.nodes) {
            if (other !== node && this.#connected(node.index, other.index) && this.#random() >= (this.#init.loss ?? 0)) {
              const delay = Math.floor(this.#random() * (this.#init.delaySlots ?? 1))
              // delivery within the slot happens after the sender's turn; `delay` whole slots come on top
              if (delay === 0) {
                this.#receive(other, message)
              } else {
                this.#later(delay, () => this.#receive(other, message))
              }
            }
          }
        }
      )
    )
  }

  #receive(node: SimNode, message: Message): void {
    if (this.#down(node) || node.pool.has(message.id)) {
      return
    }
    if ((this.#stakes.weights.get(message.signer) ?? 0n) === 0n || !verifySignature(message, NETWORK, verifyEd25519)) {
      throw new Error('the simulation made a message that gossip would refuse')
    }
    node.pool.set(message.id, message)
    this.#feed(node, { type: 'message', message, slot: this.slot })
  }

  /** Anti-entropy: each node exchanges with one other what either lacks. */
  #sync(): void {
    for (const node of this.nodes) {
      const other = this.nodes[Math.floor(this.#random() * this.nodes.length)]!
      if (other === node || this.#down(node) || this.#down(other) || !this.#connected(node.index, other.index)) {
        continue
      }
      for (const [from, to] of [
        [node, other],
        [other, node]
      ] as const) {
        for (const message of [...from.pool.values()]) {
          if (windowOf(TIMING, message.body.cycle, 'distribution').to > this.slot) {
            this.#receive(to, message)
          }
        }
      }
    }
  }

  #connected(a: number, b: number): boolean {
    return this.#init.connected?.(a, b, this.slot) ?? true
  }
}

function cidOf(text: string): string {
  const digest = createHash('sha256').update(text).digest()
  return CID.createV1(0x71, createDigest(0x12, digest)).toString()
}
