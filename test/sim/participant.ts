/** One node: the real round machine, judge and pool, on a model of everything around them. */
import { createJudge, createPool, type Pool, takenCycles } from '../../src/judge/index.ts'
import { contactFault } from '../../src/network/index.ts'
import { createRounds, type Rounds, type RoundsEffect, type RoundsEvent } from '../../src/rounds/index.ts'
import { type Body, type Finding, type Message, onceKey, seal, verifySignature } from '../../src/wire/index.ts'
import type { Adversary, Power } from './adversary.ts'
import type { SimKey } from './keys.ts'
import type { World } from './world.ts'

/** The road of a fetch or a vote: there and back. */
const FETCH_SLOTS = 0.4
const VOTE_SLOTS = 0.5
const BUILD_SLOTS = 0.05

export interface ParticipantInit {
  world: World
  index: number
  key: SimKey
  random: () => number
  /** How far its clock is behind, in slots. */
  lag: number
  /** Who steers it, when it is faulty. */
  faulty: { adversary: Adversary; power: () => Power } | null
  /** A key with which things are said, and no program behind it. */
  idle: boolean
  down: ((slot: number) => boolean) | undefined
}

export class Participant {
  readonly index: number
  readonly key: SimKey
  readonly pool: Pool
  readonly rounds: Rounds
  readonly honest: boolean
  readonly lag: number
  readonly refusals = new Map<string, number>()
  #world: World
  #faulty: ParticipantInit['faulty']
  #down: ParticipantInit['down']
  #judge: ReturnType<typeof createJudge>
  /** By cycle and once-key, the id of what was signed: the promise of the Signer's log. */
  #signed = new Map<string, string>()

  constructor({ world, index, key, random, lag, faulty, idle, down }: ParticipantInit) {
    this.index = index
    this.key = key
    this.honest = faulty == null
    this.lag = lag
    this.#world = world
    this.#faulty = faulty
    this.#down = idle ? () => true : down
    this.pool = createPool()
    this.#judge = createJudge({
      network: world.network,
      timing: world.timing,
      slot: () => this.slot(),
      stakes: { weight: (staker) => world.chain.stakes.weights.get(staker) ?? 0n },
      pool: this.pool,
      verify: world.keys.verify,
      peers: { isStaked: () => true, isBanned: () => false },
      contactFault
    })
    this.rounds = createRounds({
      self: key.address,
      network: world.network,
      timing: world.timing,
      random,
      proposer: (facts) => world.proposerOf(facts.cycle, facts.attempt)
    })
  }

  /** By its own clock. */
  slot(): number {
    return Math.max(0, Math.floor(this.#world.clock.now() - this.lag))
  }

  isDown(): boolean {
    return this.#faulty?.adversary.absent === true || (this.#down?.(this.slot()) ?? false)
  }

  tick(slot: number): void {
    if (!this.isDown()) {
      this.pool.prune(takenCycles(this.#world.timing, slot).from)
      this.feed({ type: 'slot', slot, connected: this.#world.hasPeer(this.index) })
    }
  }

  /** A message that another brought. */
  receive(message: Message, relay = true): boolean {
    if (this.isDown() || this.pool.has(message.id)) {
      return false
    }
    const { world } = { world: this.#world }
    // decoding was the sender's and is the same for all; in `thorough` runs every node does it again
    const verdict = world.init.thorough
      ? this.#judge.fromPeer(message.bytes, 'peer')
      : verifySignature(message, world.network, world.verifyOnce)
        ? this.#judge.own(message)
        : ({ result: 'reject', reason: 'bad-signature' } as const)
    if (verdict.result !== 'accept') {
      this.refusals.set(verdict.reason, (this.refusals.get(verdict.reason) ?? 0) + 1)
      if (verdict.reason === 'over-quota') {
        this.pool.refuse(message.body.cycle, message.id)
      }
      return false
    }
    this.keep(verdict.message)
    if (relay && !(this.#faulty?.adversary.silentRelay ?? false)) {
      world.wire.broadcast(message, this.index)
    }
    return true
  }

  keep(message: Message): void {
    this.#world.onKept(this, message)
    this.feed({ type: 'message', message, slot: this.slot() })
    this.pool.add(message)
    this.#faulty?.adversary.hear?.(this.#faulty.power(), this.index, message)
  }

  feed(event: RoundsEvent): void {
    for (const effect of this.rounds.handle(event)) {
      this.#run(effect)
    }
  }

  /** Signs and sends what its rounds want said. */
  async publish(body: Body): Promise<Message | null> {
    if (this.#faulty?.adversary.publish?.(this.#faulty.power(), this.index, body) === false) {
      return null
    }
    const world = this.#world
    const message = await seal(body, world.network, { publicKey: this.key.publicKey, sign: async (bytes) => this.key.sign(bytes) })
    const once = onceKey(body)
    if (once != null) {
      const place = `${body.cycle}/${once}`
      const before = this.#signed.get(place)
      if (before != null && before !== message.id && this.honest) {
        world.history.contradictions.push(`n${this.index} ${place}`)
        return null // the Signer refuses
      }
      this.#signed.set(place, message.id)
    }
    this.tell(message)
    return message
  }

  /** Through the door that everybody's messages take, then to all. */
  tell(message: Message): void {
    if (this.pool.has(message.id)) {
      return
    }
    const verdict = this.#judge.own(message)
    if (verdict.result !== 'accept') {
      this.#world.note(this, message.body.cycle, `could not say ${message.kind}: ${verdict.reason}`)
      return
    }
    this.keep(message)
    this.#world.wire.broadcast(message, this.index)
  }

  #later(slots: number, event: () => RoundsEvent | null): void {
    const { clock } = this.#world
    clock.at(clock.now() + slots, () => {
      const what = this.isDown() ? null : event()
      if (what != null) {
        this.feed(what)
      }
    })
  }

  #run(effect: RoundsEffect): void {
    const world = this.#world
    const { chain, clock } = world
    switch (effect.type) {
      case 'need-stakes':
        this.#later(0, () => ({ type: 'stakes', cycle: effect.cycle, stakes: chain.stakes }))
        break
      case 'need-base':
        this.#later(0, () => ({ type: 'base', cycle: effect.cycle, base: world.baseOf(effect.cycle) }))
        break
      case 'work':
        this.#work(effect.cycle)
        break
      case 'publish':
        world.pending(this.publish(effect.body).then((message) => this.#offer(message)))
        break
      case 'audit':
        this.#audit(effect)
        break
      case 'probe': {
        const asked = world.peersOf(this.index)
        this.#later(0, () => ({
          type: 'probed',
          cycle: effect.cycle,
          asked: [...effect.stakers, ...asked.map(({ staker }) => staker)],
          answered: []
        }))
        this.#later(FETCH_SLOTS, () => ({
          type: 'probed',
          cycle: effect.cycle,
          asked: [],
          answered: asked.filter(({ answers }) => answers).map(({ staker }) => staker)
        }))
        break
      }
      case 'build':
        if (this.#faulty?.adversary.build != null) {
          this.#faulty.adversary.build(this.#faulty.power(), this.index, effect)
        }
        world.pending(
          world.records.build(effect).then(
            ({ cid, root, totalRewards }) =>
              this.#later(world.init.buildSlots ?? BUILD_SLOTS, () => ({
                type: 'built',
                cycle: effect.cycle,
                key: effect.key,
                result: { ok: true, record: { cid: cid.toString(), root, totalRewards } }
              })),
            (err: Error) => {
              world.note(this, effect.cycle, `could not build: ${err.message}`)
              this.#later(world.init.buildSlots ?? BUILD_SLOTS, () => ({
                type: 'built',
                cycle: effect.cycle,
                key: effect.key,
                result: { ok: false, reason: err.message }
              }))
            }
          )
        )
        break
      case 'check': {
        const { cid } = effect
        world.pending(
          world.records.check(cid, effect).then(
            (result) => this.#later(FETCH_SLOTS, () => ({ type: 'checked', cycle: effect.cycle, cid, result })),
            (err: Error) => world.note(this, effect.cycle, `could not check: ${err.message}`)
          )
        )
        break
      }
      case 'vote':
        if (this.#faulty?.adversary.vote?.(this.#faulty.power(), this.index, effect.cycle, effect.record.cid) !== false) {
          clock.at(clock.now() + VOTE_SLOTS, () => world.vote(this.index, effect.cycle, effect.record.cid))
        }
        break
      case 'note':
        if (effect.note.event === 'refused') {
          const { attempt, reason } = effect.note
          world.history.cycle(effect.cycle).refusals.push({ node: this.index, attempt, reason })
        }
        if (effect.note.event === 'refused' || effect.note.event === 'build-failed' || effect.note.event === 'missed') {
          world.note(this, effect.cycle, `${effect.note.event} ${effect.note.reason}`)
        }
        break
      case 'closed':
        break
    }
  }

  #work(cycle: number): void {
    const draft = this.#faulty?.adversary.work == null ? {} : this.#faulty.adversary.work(this.#faulty.power(), this.index, cycle)
    const value = Buffer.from((draft as { value?: string } | null)?.value ?? `work of n${this.index}`)
    this.#later(1, () =>
      draft == null
        ? { type: 'worked', cycle, outcome: { ok: false, reason: 'does not work' } }
        : { type: 'worked', cycle, outcome: { ok: true, draft: { value, proofs: [] } } }
    )
  }

  #offer(message: Message | null): void {
    if (message?.kind !== 'submission') {
      return
    }
    const cycle = message.body.cycle
    const work = this.#faulty?.adversary.work?.(this.#faulty.power(), this.index, cycle)
    this.#world.proofs.offer(message.id, { author: this.index, quality: work?.quality ?? 'good', servedTo: work?.servedTo })
  }

  /** Asks for the proof until it comes or its time is over. */
  #audit(effect: Extract<RoundsEffect, { type: 'audit' }>): void {
    const { proofs, clock, history } = this.#world
    const { cycle, submission, fetchBySlot, purpose } = effect
    const answer = (truth: Finding) => {
      const finding = this.#faulty?.adversary.audit?.(this.#faulty.power(), this.index, submission, truth) ?? truth
      history.cycle(cycle).audits.push({ node: this.index, submission: submission.id, finding, purpose, at: clock.now() })
      return { type: 'audited', cycle, submission: submission.id, finding, reason: finding } as const
    }
    const ask = (): RoundsEvent | null => {
      const found = this.#world.init.mistaken?.(this.index, this.#world.indexOf(submission.signer))
        ? null
        : proofs.look(submission.id, this.index, clock.now())
      if (found != null) {
        return answer(found)
      }
      if (clock.now() - this.lag >= fetchBySlot) {
        this.#later(0.01, () => ({ type: 'probed', cycle, asked: [], answered: [] }))
        return answer('unavailable')
      }
      this.#later(Math.max(0.1, Math.min(1, fetchBySlot + this.lag - clock.now())), ask)
      return null
    }
    this.#later(FETCH_SLOTS, ask)
  }
}
