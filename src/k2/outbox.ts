import { type Timing, windowOf } from '../clock/index.ts'
import type { Signer } from '../identity/index.ts'
import type { Logger } from '../observe/index.ts'
import type { KeyValue } from '../store/index.ts'
import type { K2Client } from './client.ts'
import { isBehind } from './connection.ts'
import { K2ContradictionError, K2TransactionError, messageOf } from './errors.ts'
import type { Broadcast } from './pool.ts'
import { vote as voteInstruction } from './settlement/index.ts'
import type { Sent } from './transactions.ts'

/** A final vote: hashes of 32 bytes, rewards in ROE since the task began. */
export interface FinalVote {
  cycle: number
  root: Uint8Array
  recordDigest: Uint8Array
  totalRewards: bigint
}

export interface OutboxInit {
  k2: Pick<K2Client, 'programId' | 'prepare' | 'broadcast' | 'blockhashValid' | 'lastVote' | 'statuses'>
  signer: Signer
  /** Whose stake it is, where its staking key was replaced; default: the signer. */
  staker?: () => string
  task: string
  timing: Timing
  store: KeyValue
  slot: () => number | undefined
  slotMs: () => number
  log: Logger
  random?: () => number
  nowMs?: () => number
  /** The vote is on K2 for good. `sent` is the transaction of ours that brought it; null when it came there by another way. */
  onVoted: (vote: FinalVote, sent: Sent | null) => void
  /** Its window is over for good, and it is not on K2. */
  onLost: (vote: FinalVote, reason: string) => void
  /**
   * The staking key cannot pay for the transaction: the vote is to come to K2 in somebody's batch. Called once for each vote, across
   * restarts; again when it throws. The outbox goes on looking for the vote on K2, and sends it when there is money after all.
   */
  handOver?: (vote: FinalVote) => void | Promise<void>
}

/** What an outbox did since it was made, for metrics. */
export interface OutboxCounters {
  /** Transactions that were signed, each on a blockhash of its own. */
  signed: number
  /** Times that a transaction was given to the endpoints. */
  sent: number
  /** Votes that were seen and vanished again. */
  rolledBack: number
  /** Transactions that landed for a vote that was there already: harmless, and each costs a fee. */
  landedTwice: number
  handedOver: number
  voted: number
  lost: number
}

export interface Outbox {
  /**
   * Takes a vote: the Signer's log and the outbox hold it on disk before it is sent, and it is sent until K2 has it for good or its
   * window has closed, across restarts and endpoints.
   *
   * @throws ContradictionError when another vote was promised for this cycle
   */
  cast(vote: FinalVote): Promise<void>
  /**
   * Takes up what a former process left. `promised`: the contents of votes that the Signer's log has and that are not known to be
   * settled; a kill between the two logs may have left one there alone.
   */
  resume(promised?: readonly Uint8Array[]): Promise<void>
  counters(): OutboxCounters
  stop(): Promise<void>
}

/** A signed transaction that carries the vote. */
interface Attempt {
  signature: string
  blockhash: string
  wire: string
  /** The slot when it was signed. */
  slot: number
}

interface Entry {
  vote: FinalVote
  attempts: Attempt[]
  handedOver: boolean
  /** Some endpoint refused the last transaction for its blockhash. */
  unknownBlockhash?: boolean
  /** When this process first heard that the window is over. */
  overSinceMs?: number | undefined
}

/** 'unknown': too few endpoints say something, or they contradict each other. Sending is harmless, and waiting is not. */
type View = { is: 'absent' } | { is: 'unknown' } | { is: 'seen' } | { is: 'over' } | { is: 'voted' } | { is: 'lost'; reason: string }

/** Blockhashes live for 150 blocks; whatever an endpoint says, after so many slots one is dead. */
const BLOCKHASH_SLOTS = 600
/** Older ones are long dead, and matter only for telling which one landed. */
const KEPT_ATTEMPTS = 8
/** K2's slot time: in a test with shorter slots nobody gives up sooner. */
const UNHURRIED_SLOT_MS = 400
const SHORTEST_WAIT_MS = 50
const LONGEST_WAIT_MS = 5000

export function createOutbox(init: OutboxInit): Outbox {
  const { k2, signer, task, timing, store, log, random = Math.random, nowMs = () => performance.now() } = init
  const stakerNow = init.staker ?? (() => signer.address)
  const stopping = new AbortController()
  const stopped = new Promise<void>((resolve) => stopping.signal.addEventListener('abort', () => resolve()))
  const running = new Map<number, Promise<void>>()
  const counters: OutboxCounters = { signed: 0, sent: 0, rolledBack: 0, landedTwice: 0, handedOver: 0, voted: 0, lost: 0 }

  const keyOf = (cycle: number) => `vote/${cycle}`
  const closesAt = (cycle: number) => windowOf(timing, cycle, 'distribution').to
  const save = async (entry: Entry) => {
    // what was asked of K2 before the stop may come back after it, when the store is another's
    if (!stopping.signal.aborted) {
      await store.put(keyOf(entry.vote.cycle), encodeEntry(entry))
    }
  }

  /**
   * What is confirmed. Once the window is over by our clock, what is asked for is how it ended; where most endpoints have not got so
   * far, the clock is wrong.
   */
  const confirmed = async (cycle: number, slot: number) => {
    const wanted = { task, staker: stakerNow(), commitment: 'confirmed' } as const
    const closes = closesAt(cycle)
    const now = await k2.lastVote(wanted)
    if (slot <= closes || now.slot >= closes) {
      return now
    }
    try {
      const end = await k2.lastVote({ ...wanted, minSlot: closes })
      return end.sure ? end : now
    } catch (err) {
      if (isBehind(err)) {
        return now
      }
      throw err
    }
  }

  /** How the vote stands on K2, as most endpoints tell it. What is called final here is finalized there. */
  const look = async (entry: Entry): Promise<View> => {
    const { vote, attempts } = entry
    const closes = closesAt(vote.cycle)
    const slot = init.slot() ?? 0
    const near = await confirmed(vote.cycle, slot)
    const there = near.value != null && near.value.cycle >= vote.cycle
    const over = near.slot >= closes
    entry.overSinceMs = over ? (entry.overSinceMs ?? nowMs()) : undefined
    // what one of three says is not enough, as long as there is time for the others to come back; by our own clock, not by its
    const waited = entry.overSinceMs != null && nowMs() - entry.overSinceMs > timing.roundSlots * UNHURRIED_SLOT_MS
    if (!near.sure && !waited) {
      return { is: 'unknown' }
    }
    if (!there && !over) {
      return { is: 'absent' }
    }
    const far = await k2.lastVote({ task, staker: stakerNow(), commitment: 'finalized' })
    const sure = far.sure || waited
    if (far.value == null || far.value.cycle < vote.cycle) {
      return over && far.slot >= closes && sure
        ? { is: 'lost', reason: 'its window closed before K2 had taken it' }
        : { is: over ? 'over' : 'seen' }
    }
    if (!sure) {
      return { is: over ? 'over' : 'seen' }
    }
    if (far.value.cycle === vote.cycle) {
      return hex(far.value.recordDigest) === hex(vote.recordDigest)
        ? { is: 'voted' }
        : {
            is: 'lost',
            reason: `K2 has a vote of this key for another record, ${hex(far.value.recordDigest)}: look for a second node with it`
          }
    }
    // votes rise from cycle to cycle, so the later one has covered ours; its transaction tells whether it landed
    const statuses = await k2.statuses(attempts.map(({ signature }) => signature))
    return statuses.some((status) => status?.failed === false)
      ? { is: 'voted' }
      : { is: 'lost', reason: 'K2 has a later vote of this key and no trace of this one' }
  }

  /** Gives the vote to K2, in the transaction that may still land, or in a new one when that is dead. */
  const send = async (entry: Entry): Promise<Broadcast> => {
    const { vote } = entry
    let attempt = entry.attempts.at(-1)
    const slot = init.slot() ?? 0
    if (attempt == null || slot - attempt.slot > BLOCKHASH_SLOTS || !(await alive(entry, attempt))) {
      const instruction = voteInstruction({
        task,
        stakingKey: signer.address,
        staker: stakerNow(),
        programId: k2.programId,
        ...vote
      })
      const payer = { address: signer.address, sign: (message: Uint8Array) => signer.signTransaction(message) }
      const { signature, blockhash, wire } = await k2.prepare([instruction], [payer])
      attempt = { signature, blockhash, wire: Buffer.from(wire).toString('base64'), slot }
      entry.attempts = [...entry.attempts.slice(1 - KEPT_ATTEMPTS), attempt]
      counters.signed++
      // before it is sent, so that whoever comes after a kill knows what may be under way
      await save(entry)
    }
    if (stopping.signal.aborted) {
      // it may not have been saved
      return { accepted: [], refused: [] }
    }
    counters.sent++
    const outcome = await k2.broadcast(Buffer.from(attempt.wire, 'base64'))
    entry.unknownBlockhash = outcome.refused.some(({ error }) => /blockhash not found/i.test(messageOf(error)))
    return outcome
  }

  /** Whether a transaction could still land. Where the endpoints contradict each other, what they said when it was sent decides. */
  const alive = async (entry: Entry, { blockhash }: Attempt): Promise<boolean> => {
    try {
      return await k2.blockhashValid(blockhash)
    } catch (err) {
      if (err instanceof K2ContradictionError) {
        return entry.unknownBlockhash !== true
      }
      throw err
    }
  }

  const handOver = async (entry: Entry, { accepted, refused }: Broadcast) => {
    const unpayable = refused.filter(({ error }) => error instanceof K2TransactionError && error.unpayable)
    if (init.handOver == null || entry.handedOver || unpayable.length * 2 <= accepted.length + refused.length) {
      return
    }
    await init.handOver(entry.vote)
    counters.handedOver++
    entry.handedOver = true
    await save(entry)
    log.info({ cycle: entry.vote.cycle }, 'the staking key cannot pay for its vote: it is left to a batch')
  }

  /** Which of our transactions brought the vote, and how many came too late. */
  const receipt = async ({ vote, attempts }: Entry): Promise<Sent | null> => {
    if (attempts.length === 0) {
      return null
    }
    try {
      const statuses = await k2.statuses(attempts.map(({ signature }) => signature))
      const first = statuses.findIndex((status) => status?.failed === false)
      counters.landedTwice += statuses.filter((status, i) => status != null && i !== first).length
      const attempt = attempts[first]
      return attempt == null ? null : { signature: attempt.signature, bytes: Buffer.from(attempt.wire, 'base64').length }
    } catch (err) {
      log.debug({ cycle: vote.cycle, reason: messageOf(err) }, 'K2 did not tell which transaction brought the vote')
      return null
    }
  }

  const drive = async (entry: Entry, resumed: boolean): Promise<void> => {
    const { vote } = entry
    const { cycle } = vote
    let lastReason = resumed ? 'the node was not running' : 'K2 did not take it'
    let lookFirst = resumed || (init.slot() ?? 0) >= closesAt(cycle)
    let seen = false
    const puzzled = (err: unknown): View => {
      lastReason = messageOf(err)
      log.debug({ cycle, reason: lastReason }, 'K2 did not tell how the final vote stands')
      return { is: 'unknown' }
    }
    for (let idle = 0; !stopping.signal.aborted; idle++) {
      try {
        const view = lookFirst ? await look(entry).catch(puzzled) : ({ is: 'absent' } as const)
        lookFirst = true
        if (stopping.signal.aborted) {
          return
        }
        if (view.is === 'voted') {
          const sent = await receipt(entry)
          return await settle(cycle, () => {
            counters.voted++
            init.onVoted(vote, sent)
          })
        }
        if (view.is === 'lost') {
          return await settle(cycle, () => {
            counters.lost++
            init.onLost(vote, `${view.reason}: ${lastReason}`)
          })
        }
        if (view.is === 'seen' && !seen) {
          seen = true
          idle = 0
        }
        if (view.is === 'absent' || view.is === 'unknown') {
          if (view.is === 'absent' && seen) {
            seen = false
            idle = 0
            counters.rolledBack++
            log.warn({ cycle }, 'the final vote was on K2 and is not any more: its block was rolled back, and it is sent again')
          }
          const outcome = await send(entry)
          const [refusal] = outcome.refused
          if (refusal != null && outcome.accepted.length === 0) {
            lastReason = messageOf(refusal.error)
            // a vote that is there is not confirmed yet, as after a restart
            const isThere = outcome.refused.some(({ error }) => (error as Error).name === 'AlreadyVotedError')
            log[isThere ? 'debug' : 'warn']({ cycle, attempt: idle, reason: lastReason }, 'the final vote has not landed yet')
          }
          await handOver(entry, outcome)
        }
      } catch (err) {
        lastReason = messageOf(err)
        log.warn({ cycle, attempt: idle, reason: lastReason }, 'the final vote has not landed yet')
      }
      await wait(idle)
    }
  }

  const settle = async (cycle: number, tell: () => void) => {
    if (stopping.signal.aborted) {
      return
    }
    await store.delete(keyOf(cycle))
    try {
      tell()
    } catch (err) {
      log.error({ cycle, reason: messageOf(err) }, 'whoever was told of the final vote failed')
    }
  }

  const wait = (idle: number) => {
    const waitMs = Math.min(Math.max(init.slotMs(), SHORTEST_WAIT_MS) * 2 ** Math.min(idle, 4), LONGEST_WAIT_MS)
    let timer: NodeJS.Timeout | undefined
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, waitMs * (0.75 + random() / 2))
    })
    return Promise.race([over, stopped]).finally(() => clearTimeout(timer))
  }

  const start = (entry: Entry, resumed: boolean) => {
    const { cycle } = entry.vote
    if (!running.has(cycle)) {
      const driving = drive(entry, resumed)
        .catch((err) => log.error({ cycle, reason: messageOf(err) }, 'the outbox failed'))
        .finally(() => running.delete(cycle))
      running.set(cycle, driving)
    }
  }

  return {
    async cast(vote) {
      await signer.promise(encode(vote), { task, cycle: vote.cycle, key: 'vote' })
      const before = await store.get(keyOf(vote.cycle))
      const entry = before == null ? { vote, attempts: [], handedOver: false } : decodeEntry(before)
      if (before == null) {
        await save(entry)
      }
      start(entry, before != null)
    },
    async resume(promised = []) {
      for (const vote of promised.map(decodeVote)) {
        if ((await store.get(keyOf(vote.cycle))) == null) {
          await save({ vote, attempts: [], handedOver: false })
        }
      }
      for (const key of await store.list('vote/')) {
        const bytes = await store.get(key)
        if (bytes != null) {
          start(decodeEntry(bytes), true)
        }
      }
    },
    counters: () => ({ ...counters }),
    async stop() {
      stopping.abort()
      // what is being asked of K2 may take its whole timeout, and changes nothing any more
      await Promise.race([Promise.allSettled(running.values()), new Promise((resolve) => setTimeout(resolve, LINGER_MS).unref())])
    }
  }
}

/** How long a stop waits for answers that are on their way. */
const LINGER_MS = 500

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

interface Written {
  cycle: number
  root: string
  recordDigest: string
  totalRewards: string
  /** Left out by version 0.1. */
  attempts?: Attempt[]
  handedOver?: boolean
}

function written({ cycle, root, recordDigest, totalRewards }: FinalVote): Written {
  return { cycle, root: hex(root), recordDigest: hex(recordDigest), totalRewards: totalRewards.toString() }
}

/** What the signer's log holds the hash of: the vote, in whatever transaction. */
function encode(vote: FinalVote): Uint8Array {
  return Buffer.from(JSON.stringify(written(vote)))
}

/** The vote of a content that the Signer's log holds. */
export function decodeVote(bytes: Uint8Array): FinalVote {
  return decodeEntry(bytes).vote
}

function encodeEntry({ vote, attempts, handedOver }: Entry): Uint8Array {
  return Buffer.from(JSON.stringify({ ...written(vote), attempts, handedOver }))
}

function decodeEntry(bytes: Uint8Array): Entry {
  const {
    cycle,
    root,
    recordDigest,
    totalRewards,
    attempts = [],
    handedOver = false
  } = JSON.parse(Buffer.from(bytes).toString()) as Written
  return {
    vote: { cycle, root: Buffer.from(root, 'hex'), recordDigest: Buffer.from(recordDigest, 'hex'), totalRewards: BigInt(totalRewards) },
    attempts,
    handedOver
  }
}
