/**
 * What a cycle's messages come to. Pure, and independent of the order in which they came.
 * Spec and proofs: protocols/record/README.md "The tally".
 */
import type { CID } from 'multiformats/cid'
import { Envelope, KIND_NAMES, KINDS, type Kind, type Message, offenceOf, onceKey } from '../wire/index.ts'
import type { Ledger } from './ledger.ts'
import { byStaker, stakerOrder } from './stakers.ts'
import { refutedChallenges, type Weighed, weigh } from './verdicts.ts'

/** The kinds that a record holds, in its order; the others serve to reach agreement on it. */
export const RECORDED_KINDS: readonly Kind[] = KIND_NAMES.filter((kind) => KINDS[kind].recorded)

/** What an offence costs, in ten-thousandths of the stake. All of it together is bounded by the task's largest slash. */
export const SLASHES = {
  /** Provable, so never an accident of the network; but two nodes run by mistake with one key are the usual cause: it hurts without ruining. */
  equivocated: 1_000,
  /** More than a third of all stake found the work invalid: failing costs more than not trying. */
  invalid: 100
} as const

/** What a task may take from one staker in one cycle, in ten-thousandths of its stake, where its account on K2 says nothing else. */
export const LARGEST_SLASH = 1_000

/** What the tally needs to know of the last finalized record. */
export interface PreviousRecord {
  cid: CID
  cycle: number
  /** What it has punished already, by `offenceOf`. */
  offences?: ReadonlySet<string>
}

export interface CycleInputs {
  /** base58. */
  taskId: string
  /** base58. */
  genesisHash: string
  cycle: number
  /** The last finalized record, which may be several cycles back when some were skipped. */
  previous: PreviousRecord | null
  /** Hash of the block of K2 that the cycle's seeds come from: 32 bytes. */
  beacon: Uint8Array
  /** Cumulative, as of `previous`. */
  ledger: Ledger
  /** In ROE by base58 staking key, fixed at the cycle's start. */
  stakes: ReadonlyMap<string, bigint>
  /** All stake of the cycle, in ROE, where some of it has no key that speaks for it; left out, the sum of `stakes`. */
  totalStake?: bigint
  /** Whom a staking key stands for in the ledger, where that is another address: its key was replaced. */
  stakers?: ReadonlyMap<string, string>
  /** The most that the cycle may pay, in ROE. */
  bounty: bigint
  /** The most that one staker may lose in one cycle, in ten-thousandths of its stake. Fixed when the task was created. */
  largestSlash?: number
  /**
   * Verified messages (signatures too, those inside evidence included), in any order; those of other cycles, of
   * unstaked signers and of kinds that are not recorded are passed over.
   */
  messages: readonly Message[]
}

/** `refuted`: it called work invalid that others found valid. It is paid nothing, and never slashed for it. */
export type RejectionReason = 'invalid' | 'unavailable' | 'equivocated' | 'refuted'

export interface Rejection {
  staker: string
  reason: RejectionReason
  /** For people: how much of the stake said so, or what was said twice. */
  detail: string
}

export interface Tally {
  /** One submission for each staker, sorted by staker. */
  accepted: Message[]
  /** Sorted by staker. An equivocator is here also when it made no submission. */
  rejected: Rejection[]
  /** What equivocation and invalid work cost whom, in ROE. */
  slashes: ReadonlyMap<string, bigint>
  /** The messages that count, each once, sorted by kind, signer and id: what the record holds. */
  messages: Message[]
}

export function tally(inputs: CycleInputs): Tally {
  const pool = eligible(inputs)
  const proofs = equivocations(pool, inputs)

  const submissions = new Map(pool.filter((m) => m.kind === 'submission' && !proofs.has(m.signer)).map((m) => [m.signer, m]))
  const verdicts = pool.filter((m) => m.kind === 'verdicts' && !proofs.has(m.signer))
  const weighed = weigh({ submissions, verdicts, stakes: inputs.stakes, total: inputs.totalStake })
  const refuted = refutedChallenges(
    pool.filter((m) => m.kind === 'challenge' && !proofs.has(m.signer)),
    submissions,
    weighed
  )

  const accepted: Message[] = []
  const rejected: Rejection[] = [...proofs].map(([staker, { key }]) => ({
    staker,
    reason: 'equivocated',
    detail: `two different messages where one is allowed (${key})`
  }))
  for (const [staker, submission] of submissions) {
    const rejection = judge(weighed.of.get(staker), weighed.total, refuted.has(staker))
    if (rejection == null) {
      accepted.push(submission)
    } else {
      rejected.push({ staker, ...rejection })
    }
  }
  return {
    accepted: byStaker(accepted, (m) => m.signer),
    rejected: byStaker(rejected, (r) => r.staker),
    slashes: slashesOf(rejected, inputs),
    messages: sorted([
      ...submissions.values(),
      ...weighed.counting,
      ...[...refuted.values()].flatMap((message) => message ?? []),
      ...[...proofs.values()].flatMap(({ messages }) => messages)
    ])
  }
}

/**
 * What becomes of a submission. Never among those who happened to speak: all stake of the cycle is weighed, and silence counts for
 * nothing. *Invalid* is a statement on which honest nodes agree, so the smallest share that the faulty cannot reach is right:
 * a third. *Unavailable* is about one's own network, so it takes half.
 */
function judge(weight: Weighed | undefined, total: bigint, refuted: boolean): Omit<Rejection, 'staker'> | null {
  const { invalid, unavailable, valid } = weight ?? { invalid: 0n, unavailable: 0n, valid: 0n }
  if (3n * invalid > total && invalid > valid) {
    return { reason: 'invalid', detail: `${percent(invalid, total)} of all stake found it invalid, ${percent(valid, total)} valid` }
  }
  if (2n * (invalid + unavailable) > total) {
    return { reason: 'unavailable', detail: `${percent(invalid + unavailable, total)} of all stake could not get its proof` }
  }
  return refuted ? { reason: 'refuted', detail: 'it called work invalid that others found valid' } : null
}

const percent = (part: bigint, total: bigint) => `${(part * 100n) / (total === 0n ? 1n : total)} %`
const stakeOf = (inputs: CycleInputs, staker: string) => inputs.stakes.get(staker) ?? 0n

/** In ROE, of a stake: so many ten-thousandths, rounded down. */
export function partOf(stake: bigint, tenThousandths: number): bigint {
  return (stake * BigInt(tenThousandths)) / 10_000n
}

function slashesOf(rejected: readonly Rejection[], inputs: CycleInputs): Map<string, bigint> {
  const slashes = new Map<string, bigint>()
  for (const { staker, reason } of byStaker(rejected, (r) => r.staker)) {
    if (reason === 'equivocated' || reason === 'invalid') {
      slashes.set(staker, partOf(stakeOf(inputs, staker), Math.min(SLASHES[reason], inputs.largestSlash ?? LARGEST_SLASH)))
    }
  }
  return slashes
}

/** Recorded kinds of this cycle by stakers, each id once, sorted by id. */
function eligible({ cycle, stakes, messages }: CycleInputs): Message[] {
  const unique = new Map<string, Message>()
  for (const message of messages) {
    if (message.body.cycle !== cycle || !isRecorded(message.kind) || (stakes.get(message.signer) ?? 0n) <= 0n) {
      continue
    }
    const before = unique.get(message.id)
    // a signer can make several signatures of one body: the choice must not depend on which came first
    if (before == null || Buffer.compare(message.envelope.signature, before.envelope.signature) < 0) {
      unique.set(message.id, message)
    }
  }
  return [...unique.values()].sort((a, b) => compare(a.id, b.id))
}

interface EquivocationProof {
  /** What was said twice. */
  key: string
  /** The two messages, or the one piece of evidence. */
  messages: Message[]
}

/**
 * The stakers who provably said two things where one is allowed, each with the least that proves it. The record holds
 * that proof and nothing else of theirs, so nobody can swell it by saying ever more different things.
 */
function equivocations(pool: Message[], inputs: CycleInputs): Map<string, EquivocationProof> {
  const proofs = new Map<string, EquivocationProof>()
  const said = new Map<string, Message>()
  // kinds in the record's order, so that two submissions are preferred as proof to two verdicts
  for (const message of sorted(pool)) {
    const key = onceKey(message.body)
    if (key == null || proofs.has(message.signer)) {
      continue
    }
    const before = said.get(`${message.signer}/${key}`)
    if (before == null) {
      said.set(`${message.signer}/${key}`, message)
    } else {
      proofs.set(message.signer, { key: message.kind, messages: [before, message] })
    }
  }
  for (const message of pool) {
    const { evidence } = message
    if (evidence != null && stakeOf(inputs, evidence.offender) > 0n && !proofs.has(evidence.offender) && isDue(evidence, inputs)) {
      proofs.set(evidence.offender, { key: evidence.kind, messages: [message] })
    }
  }
  return proofs
}

/**
 * Whether an offence is this record's to punish. Of what is recorded, the offences since the last finalized cycle, that one
 * included, as some become known too late for its record; of what serves to agree on a record, those of one cycle earlier.
 * What the last record has punished is done with.
 */
function isDue(evidence: NonNullable<Message['evidence']>, { previous, cycle }: CycleInputs): boolean {
  const since = previous == null ? 0 : previous.cycle - (KINDS[evidence.kind].recorded ? 0 : 1)
  return evidence.cycle >= since && evidence.cycle <= cycle && previous?.offences?.has(offenceOf(evidence)) !== true
}

/** What the messages of a finalized record punish, by `offenceOf`: the next one must not again. */
export function offencesIn(messages: readonly Message[], cycle: number): Set<string> {
  const offences = new Set<string>()
  const said = new Set<string>()
  for (const message of messages) {
    if (message.evidence != null) {
      offences.add(offenceOf(message.evidence))
    }
    const key = onceKey(message.body)
    if (key != null && said.has(`${message.signer}/${key}`)) {
      offences.add(offenceOf({ offender: message.signer, kind: message.kind, cycle }))
    }
    said.add(`${message.signer}/${key}`)
  }
  return offences
}

/** Whether a record holds messages of this kind. */
export function isRecorded(kind: Kind): boolean {
  return KINDS[kind].recorded
}

/** Compares by UTF-16 units: the same on every machine, unlike anything that knows a locale. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** The record's order: kind, signer, id. */
export function sorted(messages: readonly Message[]): Message[] {
  return messages
    .map((message) => ({
      message,
      kind: RECORDED_KINDS.indexOf(message.kind),
      signer: stakerOrder(message.signer)
    }))
    .sort((a, b) => a.kind - b.kind || compare(a.signer, b.signer) || compare(a.message.id, b.message.id))
    .map(({ message }) => message)
}

/** The envelope as a record holds it. */
export function envelopeBytes(message: Message): Uint8Array {
  return Envelope.encode(message.envelope)
}
