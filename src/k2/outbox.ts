import { type Timing, windowOf } from '../clock/index.ts'
import type { Logger } from '../observe/index.ts'
import type { KeyValue } from '../store/index.ts'
import type { K2Client } from './client.ts'
import { messageOf } from './errors.ts'
import { decodeEntry, decodeVote, type Entry, encodeEntry, type FinalVote } from './outbox-entry.ts'
import { createLook, type View } from './outbox-look.ts'
import { createSender, isUnpayable, type OutboxCounters, receiptOf, type VoteSigner } from './outbox-send.ts'
import type { Broadcast } from './pool.ts'
import type { Sent } from './transactions.ts'

export { decodeVote, encodeVote, type FinalVote } from './outbox-entry.ts'
export type { OutboxCounters, VoteSigner } from './outbox-send.ts'

export interface OutboxInit {
  k2: Pick<K2Client, 'programId' | 'prepare' | 'broadcast' | 'blockhashValid' | 'lastVote' | 'statuses'> &
    Partial<Pick<K2Client, 'watchSignature' | 'marketPrice'>>
  signer: VoteSigner
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
  /** The most, in ROE, that one transaction may pay on top of its signature when votes do not land; default: nothing. */
  maxFeeRoe?: bigint
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

/** While K2 tells by subscription when a vote lands, nobody asks for so long: first whether it did, then whether it is final. */
const TELL_SLOTS = 6
const FINAL_SLOTS = 48
const SHORTEST_WAIT_MS = 50
const LONGEST_WAIT_MS = 5000

export function createOutbox(init: OutboxInit): Outbox {
  const { k2, signer, task, timing, store, log, random = Math.random, nowMs = () => performance.now() } = init
  const stakerNow = init.staker ?? (() => signer.address)
  const stopping = new AbortController()
  const stopped = new Promise<void>((resolve) => stopping.signal.addEventListener('abort', () => resolve()))
  const running = new Map<number, Promise<void>>()
  const counters: OutboxCounters = { signed: 0, sent: 0, rolledBack: 0, landedTwice: 0, handedOver: 0, voted: 0, lost: 0, bids: 0 }

  const keyOf = (cycle: number) => `vote/${cycle}`
  const closesAt = (cycle: number) => windowOf(timing, cycle, 'distribution').to
  const save = async (entry: Entry) => {
    // what was asked of K2 before the stop may come back after it, when the store is another's
    if (!stopping.signal.aborted) {
      await store.put(keyOf(entry.vote.cycle), encodeEntry(entry))
    }
  }

  const look = createLook({ k2, task, timing, staker: stakerNow, slot: () => init.slot(), nowMs })

  const isStopping = () => stopping.signal.aborted
  const sender = createSender({ ...init, staker: stakerNow, counters, save, isStopping })

  const handOver = async (entry: Entry, { accepted, refused }: Broadcast) => {
    const unpayable = refused.filter(({ error }) => isUnpayable(error))
    if (init.handOver == null || entry.handedOver || unpayable.length * 2 <= accepted.length + refused.length) {
      return
    }
    await init.handOver(entry.vote)
    counters.handedOver++
    entry.handedOver = true
    await save(entry)
    log.info({ cycle: entry.vote.cycle }, 'the staking key cannot pay for its vote: it is left to a batch')
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
        const { told } = entry
        const view = lookFirst ? await look(entry).catch(puzzled) : ({ is: 'absent' } as const)
        lookFirst = true
        if (entry.told === told && (view.is === 'absent' || (told?.final === true && view.is !== 'voted'))) {
          // what was told has had its look
          entry.told = undefined
        }
        if (stopping.signal.aborted) {
          return
        }
        if (view.is === 'voted') {
          const sent = await receiptOf(entry, { k2, counters, log })
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
          const outcome = await sender.send(entry, view.is === 'absent')
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
      await wait(entry, idle)
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

  const wait = async (entry: Entry, idle: number) => {
    // that a vote is there is a reason to wait until it is final
    for (let told: Entry['told']; !stopping.signal.aborted && entry.told?.final !== true; ) {
      told = entry.told
      const woken = Promise.withResolvers<void>()
      entry.wake = woken.resolve
      const timer = setTimeout(
        woken.resolve,
        pauseMs(entry, idle, { slotMs: init.slotMs(), slotsLeft: closesAt(entry.vote.cycle) - (init.slot() ?? 0) }) * (0.75 + random() / 2)
      )
      await Promise.race([woken.promise, stopped])
      clearTimeout(timer)
      if (entry.told === told) {
        return
      }
    }
  }

  const start = (entry: Entry, resumed: boolean) => {
    const { cycle } = entry.vote
    if (!running.has(cycle)) {
      const driving = drive(entry, resumed)
        .catch((err) => log.error({ cycle, reason: messageOf(err) }, 'the outbox failed'))
        .finally(() => {
          running.delete(cycle)
          for (const leave of [...(entry.watches?.values() ?? [])].flat()) {
            leave()
          }
        })
      running.set(cycle, driving)
    }
  }

  return {
    async cast(vote) {
      await signer.reserveVote(task, vote)
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

/** How long K2 is left alone, when nothing is told meanwhile. @param now.slotsLeft - until the window of the vote closes */
function pauseMs(entry: Entry, idle: number, now: { slotMs: number; slotsLeft: number }): number {
  const slotMs = Math.max(now.slotMs, SHORTEST_WAIT_MS)
  const askMs = Math.min(slotMs * 2 ** Math.min(idle, 4), LONGEST_WAIT_MS)
  const live = [...(entry.watches?.values() ?? [])].at(-1)?.every((watch) => watch.live()) === true
  if (!live) {
    return askMs
  }
  const leftMs = Math.max(0, now.slotsLeft) * slotMs
  return Math.max(askMs, Math.min(leftMs / 4, (entry.told == null ? TELL_SLOTS : FINAL_SLOTS) * slotMs))
}
