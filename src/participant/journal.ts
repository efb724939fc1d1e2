import type { EventName, EventOf, NodeEvent } from '../observe/index.ts'
import type { CycleEntry, CycleLog, CyclePhases } from '../store/index.ts'

/** Audits of a cycle that are kept one by one; more are counted. */
export const MAX_AUDITS = 32
const MAX_CHALLENGERS = 32

type Taken = { [Name in EventName]?: (event: EventOf<Name>, phases: CyclePhases) => CycleEntry | undefined }

const at = (slot: Partial<CyclePhases>): CycleEntry => ({ phases: slot })

/** What of an event is kept with its cycle. */
const TAKEN: Taken = {
  submitted: ({ slot, proofs }) => ({ proofs, ...at({ submittedSlot: slot }) }),
  missed: ({ slot, reason }) => ({ missed: reason, ...at({ missedSlot: slot }) }),
  audited: ({ slot, subject, finding, reason, purpose }, { audits = [], auditCount = 0 }) =>
    at({
      audits: audits.length < MAX_AUDITS ? [...audits, { slot, subject, finding, reason, purpose }] : audits,
      auditCount: auditCount + 1
    }),
  challenged: ({ node, subject, by }, { challengedBy = [] }) =>
    subject === node && challengedBy.length < MAX_CHALLENGERS ? at({ challengedBy: [...challengedBy, by] }) : undefined,
  proposed: (_, { proposals = 0 }) => at({ proposals: proposals + 1 }),
  approved: ({ slot }) => at({ approvedSlot: slot }),
  agreed: ({ slot, cid }) => at({ agreedSlot: slot, agreed: cid }),
  refused: ({ reason }) => at({ noAgreement: `refused: ${reason}` }),
  'build-failed': ({ reason }) => at({ noAgreement: reason }),
  'not-yet': ({ what, reason }) => (what === 'record' || what === 'proposal' ? at({ noAgreement: reason }) : undefined),
  'vote-handed-over': ({ slot }) => at({ handedOverSlot: slot }),
  voted: ({ slot, root, signature }) => ({ voted: root, ...at({ votedSlot: slot, signature }) }),
  'vote-lost': ({ slot, reason }) => ({ voteLost: reason, ...at({ voteLostSlot: slot }) }),
  finalized: ({ slot, record }) => ({ record, ...at({ finalizedSlot: slot }) }),
  settled: ({ slot }) => at({ settledSlot: slot }),
  skipped: ({ reason }) => ({ skipped: reason }),
  closed: ({ slot }) => at({ closedSlot: slot })
}

/** Keeps with each cycle what events tell of it, so that it can be asked for later, after a restart too. */
export function keepInLog(cycles: CycleLog, task: string): (event: NodeEvent) => void {
  return (event) => {
    const take = TAKEN[event.event] as ((event: NodeEvent, phases: CyclePhases) => CycleEntry | undefined) | undefined
    if (take == null || event.cycle == null) {
      return
    }
    const before = cycles.get(task, event.cycle)?.phases ?? {}
    const taken = take(event, before)
    if (taken != null) {
      cycles.merge(task, event.cycle, { ...taken, phases: { ...before, ...taken.phases } })
    }
  }
}
