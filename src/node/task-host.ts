import { CID } from 'multiformats/cid'
import { counted } from '../observe/words.ts'
import type { Audited, AuditLimits, TaskHost, Worked } from '../participant/index.ts'
import {
  createTaskProofs,
  type DeclaredProof,
  declaredFault,
  isInvalidProof,
  type Proofs,
  ProofUnavailableError,
  type ProviderHint,
  type SubmissionBounds
} from '../proofs/index.ts'
import type { SubmissionDraft } from '../rounds/index.ts'
import { ENDINGS, type Outcome, oneLine, type TaskRunner, whyFailed } from '../tasks/index.ts'
import { LIMITS } from '../wire/index.ts'
import { withNote } from './params.ts'

export interface TaskHostInit {
  taskId: string
  runner: TaskRunner
  proofs: Proofs
  /** What the bundle's manifest says of the proofs of a submission: the same at every node, so that who breaks it is wrong. */
  bounds?: SubmissionBounds
  /** What this node takes of one submission's proofs, all together. A submission beyond it is not ours to judge. */
  limits: { maxBytes: number; maxBlocks?: number }
  /** Whether we tell the DHT of a proof of somebody else's that we have fetched. */
  alsoProvide: () => boolean
  /** Goes behind each refusal of the task's audit: what else may explain it. */
  note?: string | undefined
}

/** What the task, a peer or a proof had a say in is shown and logged: one line that only shows. */
const REASON_BYTES = 1000

export function createTaskHost(init: TaskHostInit): TaskHost {
  const host = createHost(init)
  return {
    async work(timing, timeoutMs, ends) {
      const worked = await host.work(timing, timeoutMs, ends)
      return worked.ok ? worked : { ...worked, reason: oneLine(worked.reason, REASON_BYTES) }
    },
    async audit(submission, from, timing, limits) {
      const audited = await host.audit(submission, from, timing, limits)
      return { ...audited, reason: oneLine(audited.reason, REASON_BYTES) }
    }
  }
}

function createHost({ taskId, runner, proofs, bounds = {}, limits, alsoProvide, note }: TaskHostInit): TaskHost {
  /** Has all of a submission's proofs here and kept. @returns what to say when it cannot */
  async function bring(
    roots: Root[],
    from: ProviderHint[],
    cycle: number,
    { fetchMs, totalMs, graceMs = 0, fetchEnds }: AuditLimits
  ): Promise<Audited | null> {
    const started = performance.now()
    for (const root of roots) {
      try {
        // its declaration bounds it, and that is within the bounds of the task
        await proofs.fetch(root.cid, {
          from,
          declared: root.declared,
          timeoutMs: Math.max(1, started + fetchMs + graceMs - performance.now()),
          until: fetchEnds
        })
      } catch (err) {
        if (isInvalidProof(err)) {
          return { finding: 'invalid', reason: err.message }
        }
        return err instanceof ProofUnavailableError
          ? { finding: 'unavailable', reason: notHere(err, fetchMs, totalMs) }
          : abstained(messageOf(err))
      }
      try {
        // kept and served on: a proof that one auditor has read survives its author
        await proofs.pin(root.cid, { task: taskId, cycle, provide: alsoProvide() })
      } catch (err) {
        return abstained(`the proof came and cannot be kept: ${messageOf(err)}`)
      }
    }
    return null
  }

  return {
    async work(timing, timeoutMs, ends) {
      const options = { timeoutMs, ...(ends == null ? {} : { signal: ends }) }
      const worked = await runner.task(timing, options)
      if (!worked.ok) {
        return failed('the task', worked)
      }
      const submitted = await runner.submission(timing, options)
      if (!submitted.ok) {
        return failed('the task’s submission', submitted)
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
          return { ok: false, reason: `the task's proof ${root} cannot be kept: ${messageOf(err)}` }
        }
      }
      const fault = declaredFault(drafts.map(declaredOf), bounds)
      if (fault != null) {
        return { ok: false, reason: `the task's submission would be refused by everybody: ${fault}` }
      }
      return { ok: true, draft: { value: Buffer.from(value), proofs: drafts } }
    },

    async audit(submission, from, timing, times) {
      const { value, proofs: declared } = submission.body.submission!
      const started = performance.now()
      // by the protocol and the manifest alone: nobody is asked for what is wrong already
      const fault = declaredFault(declared.map(declaredOf), bounds)
      if (fault != null) {
        return { finding: 'invalid', reason: fault }
      }
      const bytes = declared.reduce((sum, { size }) => sum + size, 0)
      const blocks = declared.reduce((sum, proof) => sum + proof.blocks, 0)
      if (bytes > limits.maxBytes || blocks > (limits.maxBlocks ?? Number.POSITIVE_INFINITY)) {
        return abstained(
          `proofs of ${counted(bytes, 'byte')} in ${counted(blocks, 'block')} are more than this node takes (${limits.maxBytes} bytes): raise its quota`
        )
      }
      const roots = declared.map((proof) => ({ cid: CID.decode(proof.cid), declared: declaredOf(proof) }))
      const missing = await bring(roots, from, timing.cycle, times)
      if (missing != null) {
        return missing
      }
      const reader = createTaskProofs(proofs, { roots: () => roots.map(({ cid }) => cid) })
      const audited = await runner.audit(
        { staker: submission.signer, value: Buffer.from(value).toString('utf8'), proofs: roots.map(({ cid }) => cid.toString()) },
        timing,
        reader,
        {
          timeoutMs: Math.max(1, started + times.totalMs + (times.graceMs ?? 0) - performance.now()),
          ...(times.ends == null ? {} : { signal: times.ends })
        }
      )
      if (!audited.ok) {
        // the runner alone knows whose doing it was (src/tasks/endings.ts)
        return {
          finding: audited.accuses === true ? 'invalid' : 'abstained',
          reason: `the task's audit ${whyFailed(audited)}`,
          ...(isLater(audited) ? { notYet: true } : {}),
          ...(isOutOfTime(audited) ? { timedOut: true } : {})
        }
      }
      return audited.value.valid
        ? { finding: 'valid', reason: '' }
        : { finding: 'invalid', reason: withNote(audited.value.reason ?? 'the task’s audit refused it', note, LIMITS.reasonBytes) }
    }
  }
}

type Failed = Extract<Outcome<never>, { ok: false }>

interface Root {
  cid: CID
  declared: DeclaredProof
}

const declaredOf = ({ size, blocks }: { size: number; blocks: number }): DeclaredProof => ({ sizeBytes: size, blocks })
const isLater = ({ ending }: Failed): boolean => ending != null && ENDINGS[ending].work === 'later'
/** By its limit in ms, or by the slot that ends it. */
const isOutOfTime = ({ ending }: Failed): boolean => ending === 'timeout' || ending === 'aborted'
const failed = (what: string, outcome: Failed): Worked => ({
  ok: false,
  reason: `${what} ${whyFailed(outcome)}`,
  ...(isLater(outcome) ? { notYet: true } : {}),
  ...(isOutOfTime(outcome) ? { timedOut: true } : {})
})
const abstained = (reason: string): Audited => ({ finding: 'abstained', reason })
const messageOf = (err: unknown): string => (err instanceof Error ? err.message : String(err))

/** A reason has one short line on the wire: the CID is in the submission already, so what it says is the times and who was asked. */
function notHere({ facts }: ProofUnavailableError, fetchMs: number, totalMs: number): string {
  const { blocks, known, providers } = facts
  const asked = Array.isArray(providers) && providers.length > 0 ? `Asked: ${providers.join('; ')}` : 'No peer is known to have it'
  return `not here in time: ${Math.round(fetchMs)} ms to fetch, ${Math.round(totalMs)} in all (${blocks} of ${counted(Number(known), 'block')}). ${asked}`
}
