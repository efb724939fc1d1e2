import { CID } from 'multiformats/cid'
import { createTaskProofs, isInvalidProof, type Proofs, ProofUnavailableError, type ProviderHint } from '../proofs/index.ts'
import type { SubmissionDraft } from '../rounds/index.ts'
import type { CycleTiming, TaskRunner } from '../tasks/index.ts'
import { type Finding, LIMITS, type Message } from '../wire/index.ts'

export interface TaskHostInit {
  taskId: string
  runner: TaskRunner
  proofs: Proofs
  /** Bounds on a proof that a task may ask auditors to fetch. */
  limits: { maxBytes: number; maxBlocks: number }
  /** Whether we tell the DHT of a proof of somebody else's that we have fetched. */
  alsoProvide: () => boolean
}

export type Worked = { ok: true; draft: SubmissionDraft } | { ok: false; reason: string }
export interface Audited {
  finding: Finding | 'abstained'
  reason: string
}

/** Between the rounds and the task: does the work of a cycle, and audits what others submitted. */
export interface TaskHost {
  work(timing: CycleTiming, timeoutMs: number): Promise<Worked>
  /**
   * @param from who may have the proof, the submitter first
   * @param limits how long the proof may take to come, and how long all of it may take, in ms from now
   */
  audit(submission: Message, from: ProviderHint[], timing: CycleTiming, limits: { fetchMs: number; totalMs: number }): Promise<Audited>
}

/**
 * What the bundle's audit does to itself over a submission is the submission's fault only when it happens to every
 * honest auditor alike: it broke the process. Everything else may be our machine's.
 */
const BREAKS_AUDIT = new Set(['crashed', 'out-of-memory'])

export function createTaskHost({ taskId, runner, proofs, limits, alsoProvide }: TaskHostInit): TaskHost {
  return {
    async work(timing, timeoutMs) {
      const worked = await runner.task(timing, { timeoutMs })
      if (!worked.ok) {
        return { ok: false, reason: `the task ${worked.reason}: ${worked.detail}` }
      }
      const submitted = await runner.submission(timing, { timeoutMs })
      if (!submitted.ok) {
        return { ok: false, reason: `the task's submission ${submitted.reason}: ${submitted.detail}` }
      }
      if (submitted.value == null) {
        return { ok: false, reason: 'the task had nothing to submit' }
      }
      const { value, proofs: roots } = submitted.value
      if (roots.length > LIMITS.proofs) {
        return { ok: false, reason: `the task gave ${roots.length} proofs, at most ${LIMITS.proofs} fit a submission` }
      }
      const drafts: SubmissionDraft['proofs'] = []
      for (const root of roots) {
        try {
          const { sizeBytes, blocks } = await proofs.pin(root, { task: taskId, cycle: timing.cycle })
          drafts.push({ cid: CID.parse(root).bytes, size: sizeBytes, blocks })
        } catch (err) {
          return { ok: false, reason: `the task's proof ${root} cannot be kept: ${err instanceof Error ? err.message : String(err)}` }
        }
      }
      return { ok: true, draft: { value: Buffer.from(value), proofs: drafts } }
    },

    async audit(submission, from, timing, { fetchMs, totalMs }) {
      const { value, proofs: declared } = submission.body.submission!
      const started = performance.now()
      const roots = declared.map(({ cid, size, blocks }) => ({ cid: CID.decode(cid), declared: { sizeBytes: size, blocks } }))
      for (const root of roots) {
        try {
          await proofs.fetch(root.cid, {
            from,
            declared: root.declared,
            limits,
            timeoutMs: Math.max(1, started + fetchMs - performance.now())
          })
          // kept and served on: a proof that one auditor has read survives its author
          await proofs.pin(root.cid, { task: taskId, cycle: timing.cycle, provide: alsoProvide() })
        } catch (err) {
          if (isInvalidProof(err)) {
            return { finding: 'invalid', reason: err.message }
          }
          if (err instanceof ProofUnavailableError) {
            return { finding: 'unavailable', reason: notHere(err, fetchMs, totalMs) }
          }
          return { finding: 'abstained', reason: err instanceof Error ? err.message : String(err) }
        }
      }
      const reader = createTaskProofs(proofs, { roots: () => roots.map(({ cid }) => cid) })
      const audited = await runner.audit(
        { staker: submission.signer, value: Buffer.from(value).toString('utf8'), proofs: roots.map(({ cid }) => cid.toString()) },
        timing,
        reader,
        { timeoutMs: Math.max(1, started + totalMs - performance.now()) }
      )
      if (!audited.ok) {
        const reason = `the task's audit ${audited.reason}: ${audited.detail}`
        return { finding: BREAKS_AUDIT.has(audited.reason) ? 'invalid' : 'abstained', reason }
      }
      return audited.value.valid
        ? { finding: 'valid', reason: '' }
        : { finding: 'invalid', reason: audited.value.reason ?? 'the task’s audit refused it' }
    }
  }
}

/** A reason has one short line on the wire: the CID is in the submission already, so what it says is the times and who was asked. */
function notHere({ facts }: ProofUnavailableError, fetchMs: number, totalMs: number): string {
  const { blocks, known, providers } = facts
  const asked = Array.isArray(providers) && providers.length > 0 ? `Asked: ${providers.join('; ')}` : 'No peer is known to have it'
  return `not here in time: the round gives ${Math.round(fetchMs)} ms to fetch, ${Math.round(totalMs)} in all (${blocks} of ${known} blocks came). ${asked}`
}
