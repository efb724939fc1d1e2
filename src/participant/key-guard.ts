/**
 * One key, one voice: notices when somebody else signs with the node's staking key, or has done so.
 *
 *     start ──> log, K2 ──> sign at once, or listen for three rounds
 *     message of our key, K2's vote ──> in the log? ──> signed before we started: listen
 *                                                  └──> signed since: stop signing for good
 */

import { cycleAt, windowOf } from '../clock/index.ts'
import { commandLine } from '../command/line.ts'
import { KeyInUseError } from '../identity/errors.ts'
import { messageOf } from '../k2/errors.ts'
import type { Events, Logger } from '../observe/index.ts'
import type { Signer } from '../signer/index.ts'
import type { KeyValue, LogTrust } from '../store/index.ts'
import { type Message, onceKey } from '../wire/index.ts'
import { formerVotes, isSaidBeside, type KeyState, LISTEN_ROUNDS, NEW_STATE, quietUntil, whenToSign } from './key-standing.ts'
import { createOwnMessages, type OwnMessagesInit } from './own-messages.ts'
import { createOwnVotes, type OwnVotesInit } from './own-votes.ts'

export interface KeyGuardInit extends OwnMessagesInit, OwnVotesInit {
  signer: Signer
  /** What the store says of that log. */
  store: LogTrust
  /** Durable: what is remembered over restarts. */
  state: KeyValue
  /** The operator says that no other node has used the key for three rounds. */
  idle: boolean
  events: Events
  logger: Logger
  /** The rounds are to say nothing before this slot. */
  onListen: (untilSlot: number) => void
}

export interface KeyGuard {
  /** Decides whether the node may sign. To be called when slot and stakes are known, and before anything is heard. */
  begin(slot: number): Promise<void>
  /** False for a message that proves that somebody else has the key: the node has stopped signing, and takes it not in. */
  heard(message: Message): boolean
  /** The same for one that the judge refused before it looked at the signature. */
  heardRefused(message: Message): void
  /** Another peer proved that it speaks for our stake. */
  heardTwin(peerId: string): void
  /** The log of what was signed cannot be relied on any more: the node listens, unless it does already. */
  mistrust(why: string): void
  /** What this process sent, or its own store had kept: ours, whatever the log says. */
  said(message: Message): void
  /** `back`: the clock had followed a lie, and goes back. */
  onSlot(slot: number, back?: boolean): void
  /** The log drops what may be said again of cycles before `cycle`; a clock that ran ahead may have dropped what is live now. */
  forget(cycle: number): void
  /** Looks whether K2 has a vote of ours that we did not cast. */
  checkVote(): Promise<void>
  mayAnnounce(): boolean
  isListening(): boolean
  status(): { state: 'signs' | 'listens' | 'stopped'; untilSlot: number | null; reason: string | null }
  /** One line for the operator, when there is something to know. */
  notice(): string | null
  /** Resolves when the node must not go on. */
  stopped: Promise<KeyInUseError>
}

const STATE_KEY = 'state'
/** While the node listens K2 is asked this often. */
const CHECK_SLOTS = 5

export function createKeyGuard(init: KeyGuardInit): KeyGuard {
  const { self, timing, signer, events, logger } = init
  const messages = createOwnMessages(init)
  const votes = createOwnVotes(init)
  const stopped = Promise.withResolvers<KeyInUseError>()
  let state: KeyState = NEW_STATE
  let sinceSlot = 0
  let nowSlot = 0
  let quietTo = 0
  let halted: string | null = null
  let reason: string | null = null
  let checking = false

  const save = (change: Partial<KeyState>) => {
    state = { ...state, ...change }
    init.state
      .put(STATE_KEY, Buffer.from(JSON.stringify(state)))
      .catch((err) => logger.error({ reason: messageOf(err) }, 'could not keep how the staking key stands'))
  }
  const isListening = () => state.untilSlot != null && halted == null

  const listen = (untilSlot: number, why: string, voted: number | undefined) => {
    reason = why
    save({ untilSlot, conflict: null, votesUpTo: Math.max(state.votesUpTo, formerVotes(timing, nowSlot, voted)) })
    signer.hold(`the node listens until slot ${untilSlot}, as ${why}`)
    init.onListen(untilSlot)
    logger.warn({ event: 'silent', untilSlot, reason: why }, 'the node signs nothing yet')
    events.emit('silent', { until: untilSlot, reason: why })
  }

  const speak = () => {
    // what must be on the disk first: on one that is full the node goes on listening, says so, and tries again
    init.store.trustLog()
    reason = null
    save({ untilSlot: null, conflict: null })
    signer.release()
  }

  const halt = (why: string) => {
    if (halted == null) {
      halted = why
      signer.halt(why)
      init.onListen(Number.POSITIVE_INFINITY)
      save({ conflict: why })
      logger.error(
        { event: 'key-conflict', reason: why },
        'another node signs with our staking key: this one signs nothing any more, and stops'
      )
      events.emit('key-conflict', { reason: why })
      stopped.resolve(twinError(self, why))
    }
  }

  /** Our key signed something that we did not. False when that means that somebody else runs now. */
  const foreign = (what: string, dated: number, voted?: number): boolean => {
    if (isSaidBeside(dated, sinceSlot)) {
      halt(what)
      return false
    }
    logger.warn({ what, sinceSlot }, 'our staking key signed this before the node started, and it is not in the log of what was signed')
    if (!init.idle && state.untilSlot == null) {
      listen(nowSlot + LISTEN_ROUNDS * timing.roundSlots, `${what} is of this key, and it is not in the log of what was signed`, voted)
    }
    return true
  }

  const judge = (message: Message, checked: boolean): boolean =>
    messages.foreign(message, checked).every((part) => {
      const { cycle, slot } = part.body
      if (onceKey(part.body) == null && cycle < state.forgottenTo) {
        return true
      }
      const former = foreign(`a message (${part.kind}) for cycle ${cycle}, signed in slot ${slot},`, slot)
      if (former) {
        messages.adopt(part)
      }
      return former
    })

  const checkVote = async () => {
    const vote = await votes.last()
    if (vote == null || vote.isOurs || vote.cycle <= state.votesUpTo) {
      return
    }
    if (foreign(`the vote on K2 for cycle ${vote.cycle}`, windowOf(timing, vote.cycle, 'distribution').from, vote.cycle)) {
      save({ votesUpTo: vote.cycle })
    }
  }

  return {
    stopped: stopped.promise,
    async begin(slot) {
      sinceSlot = slot
      nowSlot = slot
      const kept = await init.state.get(STATE_KEY)
      // of what may be said again nobody knows any more what there was
      const unknown = { ...NEW_STATE, forgottenTo: Math.max(0, cycleAt(timing, slot) - 2) }
      state = kept == null ? unknown : { ...NEW_STATE, ...(JSON.parse(Buffer.from(kept).toString()) as Partial<KeyState>) }
      const vote = await votes.last()
      const facts = { origin: init.store.origin(), before: state, counts: votes.counts(slot), idle: init.idle }
      const decision = whenToSign({ timing, slot, ...facts, voted: vote?.cycle, voteIsOurs: vote?.isOurs === true })
      if (decision != null) {
        quietTo = quietUntil(timing, decision.untilSlot)
        return listen(decision.untilSlot, decision.reason, vote?.cycle)
      }
      speak()
      if (init.idle) {
        save({ votesUpTo: Math.max(state.votesUpTo, formerVotes(timing, slot, vote?.cycle)) })
      }
    },
    heard: (message) => judge(message, true),
    heardRefused: (message) => void judge(message, false),
    heardTwin: (peerId) => halt(`peer ${peerId} speaks for its stake`),
    mistrust(why) {
      if (halted == null && !isListening()) {
        listen(nowSlot + LISTEN_ROUNDS * timing.roundSlots, why, undefined)
      }
    },
    said: messages.said,
    forget(cycle) {
      if (cycle > state.forgottenTo) {
        save({ forgottenTo: cycle })
      }
      init.log.prune(init.task, cycle)
    },
    onSlot(slot, back = false) {
      nowSlot = back ? slot : Math.max(nowSlot, slot)
      const longest = slot + LISTEN_ROUNDS * timing.roundSlots
      if (back) {
        sinceSlot = Math.min(sinceSlot, slot)
        quietTo = Math.min(quietTo, quietUntil(timing, longest))
      }
      if (back && isListening() && state.untilSlot! > longest) {
        save({ untilSlot: longest })
        init.onListen(longest)
      }
      messages.prune(cycleAt(timing, slot) - LISTEN_ROUNDS)
      if (isListening() && slot >= state.untilSlot!) {
        try {
          speak()
          events.emit('speaking')
        } catch (err) {
          logger.error({ reason: messageOf(err) }, 'the node cannot begin to sign, and tries again')
        }
      } else if (isListening() && slot % CHECK_SLOTS === 0 && !checking) {
        checking = true
        checkVote()
          .catch((err) => logger.debug({ reason: messageOf(err) }, 'K2 did not tell our last vote'))
          .finally(() => {
            checking = false
          })
      }
    },
    checkVote,
    mayAnnounce: () => halted == null && (state.untilSlot == null || nowSlot >= quietTo),
    isListening,
    status: () =>
      halted == null
        ? { state: isListening() ? 'listens' : 'signs', untilSlot: state.untilSlot, reason }
        : { state: 'stopped', untilSlot: null, reason: halted },
    notice: () => noticeOf(halted, isListening() ? state.untilSlot : null, reason)
  }
}

function twinError(self: string, why: string): KeyInUseError {
  return new KeyInUseError(
    `another node signs with the staking key ${self}: ${why}. This node has stopped, as a contradiction costs a slash. ` +
      `Find the other node and stop it; if there should be none, the key is in wrong hands: ${commandLine(['replace-key'], { help: true })}`
  )
}

function noticeOf(halted: string | null, untilSlot: number | null, reason: string | null): string | null {
  if (halted != null) {
    return `another node signs with this staking key (${halted}): this one signs nothing any more, and stops`
  }
  return untilSlot == null
    ? null
    : `the node only listens until slot ${untilSlot}, and signs nothing before: ${reason}. If no other node has used this key for three rounds, it can be started with --key-is-idle`
}
