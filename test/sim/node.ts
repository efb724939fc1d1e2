/** One node: the participant that a real node runs, over ports that are models. */

import { windowOf } from '../../src/clock/index.ts'
import type { Pool } from '../../src/judge/index.ts'
import { decodeVote, type FinalVote, type StakeFollow, type StakeView } from '../../src/k2/index.ts'
import { createEvents } from '../../src/observe/index.ts'
import { createParticipant, type Participant, type ParticipantInit } from '../../src/participant/index.ts'
import { recordCid } from '../../src/record/index.ts'
import type { RoundsEffect, RoundsEvent } from '../../src/rounds/index.ts'
import { ContradictionError, createSigner, type Signer } from '../../src/signer/index.ts'
import type { Body, Finding, Message } from '../../src/wire/index.ts'
import type { Adversary, Power } from './adversary.ts'
import { type Disk, newDisk, type SimStore, storeOn } from './disk.ts'
import { createLook, type EndpointFaults, type SimLook } from './k2.ts'
import type { SimKey } from './keys.ts'
import { chainBy, chainOf, clockOf, recordsOf, silent } from './ports.ts'
import { FETCH_SLOTS, SLOT_MS } from './units.ts'
import { GENESIS, TASK, type World } from './world.ts'

/** The road of a vote. */
const VOTE_SLOTS = 0.5
/** What is so old no fork takes back. */
export const FINAL_SLOTS = 8
/** Of K2's programs, the one that votes go to: nothing here asks it. */
const PROGRAM = '11111111111111111111111111111111'

export interface NodeInit {
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
  /** Where that changes. */
  lagAt: ((at: number) => number) | undefined
  /** Its endpoints, where K2 is not the same for all. */
  k2: readonly EndpointFaults[] | undefined
}

/** The end of a process. */
export class KilledError extends Error {
  override name = 'Killed'
}

export class SimNode {
  readonly index: number
  readonly key: SimKey
  readonly honest: boolean
  readonly disk: Disk = newDisk()
  /** K2 as it has it, where that is not the same for all. */
  readonly look: SimLook | undefined
  #world: World
  #init: NodeInit
  #life!: Life

  constructor(init: NodeInit) {
    this.index = init.index
    this.key = init.key
    this.honest = init.faulty == null
    this.#world = init.world
    this.#init = init
    this.look = init.k2 == null ? undefined : createLook(init.world, init.k2)
    this.#life = this.#begin()
  }

  get pool(): Pool {
    return this.#life.participant.pool
  }

  get participant(): Participant {
    return this.#life.participant
  }

  /** By how many slots its clock is behind. */
  get lag(): number {
    return this.#init.lagAt?.(this.#world.clock.now()) ?? this.#init.lag
  }

  /** By its own clock. */
  slot(): number {
    return this.look?.slot() ?? Math.max(0, Math.floor(this.#world.clock.now() - this.lag))
  }

  isDown(): boolean {
    return this.#life.isOver || this.#init.faulty?.adversary.absent === true || (this.#isDown(this.slot()) ?? false)
  }

  #isDown(slot: number): boolean | undefined {
    return this.#init.idle || this.#init.down?.(slot)
  }

  /** As a process does when it starts. */
  async start(): Promise<void> {
    try {
      await this.#life.start()
    } catch (err) {
      if (!(err instanceof KilledError)) {
        throw err
      }
    }
  }

  /** The process ends here, between two instructions. */
  kill(): never {
    this.end()
    throw new KilledError('killed')
  }

  end(): void {
    this.#life.end()
  }

  /** Another process starts on the same disk. */
  async restart(): Promise<void> {
    this.#life.end()
    this.#life = this.#begin()
    await this.start()
  }

  tick(slot: number, back = false): void {
    if (!this.isDown()) {
      this.#life.tick(slot, back)
    }
  }

  /** Its endpoints tell what they tell. */
  turn(): void {
    const turned = this.look!.turn()
    if (turned != null) {
      this.tick(turned.slot, turned.back)
    }
  }

  /** A message that another brought. */
  receive(message: Message, relay = true): boolean {
    if (this.isDown() || this.pool.has(message.id)) {
      return false
    }
    const { result } = this.participant.door.receive(message.bytes, 'peer', 'gossip')
    if (result === 'accept' && relay && !(this.#init.faulty?.adversary.silentRelay ?? false)) {
      this.#world.wire.broadcast(message, this.index)
    }
    return result === 'accept'
  }

  feed(event: RoundsEvent): void {
    this.participant.handle(event)
  }

  /** K2 tells of the task. */
  hearTask(): void {
    this.participant.follow.heard(chainOf(this.#world).account())
  }

  /** Something that its key signed past the Signer, as the adversary's keys do. */
  said(message: Message): void {
    this.participant.guard.said(message)
  }

  /** Through the door that everybody's messages take, then to all. */
  tell(message: Message): void {
    if (this.pool.has(message.id)) {
      return
    }
    this.said(message)
    try {
      this.participant.door.admit(message)
    } catch (err) {
      this.#world.note(this, message.body.cycle, `could not say ${message.kind}: ${(err as Error).message}`)
      return
    }
    this.#world.wire.broadcast(message, this.index)
  }

  #begin(): Life {
    return new Life(this, this.#init, this.disk)
  }
}

/** One life of its process. */
class Life {
  readonly participant: Participant
  isOver = false
  #node: SimNode
  #init: NodeInit
  #world: World
  #store: SimStore
  #signer: Signer
  #stop = new AbortController()
  #unwatch: (() => void) | undefined
  #slotListeners = new Set<(slot: number) => void>()
  #stakes: { view: StakeView; follow: StakeFollow } | undefined
  /** Why a submission is looked at: for the checker. */
  #purposes = new Map<string, Extract<RoundsEffect, { type: 'audit' }>['purpose']>()

  constructor(node: SimNode, init: NodeInit, disk: Disk) {
    this.#node = node
    this.#init = init
    this.#world = init.world
    this.#store = storeOn(disk, (what, when) => {
      this.#demandLife()
      this.#world.init.onWrite?.(node, what, when)
    })
    const { key } = node
    this.#signer = createSigner({
      keyPair: { address: key.address, publicKey: key.publicKey, secretKey: key.publicKey },
      log: this.#store.signerLog,
      programId: PROGRAM,
      maxFeeRoe: 0n,
      signBytes: (bytes) => key.sign(bytes)
    })
    this.#stakes = node.look?.stakes()
    this.participant = createParticipant(this.#ports())
  }

  async start(): Promise<void> {
    const slot = this.#node.slot()
    await this.#stakes?.view.refresh()
    await this.participant.open(slot)
    await this.participant.join(slot)
    this.participant.start(slot)
    this.participant.follow.catchUp()
    for (const promised of this.participant.openVotes(slot)) {
      await this.#cast(decodeVote(promised))
    }
    this.#stakes?.view.onCorrected((cycle, set) => {
      this.#world.history.cycle(cycle).sets.push({ node: this.#node.index, set, at: this.#world.now() })
      this.participant.handle({ type: 'stakes', cycle, stakes: set })
    })
    this.#unwatch = this.#node.look?.watch((account) => this.isOver || this.#node.isDown() || this.participant.follow.heard(account))
  }

  end(): void {
    this.isOver = true
    this.#stop.abort()
    this.#unwatch?.()
    this.#stakes?.follow.stop()
  }

  tick(slot: number, back: boolean): void {
    this.participant.door.prune()
    for (const listener of this.#slotListeners) {
      listener(slot)
    }
    this.participant.onSlot(slot, { isBack: back, isConnected: this.#world.hasPeer(this.#node.index) })
    this.#stakes?.follow.onSlot(slot, this.#stakes.view.isStaked(this.#node.key.address) !== true)
    try {
      this.#store.messages.flush()
    } catch {
      // they wait for a disk that takes them, or for nobody
    }
  }

  /** Who was killed does nothing more, whatever was under way. */
  #demandLife(): void {
    if (this.isOver) {
      throw new KilledError('the process is gone')
    }
  }

  #ports(): ParticipantInit {
    const world = this.#world
    const { index, key } = this.#node
    const events = createEvents({ slot: () => this.#node.slot(), node: key.address, now: () => world.clock.now() * SLOT_MS })
    events.on((told) => {
      if (told.event === 'refused') {
        world.history.cycle(told.cycle).refusals.push({ node: index, attempt: told.attempt, reason: told.reason })
      }
      if (told.event === 'refused' || told.event === 'build-failed' || told.event === 'missed') {
        world.note(this.#node, told.cycle, `${told.event} ${told.reason}`)
      }
    })
    const chain = this.#stakes == null ? chainOf(world) : chainBy(world, this.#node.look!, this.#noted(this.#stakes.view))
    const blocks = world.blocksOf(index)
    return {
      task: TASK,
      genesisHash: GENESIS,
      account: chain.account(),
      timing: world.timing,
      clock: clockOf(world, () => this.#node.slot(), this.#slotListeners),
      random: this.#init.random,
      transport: {
        send: async (message) => {
          this.#demandLife()
          world.wire.broadcast(message, index)
        },
        ask: (first, onAnswer) => this.#ask(first, onAnswer),
        providers: () => [],
        providerOf: () => undefined
      },
      chain: {
        ...chain,
        cast: (vote) => this.#cast(vote),
        lastVote: async (of) => (this.#node.honest ? chain.lastVote(of) : { value: undefined, sure: true })
      },
      blocks: {
        ...blocks,
        put: async (cid, bytes) => {
          this.#demandLife()
          await blocks.put(cid, bytes)
        }
      },
      runtime: {
        host: () => ({
          work: ({ cycle }) => this.#work(cycle),
          audit: (submission, _from, { cycle }, { fetchEnds }) => this.#audit(submission, cycle, fetchEnds!)
        }),
        distribution: async (input) => world.distribution(input),
        follow() {}
      },
      archive: { follow() {} },
      signer: {
        ...this.#signer,
        signMessage: async (bytes) => {
          try {
            return await this.#signer.signMessage(bytes)
          } catch (err) {
            if (err instanceof ContradictionError && this.#node.honest) {
              world.history.contradictions.push(`n${index} ${err.message}`)
            }
            throw err
          }
        }
      },
      store: {
        ...this.#store,
        messages: {
          ...this.#store.messages,
          put: (task, message) => {
            this.#store.messages.put(task, message)
            this.#onKept(world.messageOf(message.bytes))
          }
        }
      },
      keyState: this.#store.keys,
      verify: world.verifyOnce,
      ...(world.init.thorough ? {} : { open: world.messageOf }),
      peers: { isStaked: () => true, isBanned: () => false },
      contactFault: () => undefined,
      events,
      log: silent,
      followBundle: true,
      keyIsIdle: false,
      dataDir: '',
      own: {},
      cyclesTold: 10,
      onLedger() {},
      stopping: this.#stop.signal,
      pace: {
        run: (effect, _slot, run) => this.#run(effect, run),
        away: (run) => run(),
        shared: (_what, run) => {
          const job = run()
          return () => job
        }
      },
      parts: {
        publish: (honest) => (body) => this.#publish(body, honest),
        ...(world.init.ownRecords ? {} : { records: () => recordsOf(world) })
      }
    }
  }

  /** By what stakes it goes, for the checker. */
  #noted(view: StakeView): StakeView {
    return {
      ...view,
      at: async (cycle) => {
        const set = await view.at(cycle)
        this.#world.history.cycle(cycle).sets.push({ node: this.#node.index, set, at: this.#world.now() })
        return set
      }
    }
  }

  #onKept(message: Message): void {
    this.#world.onKept(this.#node, message)
    this.#init.faulty?.adversary.hear?.(this.#init.faulty.power(), this.#node.index, message)
  }

  /** What it wants said, unless the adversary has something against it. */
  async #publish(body: Body, honest: (body: Body) => Promise<Message>): Promise<void> {
    const { index } = this.#node
    if (this.#init.faulty?.adversary.publish?.(this.#init.faulty.power(), index, body) === false) {
      return
    }
    const message = await honest(body)
    if (message.kind === 'submission') {
      const work = this.#init.faulty?.adversary.work?.(this.#init.faulty.power(), index, body.cycle)
      this.#world.proofs.offer(message.id, { author: index, quality: work?.quality ?? 'good', servedTo: work?.servedTo })
    }
  }

  /** Every effect passes here. */
  async #run<T>(effect: RoundsEffect, run: () => Promise<T>): Promise<T> {
    this.#world.stir()
    if (effect.type === 'audit') {
      this.#purposes.set(effect.submission.id, effect.purpose)
    }
    if (effect.type === 'build') {
      this.#init.faulty?.adversary.build?.(this.#init.faulty.power(), this.#node.index, effect)
    }
    try {
      return await run()
    } catch (err) {
      if (effect.type === 'build' || effect.type === 'check') {
        this.#world.note(this.#node, effect.cycle, `could not ${effect.type}: ${(err as Error).message}`)
      }
      throw err
    }
  }

  async #cast(vote: FinalVote): Promise<void> {
    const { cycle, recordDigest } = vote
    // as the outbox does it
    await this.#signer.reserveVote(TASK, vote)
    const world = this.#world
    const { index } = this.#node
    const cid = recordCid(recordDigest).toString()
    if (this.#init.faulty?.adversary.vote?.(this.#init.faulty.power(), index, cycle, cid) === false) {
      return
    }
    this.#demandLife()
    world.history.cycle(cycle).decided.push({ by: index, cid, at: world.now() })
    world.clock.at(world.clock.now() + VOTE_SLOTS, () => {
      world.vote(index, cycle, cid)
      if (this.#node.look != null) {
        this.#bring(vote, cid)
      } else if (!this.isOver) {
        this.participant.notes.voted(vote, null)
      }
    })
  }

  /** Looks after a vote until no fork can take it back any more, as the outbox does. */
  #bring(vote: FinalVote, cid: string): void {
    const world = this.#world
    const { cycle } = vote
    if (this.isOver) {
      return
    }
    const given = world.voteOf(this.#node.index, cycle)
    if (given != null && world.now() >= given.at + FINAL_SLOTS) {
      this.participant.notes.voted(vote, null)
      return
    }
    if (given == null && world.now() >= windowOf(world.timing, cycle, 'distribution').to + FINAL_SLOTS) {
      this.participant.notes.voteLost(vote, 'K2 does not have it')
      return
    }
    world.clock.at(world.clock.now() + 1, () => {
      world.stir()
      if (given == null) {
        world.vote(this.#node.index, cycle, cid)
      }
      this.#bring(vote, cid)
    })
  }

  #ask(first: readonly string[], onAnswer: (staker: string) => void): string[] {
    const world = this.#world
    const asked = world.peersOf(this.#node.index)
    world.clock.at(world.clock.now() + FETCH_SLOTS, () => {
      for (const { staker, answers } of asked) {
        if (answers && !this.isOver && !this.#node.isDown()) {
          onAnswer(staker)
        }
      }
    })
    return [...new Set([...first, ...asked.map(({ staker }) => staker)])]
  }

  async #work(cycle: number) {
    const { faulty } = this.#init
    const draft = faulty?.adversary.work == null ? {} : faulty.adversary.work(faulty.power(), this.#node.index, cycle)
    await this.#world.sleep(1)
    if (draft == null) {
      return { ok: false as const, reason: 'does not work' }
    }
    const value = Buffer.from((draft as { value?: string }).value ?? `work of n${this.#node.index}`)
    return { ok: true as const, draft: { value, proofs: [] } }
  }

  /** Asks for the proof until it comes or its time is over. */
  async #audit(submission: Message, cycle: number, fetchEnds: AbortSignal) {
    const world = this.#world
    const { index } = this.#node
    const answer = (truth: Finding) => {
      const { faulty } = this.#init
      const finding = faulty?.adversary.audit?.(faulty.power(), index, submission, truth) ?? truth
      const purpose = this.#purposes.get(submission.id)!
      world.history.cycle(cycle).audits.push({ node: index, submission: submission.id, finding, purpose, at: world.now() })
      return { finding, reason: finding }
    }
    for (let pause = FETCH_SLOTS; ; pause = 1) {
      await world.sleep(pause, fetchEnds)
      const found = world.init.mistaken?.(index, world.indexOf(submission.signer))
        ? null
        : world.proofs.look(submission.id, index, world.clock.now())
      if (found != null) {
        return answer(found)
      }
      if (fetchEnds.aborted) {
        return answer('unavailable')
      }
    }
  }
}
