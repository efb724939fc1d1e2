import type { Timing } from '../clock/index.ts'
import type { Body, Finding, Message, Network } from '../wire/index.ts'

/** The stake of every staker as it was at the start of a cycle: fixed, whoever reads it when (TARGETS E2). */
export interface StakeSet {
  /** By the key that speaks for the stake in this cycle. */
  weights: ReadonlyMap<string, bigint>
  /** Whom such a key stands for, where it took over from another: the ledger knows a staker by the key that staked first. */
  stakers?: ReadonlyMap<string, string>
  total: bigint
}

/** What a cycle's record builds on: known once the cycle before has been finalized or skipped. */
export interface Base {
  /** The last finalized record, as K2 has it. */
  previous: { cid: string; cycle: number } | null
  /** The most that the cycle may pay, in ROE. */
  bounty: bigint
  /** Hash of the block of K2 that decides who proposes: 32 bytes. */
  beacon: Uint8Array
}

/** A record as its checkers know it. */
export interface RecordFacts {
  cid: string
  root: Uint8Array
  totalRewards: bigint
}

export interface SubmissionDraft {
  /** UTF-8, at most 512 bytes. */
  value: Uint8Array
  proofs: Array<{ cid: Uint8Array; size: number; blocks: number }>
}

export type RoundsEvent =
  /** `connected`: whether a staked peer is; left out it counts as yes. Who hears nobody cannot say what came late. */
  | { type: 'slot'; slot: number; connected?: boolean; back?: boolean }
  /** The stake set of `cycle`, from K2. */
  | { type: 'stakes'; cycle: number; stakes: StakeSet }
  /** What the record of `cycle` builds on, from K2, read inside its distribution window. */
  | { type: 'base'; cycle: number; base: Base }
  /** K2 has a quorum for a record of the cycle: there is nothing left to agree on. */
  | { type: 'finalized'; cycle: number }
  /** Before this slot the node says nothing: its key may have spoken elsewhere. Infinity: never again. */
  | { type: 'silent-until'; slot: number }
  /** The task is closed: nothing is done in this cycle and those after it. */
  | { type: 'closed-from'; cycle: number }
  /** A verified message: shape, signer's stake, window, quota and signature were checked (src/gossip). */
  | { type: 'message'; message: Message; slot: number }
  /** `notYet`, here and below: what is needed is not here yet, and was not refused; it is asked for again while the window lasts. */
  | { type: 'worked'; cycle: number; outcome: { ok: true; draft: SubmissionDraft } | { ok: false; reason: string; notYet?: boolean } }
  /** `abstained`: the audit could not be done through our own fault; it says nothing about the submission. */
  | { type: 'audited'; cycle: number; submission: string; finding: Finding | 'abstained'; reason: string; notYet?: boolean }
  /** Signs of life: who was asked for one, and who has given it. May come in parts. */
  | { type: 'probed'; cycle: number; asked: readonly string[]; answered: readonly string[] }
  | {
      type: 'built'
      cycle: number
      key: string
      result: { ok: true; record: RecordFacts } | { ok: false; reason: string; notYet?: boolean }
    }
  | { type: 'checked'; cycle: number; cid: string; result: CheckResult }
  /** Something that may have been waited for is here: the bundle, or a peer. */
  | { type: 'arrived' }

/**
 * `wrong`: it does not recompute, and nothing makes us vote for it. `incomplete`: it lacks a message that we had in
 * time, or pays for one that came to us too late; others may have heard otherwise.
 */
export type CheckResult =
  | { verdict: 'right'; record: RecordFacts }
  | { verdict: 'incomplete'; record: RecordFacts; reason: string }
  | { verdict: 'wrong'; reason: string }
  /** `notYet`: it, or what it builds on, has not come. */
  | { verdict: 'unreadable'; reason: string; notYet?: boolean }

export type AuditPurpose = 'sample' | 'challenge'

export type RoundsEffect =
  | { type: 'need-stakes'; cycle: number }
  | { type: 'need-base'; cycle: number }
  | { type: 'work'; cycle: number; deadlineSlot: number }
  /** Sign, persist and gossip; what cannot be signed is dropped. */
  | { type: 'publish'; body: Body }
  /** The proof has until `fetchBySlot` to come, and the task's audit until `deadlineSlot` to judge it. */
  | { type: 'audit'; cycle: number; submission: Message; purpose: AuditPurpose; fetchBySlot: number; deadlineSlot: number }
  /** Ask these stakers, whose proofs are missing, and all others that are connected for a sign of life. */
  | { type: 'probe'; cycle: number; stakers: string[] }
  | { type: 'build'; cycle: number; key: string; messages: Message[]; stakes: StakeSet; base: Base }
  /** Fetch a record, from those who vouch for it or anybody, and recompute it. */
  | {
      type: 'check'
      cycle: number
      cid: string
      /** Staking keys of who proposed or approved it. */
      vouchers: string[]
      /** All that we know of the cycle. */
      messages: Message[]
      mustHave: ReadonlySet<string>
      timely: ReadonlySet<string> | null
      stakes: StakeSet
      base: Base
      deadlineSlot: number
    }
  | { type: 'vote'; cycle: number; record: RecordFacts }
  /** What became of something, for the operator: one event a line. */
  | { type: 'note'; cycle: number; note: Note }
  /** The cycle's last window has passed. `skipped`: why K2 has no record of it, as far as is known; K2 may have one all the same. */
  | { type: 'closed'; cycle: number; skipped: string | null }

export type Note =
  /** `proofs` are their CIDs. */
  | { event: 'submitted'; value: string; proofs: string[] }
  | { event: 'missed'; stage: 'work' | 'submission'; reason: string }
  | { event: 'audited'; subject: string; finding: Finding | 'abstained'; reason: string; purpose: AuditPurpose }
  | { event: 'challenged'; subject: string; by: string; finding: Finding; reason: string }
  | { event: 'equivocated'; staker: string; key: string }
  | { event: 'proposed'; cid: string; attempt: number; by: string }
  | { event: 'refused'; cid: string; attempt: number; reason: string }
  | { event: 'approved'; cid: string; attempt: number }
  | { event: 'agreed'; cid: string; approvals: number }
  | { event: 'build-failed'; reason: string }
  /** It is tried again. */
  | { event: 'not-yet'; what: 'work' | 'audit' | 'record' | 'proposal'; reason: string }

export interface RoundsInit {
  /** Our staking key, base58. */
  self: string
  network: Network
  timing: Timing
  /** Private and unpredictable: a submitter able to predict its auditors could serve only them. */
  random: () => number
  /** Who proposes the record of (cycle, attempt); src/record has the rule. */
  proposer: (facts: { stakes: StakeSet; base: Base; cycle: number; attempt: number }) => string | null
}
