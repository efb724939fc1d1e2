import { type Finding, type Message, onceKey } from '../wire/index.ts'
import { type CycleSchedule, scheduleFor } from './parameters.ts'
import type { AuditPurpose, Base, RecordFacts, RoundsInit, StakeSet, SubmissionDraft } from './types.ts'

export interface AuditState {
  running: boolean
  purpose: AuditPurpose
  /** The response that the last audit was made with: a later one is worth a second look. */
  response: string | null
  result: { finding: Finding | 'abstained'; reason: string } | null
}

export type Check =
  | { state: 'checking' }
  | { state: 'right' | 'incomplete'; record: RecordFacts; reason?: string | undefined }
  | { state: 'wrong' | 'unreadable'; reason: string }

/** Everything that a node knows of one cycle. */
export interface CycleState {
  cycle: number
  schedule: CycleSchedule
  stakes: StakeSet | null
  base: Base | null
  asked: { stakes: boolean; base: boolean }
  /** Every message that counts for the record, by id, with the slot in which we first had it. */
  messages: Map<string, { message: Message; slot: number }>
  /** The first message under each (signer, once-key): a second, different one is equivocation. */
  first: Map<string, Message>
  equivocators: Set<string>
  work: 'idle' | 'running' | 'done' | 'failed'
  draft: SubmissionDraft | null
  submitted: boolean
  audits: Map<string, AuditState>
  sampled: boolean
  challenged: Set<string>
  responses: Map<string, Message>
  verdicts: Set<string>
  /** Own record, by the key of the messages that it was built from. */
  build:
    | { key: string; state: 'building' }
    | { key: string; state: 'built'; record: RecordFacts }
    | { key: string; state: 'failed'; reason: string }
    | null
  checks: Map<string, Check>
  /** Who approved which record, by CID: one approval counts for its signer and record, whatever the attempt. */
  approvals: Map<string, Set<string>>
  /** Attempts whose proposal was told of. */
  proposed: Set<number>
  approvedAttempts: Set<number>
  refusedAttempts: Set<number>
  votedFor: string | null
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
    work: 'idle',
    draft: null,
    submitted: false,
    audits: new Map(),
    sampled: false,
    challenged: new Set(),
    responses: new Map(),
    verdicts: new Set(),
    build: null,
    checks: new Map(),
    approvals: new Map(),
    proposed: new Set(),
    approvedAttempts: new Set(),
    refusedAttempts: new Set(),
    votedFor: null
  }
}

/** Whether we have a say in this cycle; false too while K2 has not told us. */
export function staked(init: RoundsInit, state: CycleState): boolean {
  return (state.stakes?.weights.get(init.self) ?? 0n) > 0n
}

/** The submissions that stand: one for each staker that did not equivocate. */
export function standing(state: CycleState): Message[] {
  return [...state.first.values()].filter((message) => message.kind === 'submission' && !state.equivocators.has(message.signer))
}

/** Where a message that may exist once is kept. */
export function firstKey(message: Message): string | null {
  const key = onceKey(message.body)
  return key == null ? null : `${message.signer}/${key}`
}
