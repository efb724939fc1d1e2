/**
 * One key, one voice: notices when somebody else signs with the node's staking key, or has done so.
 *
 *     start ──> log, K2 ──> sign at once, or listen for three rounds
 *     message of our key, K2's vote ──> in the log? ──> signed before we started: listen
 *                                                  └──> signed since: stop signing for good
 */
import { cycleAt, type Timing } from '../clock/index.ts'
import { KeyInUseError, type Promised, type Signer, type SignerLog } from '../identity/index.ts'
import { decodeVote, type K2Client, messageOf } from '../k2/index.ts'
import { type StakeAccount, speakerOf, weightOrZero } from '../k2/settlement/index.ts'
import type { Events, Logger } from '../observe/index.ts'
import type { KeyValue, Store } from '../store/index.ts'
import { type Message, type Network, onceKey, openEvidence, signedBytes, type Verify, verifySignature } from '../wire/index.ts'
import { formerVotes, isSaidBeside, type KeyState, LISTEN_ROUNDS, NEW_STATE, quietUntil, whenToSign } from './key-standing.ts'

export interface KeyGuardInit {
  self: string
  network: Network
  task: string
  timing: Timing
  signer: Signer
  log: SignerLog
  /** What the store says of that log. */
  store: Pick<Store, 'origin' | 'trustLog'>
  /** Durable: what is remembered over restarts. */
  state: KeyValue
  k2: Pick<K2Client, 'lastVote'>
  accounts: () => readonly StakeAccount[]
  verify: Verify
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
  /** What this process sent, or its own store had kept: ours, whatever the log says. */
  said(message: Message): void
  onSlot(slot: number): void
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
  const { self, network, task, timing, signer, log, events, logger } = init
  const stopped = Promise.withResolvers<KeyInUseError>()
  /** Ids of what we said behind the Signer's back, as a testnet's faulty nodes do. */
  const sent = new Map<string, number>()
  let state: KeyState = NEW_STATE
  let sinceSlot = 0
  let nowSlot = 0
  let silentUntil = 0
  let reason: string | null = null
  let halted: string | null = null
  let checking = false

  const save = (change: Partial<KeyState>) => {
    state = { ...state, ...change }
    init.state
      .put(STATE_KEY, Buffer.from(JSON.stringify(state)))
      .catch((err) => logger.error({ reason: messageOf(err) }, 'could not keep how the staking key stands'))
  }

  const promisedOf = (message: Message): Promised => ({ task, cycle: message.body.cycle, key: onceKey(message.body) })
  const isOurs = (message: Message) => sent.has(message.id) || signer.has(signedBytes(network, message.envelope.body), promisedOf(message))

  const listen = (untilSlot: number, why: string, voted?: number) => {
    reason = why
    save({ untilSlot, conflict: null, votesUpTo: Math.max(state.votesUpTo, formerVotes(timing, nowSlot, voted)) })
    signer.hold(`the node listens until slot ${untilSlot}, as ${why}`)
    init.onListen(untilSlot)
    logger.warn({ untilSlot, reason: why }, 'the node signs nothing yet')
    events.emit('silent', { until: untilSlot, reason: why })
  }

  const halt = (why: string) => {
    if (halted != null) {
      return
    }
    halted = why
    signer.halt(why)
    init.onListen(Number.POSITIVE_INFINITY)
    save({ conflict: why })
    logger.error({ reason: why }, 'another node signs with our staking key: this one signs nothing any more, and stops')
    events.emit('key-conflict', { reason: why })
    stopped.resolve(
      new KeyInUseError(
        `another node signs with the staking key ${self}: ${why}. This node has stopped, as a contradiction costs a slash. ` +
          'Find the other node and stop it; if there should be none, the key is in wrong hands: koii-mesh replace-key'
      )
    )
  }

  /** Our key signed something that we did not. */
  const foreign = (what: string, dated: number, voted?: number): boolean => {
    if (isSaidBeside(dated, sinceSlot)) {
      halt(what)
      return false
    }
    logger.warn({ what, sinceSlot }, 'our staking key signed this before the node started, and the log has it not')
    if (!init.idle && state.untilSlot == null) {
      listen(nowSlot + LISTEN_ROUNDS * timing.roundSlots, `${what} is of this key, and the log of what was signed has it not`, voted)
    }
    return true
  }

  const judge = (message: Message, checked: boolean): boolean => {
    const parts = message.signer === self ? [message] : []
    if (message.body.equivocation != null) {
      try {
        parts.push(...openEvidence(message.body.equivocation, network).filter((half) => half.signer === self))
      } catch {
        return true // no evidence at all
      }
    }
    for (const part of parts) {
      if (isOurs(part) || !(checked || verifySignature(part, network, init.verify))) {
        continue
      }
      if (!foreign(`a ${part.kind} for cycle ${part.body.cycle}, signed in slot ${part.body.slot}`, part.body.slot)) {
        return false
      }
      signer.adopt(signedBytes(network, part.envelope.body), promisedOf(part))
    }
    return true
  }

  const ownStake = () => init.accounts().find(({ stakingKey }) => stakingKey === self)

  /** The last vote on K2 that this very key gave. */
  const lastVote = async () => {
    const stake = ownStake()
    if (stake == null) {
      return undefined
    }
    const { value, sure } = await init.k2.lastVote({ task, staker: stake.staker, commitment: 'confirmed' })
    return sure && value != null && speakerOf(stake, value.cycle) === self ? value : undefined
  }

  const isOwnVote = ({ cycle, recordDigest }: { cycle: number; recordDigest: Uint8Array }) => {
    if (log.get(task, cycle, 'vote') == null) {
      return false
    }
    const kept = log.list(task, cycle).find((entry) => entry.cycle === cycle && entry.key === 'vote')
    return kept == null || Buffer.from(decodeVote(kept.bytes).recordDigest).equals(recordDigest)
  }

  const checkVote = async () => {
    const vote = await lastVote()
    if (vote != null && vote.cycle > state.votesUpTo && !isOwnVote(vote)) {
      const what = `the vote on K2 for cycle ${vote.cycle}`
      if (foreign(what, timing.startingSlot + (vote.cycle + 2) * timing.roundSlots, vote.cycle)) {
        save({ votesUpTo: vote.cycle })
      }
    }
  }

  /** Whether our key speaks for stake in a cycle that is still open. */
  const counts = (slot: number) => {
    const now = cycleAt(timing, slot)
    const open = [now - 2, now - 1, now].filter((cycle) => cycle >= 0)
    return init.accounts().some((stake) => open.some((cycle) => speakerOf(stake, cycle) === self && weightOrZero(stake, cycle) > 0n))
  }

  const isListening = () => state.untilSlot != null && halted == null

  return {
    stopped: stopped.promise,
    async begin(slot) {
      sinceSlot = slot
      nowSlot = slot
      const kept = await init.state.get(STATE_KEY)
      state = kept == null ? NEW_STATE : { ...NEW_STATE, ...(JSON.parse(Buffer.from(kept).toString()) as Partial<KeyState>) }
      const vote = await lastVote()
      const decision = whenToSign({
        timing,
        slot,
        origin: init.store.origin(),
        before: state,
        counts: counts(slot),
        voted: vote?.cycle,
        voteIsOurs: vote != null && isOwnVote(vote),
        idle: init.idle
      })
      if (decision != null) {
        silentUntil = quietUntil(timing, decision.untilSlot)
        listen(decision.untilSlot, decision.reason, vote?.cycle)
        return
      }
      save({
        untilSlot: null,
        conflict: null,
        votesUpTo: init.idle ? Math.max(state.votesUpTo, formerVotes(timing, slot, vote?.cycle)) : state.votesUpTo
      })
      init.store.trustLog()
    },
    heard: (message) => judge(message, true),
    heardRefused: (message) => void judge(message, false),
    heardTwin: (peerId) => halt(`peer ${peerId} speaks for its stake`),
    said(message) {
      if (message.signer === self) {
        sent.set(message.id, message.body.cycle)
      }
    },
    onSlot(slot) {
      nowSlot = Math.max(nowSlot, slot)
      for (const [id, cycle] of sent) {
        if (cycle < cycleAt(timing, slot) - LISTEN_ROUNDS) {
          sent.delete(id)
        }
      }
      if (!isListening()) {
        return
      }
      if (slot >= state.untilSlot!) {
        save({ untilSlot: null })
        reason = null
        init.store.trustLog()
        signer.release()
        events.emit('speaking')
      } else if (slot % CHECK_SLOTS === 0 && !checking) {
        checking = true
        checkVote()
          .catch((err) => logger.debug({ reason: messageOf(err) }, 'K2 did not tell our last vote'))
          .finally(() => {
            checking = false
          })
      }
    },
    checkVote,
    mayAnnounce: () => halted == null && (state.untilSlot == null || nowSlot >= silentUntil),
    isListening,
    status: () =>
      halted != null
        ? { state: 'stopped', untilSlot: null, reason: halted }
        : { state: isListening() ? 'listens' : 'signs', untilSlot: state.untilSlot, reason },
    notice() {
      if (halted != null) {
        return `another node signs with this staking key (${halted}): this one signs nothing any more, and stops`
      }
      return isListening()
        ? `the node only listens until slot ${state.untilSlot}, and signs nothing before: ${reason}. If no other node has used this key for three rounds, it can be started with --key-is-idle`
        : null
    }
  }
}
