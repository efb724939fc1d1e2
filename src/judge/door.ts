import { KIND_NAMES, type Kind, type Message } from '../wire/index.ts'
import { PublishRefusedError } from './errors.ts'
import { createJudge, type JudgeInit, takenCycles, type Verdict } from './judge.ts'
import { REASON_NAMES, REASONS, type Reason } from './reasons.ts'

export type Via = 'gossip' | 'sync' | 'own'

/** How a message came: `from` is the PeerId of who brought it, undefined for our own. */
export interface Came {
  via: Via
  from: string | undefined
}

export interface DoorCounters {
  /** Messages of others that were accepted, however they came. */
  delivered: number
  /** Of those, the ones that came by sync. */
  synced: number
  /** Of our own. */
  published: number
  signatureChecks: number
  byKind: Record<Kind, number>
  refused: Record<Reason, number>
}

/** A logger's two levels that are used here. */
export interface DoorLog {
  debug(detail: object, what: string): void
  warn(detail: object, what: string): void
}

export interface DoorInit extends JudgeInit {
  /**
   * Writes an accepted message down, others' and our own, before anybody is told of it. What it throws counts as our own fault: the
   * message is not taken in, and sync brings it back. With `false` nobody is told.
   */
  keep?: (message: Message, how: Came) => boolean | undefined
  /** Gets every accepted message once, when the pool has it. What it throws costs this message alone, and is logged. */
  onMessage: (message: Message, how: Came) => void
  onRefusal?: (refusal: Came & { reason: Reason; message?: Message; detail?: string }) => void
  log?: DoorLog
}

/** The one way in for a message of a task, ours or another's: judged, written down, in the pool, then told, with nothing in between. */
export interface Door {
  /** Bytes that a peer brought. Never throws. */
  receive(bytes: Uint8Array, from: string, via: Via): Verdict
  /** A message of our own, which we have just signed. Again is harmless. @throws PublishRefusedError when others would refuse it */
  admit(message: Message): void
  /** Something was refused before there was a message to judge. */
  refused(reason: Reason, from: string, count?: number): void
  /** Forgets the cycles that are over. */
  prune(): void
  counters(): DoorCounters
}

const silent: DoorLog = { debug() {}, warn() {} }

export function createDoor(init: DoorInit): Door {
  const { pool, slot, timing, onMessage, onRefusal, log = silent } = init
  const counts: DoorCounters = {
    delivered: 0,
    synced: 0,
    published: 0,
    signatureChecks: 0,
    byKind: Object.fromEntries(KIND_NAMES.map((kind) => [kind, 0])) as Record<Kind, number>,
    refused: Object.fromEntries(REASON_NAMES.map((reason) => [reason, 0])) as Record<Reason, number>
  }
  const judge = createJudge({
    ...init,
    verify(signature, bytes, publicKey) {
      counts.signatureChecks++
      return init.verify(signature, bytes, publicKey)
    }
  })

  const take = (message: Message, how: Came) => {
    const isTold = init.keep?.(message, how) !== false
    // whoever is told of it finds it there
    pool.add(message)
    try {
      isTold && onMessage(message, how)
    } catch (err) {
      log.warn({ err, ...how, id: message.id }, 'a message could not be handled through our own fault')
    }
  }

  const judged = (piece: Uint8Array, how: Came & { from: string }): Verdict => {
    try {
      const verdict = judge.fromPeer(piece, how.from)
      if (verdict.result === 'accept') {
        take(verdict.message, how)
      }
      return verdict
    } catch (err) {
      log.warn({ err, ...how }, 'a message could not be taken in through our own fault')
      return { result: REASONS['own-fault'], reason: 'own-fault', detail: err instanceof Error ? err.message : String(err) }
    }
  }

  return {
    receive(piece, from, via) {
      const verdict = judged(piece, { from, via })
      if (verdict.result === 'accept') {
        counts.delivered++
        counts.synced += via === 'sync' ? 1 : 0
        counts.byKind[verdict.message.kind]++
        return verdict
      }
      const { reason, message, detail } = verdict
      counts.refused[reason]++
      if (message != null && reason === 'over-quota') {
        pool.refuse(message.body.cycle, message.id)
      }
      log.debug({ reason, from, via, kind: message?.kind, signer: message?.signer, detail }, 'message refused')
      onRefusal?.({ reason, via, from, ...(message == null ? {} : { message }), ...(detail == null ? {} : { detail }) })
      return verdict
    },
    admit(message) {
      const verdict = judge.own(message)
      if (verdict.result === 'accept') {
        take(message, { via: 'own', from: undefined })
        counts.published++
      } else if (verdict.reason !== 'seen') {
        throw new PublishRefusedError(verdict.reason, `a ${message.kind} of cycle ${message.body.cycle} at slot ${message.body.slot}`)
      }
    },
    refused(reason, from, count = 1) {
      counts.refused[reason] += count
      onRefusal?.({ reason, via: 'gossip', from })
    },
    prune() {
      const at = slot()
      if (at != null) {
        pool.prune(takenCycles(timing, at).from)
      }
    },
    counters: () => ({ ...counts, byKind: { ...counts.byKind }, refused: { ...counts.refused } })
  }
}
