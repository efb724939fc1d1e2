import { CID } from 'multiformats/cid'
import { cycleAt, signedWindowOf, type Timing, within } from '../clock/index.ts'
import {
  type Evidence,
  KINDS,
  LIMITS,
  MalformedMessageError,
  type Message,
  type Network,
  open,
  type Verify,
  verifySignature
} from '../wire/index.ts'
import type { Pool } from './pool.ts'
import { quotaOf } from './quota.ts'
import { REASONS, type Reason } from './reasons.ts'

export type Verdict =
  | { result: 'accept'; message: Message }
  | { result: 'ignore' | 'reject'; reason: Reason; message?: Message; detail?: string }

/** What K2 says of the stake that a message speaks for. */
export interface StakeWeights {
  /**
   * The stake that counts in `cycle`, in ROE, fixed when the cycle begins. 0n only when the set of that cycle is known and
   * holds none; undefined while it is not known.
   */
  weight(staker: string, cycle: number): bigint | undefined
  /**
   * Whether the staker has stake on K2 now, which may count only from a later cycle: it may enter the mesh. undefined while
   * K2 was not read. Left out, whoever has weight in a live cycle or the next may.
   */
  isStaked?(staker: string): boolean | undefined
}

export interface JudgeInit {
  network: Network
  timing: Timing
  /** The slot of K2 now; undefined while it is not known. */
  slot: () => number | undefined
  stakes: StakeWeights
  pool: Pool
  /** The one native signature check. */
  verify: Verify
  /** Decodes bytes that stay their owner's. Handed in where many nodes of one process decode the same. @default a copy, opened */
  open?: ((bytes: Uint8Array, network: Network) => Message) | undefined
  /** Whether the peer that brings a message may speak. */
  peers: { isStaked(peerId: string): boolean; isBanned(peerId: string): boolean }
  /** What is wrong with where an announcement says that its node is: PeerId and multiaddrs in their bytes. */
  contactFault: (announcement: { peerId: Uint8Array; multiaddrs: Uint8Array[] }) => string | undefined
  /** How far ahead of ours another's slot may be: clocks and K2 nodes differ by about half a second. */
  toleranceSlots?: number
}

export interface Judge {
  /** Judges bytes that a peer brought, by gossip or by sync. Changes nothing. */
  fromPeer(bytes: Uint8Array, peerId: string): Verdict
  /** Judges a message of our own, which we have just signed: everything but the signature. */
  own(message: Message): Verdict
}

/** At 400 ms a slot this is 0.8 s: beyond +-500 ms nothing of an honest clock is left (TARGETS B4). */
export const TOLERANCE_SLOTS = 2

/** Cycles before the present one whose messages are live: one submits and audits, one distributes (DESIGN, Time). */
export const LIVE_CYCLES = 2

/** The cycles whose messages are taken at `slot`: the present one too, as announcements and evidence belong to it. */
export function takenCycles(timing: Timing, slot: number): { from: number; to: number } {
  const to = Math.max(0, cycleAt(timing, slot))
  return { from: Math.max(0, to - LIVE_CYCLES), to }
}

export function createJudge(init: JudgeInit): Judge {
  const { network, peers, open = opened } = init
  return {
    fromPeer(bytes, peerId) {
      if (peers.isBanned(peerId) || !peers.isStaked(peerId)) {
        return refuse('not-admitted')
      }
      if (bytes.length > LIMITS.envelopeBytes) {
        return refuse('too-large')
      }
      let message: Message
      try {
        message = open(bytes, network)
      } catch (err) {
        if (err instanceof MalformedMessageError) {
          return refuse('malformed', undefined, err.message)
        }
        throw err
      }
      return judge(message, init, true)
    },
    own: (message) => judge(message, init, false)
  }
}

/** The ladder of the spec from the cycle window down, cheapest first. */
function judge(message: Message, init: JudgeInit, checkSignature: boolean): Verdict {
  const { network, timing, slot, stakes, pool, verify, toleranceSlots = TOLERANCE_SLOTS } = init
  const { body, kind, signer } = message

  const now = slot()
  if (now == null) {
    return refuse('no-slot', message)
  }
  if (body.slot > now + toleranceSlots) {
    return refuse('future', message, `slot ${body.slot}, ours is ${now}`)
  }
  if (body.cycle < takenCycles(timing, now).from) {
    return refuse('old', message, `cycle ${body.cycle}`)
  }
  if (!inWindow(message, timing)) {
    return refuse('wrong-window', message, `slot ${body.slot} is not in the ${KINDS[kind].window} window of cycle ${body.cycle}`)
  }

  const weight = stakeOf(message, stakes)
  if (weight == null) {
    return refuse('stake-unknown', message)
  }
  if (weight <= 0n) {
    return refuse('unstaked', message, signer)
  }
  if (message.evidence != null) {
    // whom no stake can be taken from is nobody's business: of such keys anybody can make any number, each with an offence of its own
    const atStake = stakes.weight(message.evidence.offender, body.cycle)
    if (atStake == null || atStake <= 0n) {
      return refuse(atStake == null ? 'stake-unknown' : 'unstaked', message, message.evidence.offender)
    }
  }

  if (pool.has(message.id)) {
    return refuse('seen', message)
  }
  const quota = quotaOf(message)
  if (pool.said(body.cycle, quota.key) >= quota.max) {
    return refuse('over-quota', message)
  }
  if (isAboutUnknown(message, pool)) {
    return refuse('unknown-subject', message)
  }
  if (checkSignature && !verifySignature(message, network, verify)) {
    return refuse('bad-signature', message)
  }

  const nonsense = meaningOf(message, init)
  if (nonsense != null) {
    return refuse('meaningless', message, nonsense)
  }
  return { result: 'accept', message }
}

/**
 * Whether the signed slot fits the signed cycle. A kind with a window lies inside it; the others are about the cycle that
 * the slot is in, or one that was live in it. The slot counts, not the time of arrival: who joins late takes what was in time.
 */
function inWindow({ body, kind }: Message, timing: Timing): boolean {
  const stage = KINDS[kind].window
  if (stage !== 'any') {
    return within(signedWindowOf(timing, body.cycle, stage), body.slot)
  }
  const { from, to } = takenCycles(timing, body.slot)
  return body.cycle >= from && body.cycle <= to
}

/** An announcement says that a node is there, which it may as soon as its stake will count. */
function stakeOf({ kind, signer, body }: Message, stakes: StakeWeights): bigint | undefined {
  const weight = stakes.weight(signer, body.cycle)
  if (kind !== 'announcement' || (weight != null && weight > 0n)) {
    return weight
  }
  const later = stakes.weight(signer, body.cycle + 1)
  if (later != null && later > 0n) {
    return later
  }
  const staked = stakes.isStaked?.(signer)
  return staked === true ? 1n : weight == null || (later == null && staked == null) ? undefined : weight
}

/** The id of the submission that a challenge or a response is about. */
const subjectId = ({ challenge, response }: Message['body']) => {
  const submission = (challenge ?? response)?.submission
  return submission == null ? undefined : Buffer.from(submission).toString('hex')
}

function isAboutUnknown({ body }: Message, pool: Pool): boolean {
  const id = subjectId(body)
  return id != null && !pool.has(id)
}

/** What only a further look inside tells (shapes, sizes and CIDs were checked by `open`): undefined, or what is wrong. */
function meaningOf(message: Message, init: JudgeInit): string | undefined {
  const { announcement, submission, challenge, response, slot } = message.body
  if (announcement != null) {
    return init.contactFault(announcement) ?? (announcement.expirySlot < slot ? 'expires before it is said' : undefined)
  }
  if (submission != null) {
    return (
      (submission.proofs.every(({ cid }) => CID.decode(cid).version === 1) ? undefined : 'a CID is not of version 1') ??
      (isUtf8(submission.value) ? undefined : 'the value is not UTF-8')
    )
  }
  if (challenge != null || response != null) {
    return subjectOf(message, init.pool)
  }
  return message.evidence == null ? undefined : signedEvidence(message.evidence, init)
}

/** A challenge is about another's submission of the cycle, a response about one's own. */
function subjectOf({ signer, body }: Message, pool: Pool): string | undefined {
  const about = pool.get(subjectId(body)!)
  if (about?.kind !== 'submission' || about.body.cycle !== body.cycle) {
    return 'what it is about is no submission of its cycle'
  }
  if (body.response != null) {
    return about.signer === signer ? undefined : "it answers for another's submission"
  }
  if (!equal(body.challenge!.subject, about.envelope.signer)) {
    return 'it names another submitter'
  }
  return about.signer === signer ? 'it challenges its own submission' : undefined
}

/** That they contradict each other was checked by `open`. Halves that the pool holds were checked when they came. */
function signedEvidence({ halves }: Evidence, { network, verify, pool }: JudgeInit): string | undefined {
  const checked = ({ id, envelope }: Message) => {
    const known = pool.get(id)
    return known != null && equal(known.envelope.signature, envelope.signature)
  }
  return halves.every((half) => checked(half) || verifySignature(half, network, verify)) ? undefined : 'a half is not signed by its signer'
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0
}

/** From a copy: the bytes are a piece of the frame in which they came, and the pool would hold on to all of that. */
function opened(bytes: Uint8Array, network: Network): Message {
  return open(new Uint8Array(bytes), network)
}

function refuse(reason: Reason, message?: Message, detail?: string): Verdict {
  return { result: REASONS[reason], reason, ...(message == null ? {} : { message }), ...(detail == null ? {} : { detail }) }
}
