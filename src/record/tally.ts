/**
 * What a cycle's messages come to. Pure, and independent of the order in which they came.
 * Spec: protocols/record/README.md "The tally".
 *
 * How many faults it bears: an honest submission is accepted when the honest stake without its submitter's outweighs
 * the faulty stake. With less than 1/3 of the stake faulty and no single staker above 1/3, that always holds; and a
 * bad one that was challenged is rejected likewise. One staker above 1/3 could be outvoted while its work is right.
 */
import type { CID } from 'multiformats/cid'
import {
  Envelope,
  type Finding,
  findingOf,
  type Kind,
  type Message,
  type Network,
  networkOf,
  onceKey,
  openEvidence
} from '../wire/index.ts'
import type { Ledger } from './ledger.ts'
import { byStaker, stakerOrder } from './stakers.ts'

/** The kinds that a record holds, in its order; the others serve to reach agreement on it. */
export const RECORDED_KINDS = ['submission', 'challenge', 'response', 'verdict', 'equivocation'] as const satisfies readonly Kind[]

/**
 * Equivocation costs 1/10 of the stake (integer division): it is provable, so never an accident of the network, but
 * two nodes run by mistake with one key are the usual cause, and a tenth hurts without ruining them.
 */
export const EQUIVOCATION_SLASH = { numerator: 1n, denominator: 10n } as const

export interface CycleInputs {
  /** base58. */
  taskId: string
  /** base58. */
  genesisHash: string
  cycle: number
  /** The last finalized record, which may be several cycles back when some were skipped. */
  previous: { cid: CID; cycle: number } | null
  /** Cumulative, as of `previous`. */
  ledger: Ledger
  /** In ROE by base58 staking key, fixed at the cycle's start. */
  stakes: ReadonlyMap<string, bigint>
  /** Whom a staking key stands for in the ledger, where that is another address: its key was replaced. */
  stakers?: ReadonlyMap<string, string>
  /** The most that the cycle may pay, in ROE. */
  bounty: bigint
  /**
   * Verified messages (signatures too, those inside evidence included), in any order; those of other cycles, of
   * unstaked signers and of kinds that are not recorded are passed over.
   */
  messages: readonly Message[]
}

export type RejectionReason = 'invalid' | 'unavailable' | 'equivocated'

export interface Rejection {
  staker: string
  reason: RejectionReason
  /** For people: the reason that most of the verdicts gave, or what was said twice. */
  detail: string
}

export interface Tally {
  /** One submission for each staker, sorted by staker. */
  accepted: Message[]
  /** Sorted by staker. An equivocator is here also when it made no submission. */
  rejected: Rejection[]
  /** What equivocation costs whom, in ROE. */
  slashes: ReadonlyMap<string, bigint>
  /** The messages that count, each once, sorted by kind, signer and id: what the record holds. */
  messages: Message[]
}

export function tally(inputs: CycleInputs): Tally {
  const network = networkOf(inputs.genesisHash, inputs.taskId)
  const pool = eligible(inputs)
  const proofs = equivocations(pool, inputs, network)

  const submissions = new Map(pool.filter((m) => m.kind === 'submission' && !proofs.has(m.signer)).map((m) => [m.id, m]))
  const counted = pool.filter((m) => !proofs.has(m.signer) && m.kind !== 'equivocation' && concernsOneOf(submissions, m))
  const verdicts = Map.groupBy(
    counted.filter((m) => m.kind === 'verdict'),
    (m) => hex(m.body.verdict!.submission)
  )

  const accepted: Message[] = []
  const rejected: Rejection[] = [...proofs].map(([staker, { key }]) => ({
    staker,
    reason: 'equivocated',
    detail: `two different messages where one is allowed (${key})`
  }))
  for (const submission of submissions.values()) {
    const rejection = judge(verdicts.get(submission.id) ?? [], inputs.stakes)
    if (rejection == null) {
      accepted.push(submission)
    } else {
      rejected.push({ staker: submission.signer, ...rejection })
    }
  }

  const slashes = new Map<string, bigint>()
  for (const staker of byStaker(proofs.keys(), (s) => s)) {
    slashes.set(staker, (stakeOf(inputs, staker) * EQUIVOCATION_SLASH.numerator) / EQUIVOCATION_SLASH.denominator)
  }
  return {
    accepted: byStaker(accepted, (m) => m.signer),
    rejected: byStaker(rejected, (r) => r.staker),
    slashes,
    messages: sorted([...counted, ...[...proofs.values()].flatMap(({ messages }) => messages)])
  }
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const stakeOf = (inputs: CycleInputs, staker: string) => inputs.stakes.get(staker) ?? 0n

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
function equivocations(pool: Message[], inputs: CycleInputs, network: Network): Map<string, EquivocationProof> {
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
    const evidence = message.kind === 'equivocation' ? evidenceOf(message, network) : null
    if (evidence != null && stakeOf(inputs, evidence.offender) > 0n && !proofs.has(evidence.offender)) {
      proofs.set(evidence.offender, { key: evidence.kind, messages: [message] })
    }
  }
  return proofs
}

/** Whom a piece of evidence convicts, and by which two messages; null when it does not hold. Signatures are the caller's to check. */
export function evidenceOf(message: Message, network: Network): { offender: string; kind: Kind; halves: [Message, Message] } | null {
  let halves: [Message, Message]
  try {
    halves = openEvidence(message.body.equivocation ?? {}, network)
  } catch {
    return null
  }
  const [first, second] = halves
  const key = onceKey(first.body)
  const holds =
    key != null &&
    key === onceKey(second.body) &&
    first.signer === second.signer &&
    first.body.cycle === message.body.cycle &&
    second.body.cycle === message.body.cycle &&
    first.id !== second.id
  return holds ? { offender: first.signer, kind: first.kind, halves } : null
}

/** Whether a message says something about a submission that stands, and is its signer's to say. */
function concernsOneOf(submissions: ReadonlyMap<string, Message>, message: Message): boolean {
  const { challenge, response, verdict } = message.body
  if (message.kind === 'submission') {
    return submissions.has(message.id)
  }
  const submission = submissions.get(hex((challenge ?? response ?? verdict)!.submission))
  if (submission == null) {
    return false
  }
  if (response != null) {
    return message.signer === submission.signer
  }
  const aboutIt = Buffer.from((challenge ?? verdict)!.subject).equals(submission.envelope.signer)
  return aboutIt && message.signer !== submission.signer // nobody judges its own work
}

/** Why a submission is rejected, or null when it is accepted: by the stake behind the verdicts. */
function judge(verdicts: Message[], stakes: ReadonlyMap<string, bigint>): { reason: 'invalid' | 'unavailable'; detail: string } | null {
  const weight: Record<Finding, bigint> = { valid: 0n, invalid: 0n, unavailable: 0n }
  for (const { signer, body } of verdicts) {
    weight[findingOf(body.verdict!.finding)!] += stakes.get(signer) ?? 0n
  }
  if (weight.invalid + weight.unavailable <= weight.valid) {
    return null
  }
  const reason = weight.unavailable > weight.invalid ? 'unavailable' : 'invalid'
  const texts = verdicts.filter(({ body }) => findingOf(body.verdict!.finding) === reason).map(({ body }) => body.verdict!.reason)
  return { reason, detail: mostCommon(texts) }
}

function mostCommon(texts: string[]): string {
  const groups = [...Map.groupBy(texts, (text) => text)].map(([text, same]) => ({ text, count: same.length }))
  return groups.sort((a, b) => b.count - a.count || compare(a.text, b.text))[0]?.text ?? ''
}

/** Whether a record holds messages of this kind. */
export function isRecorded(kind: Kind): boolean {
  return (RECORDED_KINDS as readonly Kind[]).includes(kind)
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
      kind: (RECORDED_KINDS as readonly Kind[]).indexOf(message.kind),
      signer: stakerOrder(message.signer)
    }))
    .sort((a, b) => a.kind - b.kind || compare(a.signer, b.signer) || compare(a.message.id, b.message.id))
    .map(({ message }) => message)
}

/** The envelope as a record holds it. */
export function envelopeBytes(message: Message): Uint8Array {
  return Envelope.encode(message.envelope)
}
