import { type CycleSchedule, scheduleFor } from '../clock/index.ts'
import { type Finding, KINDS, type Message, offenceOf, onceKey } from '../wire/index.ts'
import type { Quorums } from './quorums.ts'
import { createQuorums } from './quorums.ts'
import type { AuditPurpose, Base, RecordFacts, RoundsInit, StakeSet, SubmissionDraft } from './types.ts'

/** What is needed is not here yet: when it is asked for again. */
export interface Retry {
  /** How often it was tried so far. */
  tries: number
  /** Not before this slot; infinity while it is being tried. */
  slot: number
  reason: string
}

export interface AuditState {
  running: boolean
  /** The slot in which the look that runs, or the last one, began. */
  since: number
  /** The slot by which its proof must be here. */
  untilSlot: number
  /** The slot in which it was over; infinity while it runs. */
  endedSlot: number
  /** Whether somebody was asked for a sign of life, or a slot began, since it found nothing: then all that ended with it has told. */
  confirmed: boolean
  purpose: AuditPurpose
  /** Whether we have looked again, after a response or when all challenges were in. */
  again: boolean
  /** Whether this look goes on until *unavailable* is final. */
  thorough: boolean
  result: { finding: Finding | 'abstained'; reason: string } | null
  /** The last slot in which something may be found. */
  deadlineSlot: number
  /** Set when the look could not be made yet. */
  retry: Retry | null
}

/** A challenge that asks us to look: the how-manieth of its signer it is. */
export interface Contest {
  submission: string
  challenger: string
  nth: number
}

export type Check =
  | { state: 'checking'; retry?: Retry }
  | { state: 'right' | 'incomplete'; record: RecordFacts; reason?: string | undefined }
  | { state: 'wrong' | 'unreadable'; reason: string }
  | { state: 'waiting'; retry: Retry }

/** Everything that a node knows of one cycle. */
export interface CycleState {
  cycle: number
  schedule: CycleSchedule
  stakes: StakeSet | null
  base: Base | null
  asked: { stakes: boolean; base: boolean }
  /** Every message by id, with the slot in which we first had it. */
  messages: Map<string, { message: Message; slot: number }>
  /** The first message under each (signer, once-key): a second, different one is equivocation. */
  first: Map<string, Message>
  equivocators: Set<string>
  /** Evidence whose place is in this cycle's record, by offence, with the slot in which we first had it. */
  evidence: Map<string, { message: Message; slot: number }>
  /** Whether we could not hear what was submitted while it still counted: then we object to nothing as late. */
  deaf: boolean
  /** Whether no staked peer was connected at some time since the auditors drew: then a proof that does not come is our own affair. */
  alone: boolean
  work: 'idle' | 'running' | 'done' | 'failed'
  /** The last run of slots, while there was work to do or to hand in, that K2 did not show: it was away. */
  unseen: { from: number; to: number } | null
  /** Set when the work could not be done yet. */
  workRetry: Retry | null
  draft: SubmissionDraft | null
  submitted: boolean
  audits: Map<string, AuditState>
  /** Who was asked for a sign of life while proofs were missing, when each gave one last, and when we asked last. */
  life: { asked: Set<string>; answered: Map<string, number>; probedSlot: number }
  sampled: boolean
  /** Those that wait for a look: each is gone over with each message, while one may begin. */
  contests: Contest[]
  /** How many challenges of each signer were heeded. */
  challengesOf: Map<string, number>
  /** Ids of the submissions that somebody spoke against in time. */
  contested: Set<string>
  /** Those that we have challenged ourselves. */
  accused: Set<string>
  /** Who was refuted, once somebody has asked. */
  refuted: ReadonlySet<string> | null
  responded: boolean
  /** Whether our verdicts are said: there is one message for all of them. */
  spoken: boolean
  /** Raised by whatever changes what a record would be built from. */
  version: number
  /** Own record, and the version that it was built from. */
  build:
    | { key: string; state: 'building'; retry?: Retry }
    | { key: string; state: 'waiting'; retry: Retry }
    | { key: string; state: 'built'; record: RecordFacts }
    | { key: string; state: 'failed'; reason: string }
    | null
  /** Attempts of ours in which it was built. */
  builtIn: Set<number>
  checks: Map<string, Check>
  /** The attempt that runs. */
  attempt: number
  quorums: Quorums
  /** Who proposes in an attempt: asked once, as each message of the cycle wants to know. */
  proposers: Map<number, string | null>
  /** Attempts whose proposal was told of, or made. */
  proposed: Set<number>
  approvedAttempts: Set<number>
  refusedAttempts: Set<number>
  votedFor: string | null
  /** K2 has its result. */
  finalized: boolean
}

export function newCycle(init: RoundsInit, cycle: number): CycleState {
  return {
    cycle,
    schedule: scheduleFor(init.timing, cycle),
    stakes: null,
    base: null,
    asked: { stakes: false, base: false },
    messages: new Map(),
    first: new Map(),
    equivocators: new Set(),
    evidence: new Map(),
    deaf: false,
    alone: false,
    work: 'idle',
    unseen: null,
    workRetry: null,
    draft: null,
    submitted: false,
    audits: new Map(),
    life: { asked: new Set(), answered: new Map(), probedSlot: Number.NEGATIVE_INFINITY },
    sampled: false,
    contests: [],
    challengesOf: new Map(),
    contested: new Set(),
    accused: new Set(),
    refuted: null,
    responded: false,
    spoken: false,
    version: 0,
    build: null,
    builtIn: new Set(),
    checks: new Map(),
    attempt: -1,
    quorums: createQuorums(),
    proposers: new Map(),
    proposed: new Set(),
    approvedAttempts: new Set(),
    refusedAttempts: new Set(),
    votedFor: null,
    finalized: false
  }
}

/**
 * Forgets what K2 told of cycles, and what was made of it: while the clock followed a lie it was asked too early. It is asked for
 * again when its time comes.
 */
export function unlearn(states: Iterable<CycleState>): void {
  for (const state of states) {
    state.stakes = null
    state.base = null
    state.asked = { stakes: false, base: false }
    state.finalized = false
    state.refuted = null
    state.proposers.clear()
    // what is being built is not taken for what is built anew
    state.version++
    state.build = null
    state.builtIn.clear()
    state.checks.clear()
    state.attempt = -1
  }
}

/** Whether we have a say in this cycle; false too while K2 has not told us. */
export function staked(init: RoundsInit, state: CycleState): boolean {
  return stakeIn(state, init.self) > 0n
}

export function stakeIn(state: CycleState, key: string): bigint {
  return state.stakes?.weights.get(key) ?? 0n
}

/** The submissions that stand and were heard before `slot`, if one is given: one for each staker that did not equivocate. */
export function standing(state: CycleState, slot = Number.POSITIVE_INFINITY): Message[] {
  return [...state.first.values()].filter(
    (message) => message.kind === 'submission' && !state.equivocators.has(message.signer) && heardBefore(state, message.id, slot)
  )
}

/** The standing submission of a staker, or undefined. */
export function submissionOf(state: CycleState, staker: string): Message | undefined {
  return state.equivocators.has(staker) ? undefined : state.first.get(`${staker}/submission`)
}

export function heardBefore(state: CycleState, id: string, slot: number): boolean {
  return (state.messages.get(id)?.slot ?? Number.POSITIVE_INFINITY) < slot
}

/** Where a message that may exist once is kept. */
export function firstKey(message: Message): string | null {
  const key = onceKey(message.body)
  return key == null ? null : `${message.signer}/${key}`
}

/** Takes evidence in: who submitted or judged twice says nothing that counts. */
export function convict(state: CycleState, message: Message, slot: number): void {
  const { evidence } = message
  if (evidence == null) {
    return
  }
  const offence = offenceOf(evidence)
  if (!state.evidence.has(offence)) {
    state.evidence.set(offence, { message, slot })
  }
  if (KINDS[evidence.kind].recorded && evidence.cycle === state.cycle) {
    state.equivocators.add(evidence.offender)
  }
}
