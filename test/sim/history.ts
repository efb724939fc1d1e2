/** What happened in a run, for the checker and for whoever reads a failure. */
import type { StakeSet } from '../../src/rounds/index.ts'
import type { Message } from '../../src/wire/index.ts'
import type { ReadRecord } from './records.ts'
import { saidBy } from './words.ts'

export interface SubmissionHistory {
  message: Message
  author: number
  /** When each node that heard of it first did, by its own clock. */
  heard: Map<number, number>
}

export interface CycleHistory {
  cycle: number
  submissions: Map<string, SubmissionHistory>
  audits: Array<{ node: number; submission: string; finding: string; purpose: string; at: number }>
  said: Array<{ by: number; message: Message; at: number; note?: string }>
  notes: Array<{ node: number; at: number; text: string }>
  votes: Array<{ by: number; cid: string; at: number }>
  /** Votes that nodes were bound to, whether they came to K2 or not. */
  decided: Array<{ by: number; cid: string; at: number }>
  /** By what stakes each node went, where K2 is not the same for all: the last of a node counts. */
  sets: Array<{ node: number; set: StakeSet; at: number }>
  /** Which node had a message of a faulty key, or evidence, from when on: by id. */
  had: Map<string, { message: Message; by: Map<number, number> }>
  /** Proposals that were not approved, for what they say. */
  refusals: Array<{ node: number; attempt: number; reason: string }>
  /** Who could propose first. */
  proposer: string | null
  record: ReadRecord | null
  /** Why the finalized record does not read back. */
  unreadable: string | null
}

export interface History {
  cycle(number: number): CycleHistory
  cycles(): CycleHistory[]
  /** Two different things that an honest node wanted to say where one may be said. */
  contradictions: string[]
}

export function createHistory(): History {
  const cycles = new Map<number, CycleHistory>()
  return {
    contradictions: [],
    cycle(number) {
      let history = cycles.get(number)
      if (history == null) {
        history = {
          cycle: number,
          submissions: new Map(),
          audits: [],
          said: [],
          notes: [],
          votes: [],
          decided: [],
          sets: [],
          had: new Map(),
          refusals: [],
          proposer: null,
          record: null,
          unreadable: null
        }
        cycles.set(number, history)
      }
      return history
    },
    cycles: () => [...cycles.values()].sort((a, b) => a.cycle - b.cycle)
  }
}

const MAX_LINES = 60

/** A cycle in lines: who submitted, sampled, said and voted what. */
export function cycleTable(
  history: CycleHistory,
  nameOf: (address: string) => string,
  truthOf: (id: string) => string,
  places: readonly string[]
): string {
  const name = (id: string) => {
    const submission = history.submissions.get(id)
    return submission == null ? id.slice(0, 8) : `the work of ${nameOf(submission.message.signer)}`
  }
  const short = (cid: string | undefined) => (cid == null ? '' : cid.slice(-6))
  const lines: string[] = []
  for (const [id, { message, heard }] of history.submissions) {
    const times = [...heard.values()]
    const when = times.length === 0 ? 'by nobody' : `${Math.min(...times).toFixed(1)} to ${Math.max(...times).toFixed(1)}`
    lines.push(`  ${nameOf(message.signer)} submitted ${truthOf(id)} ${id.slice(0, 8)} (slot ${message.body.slot}), heard ${when}`)
  }
  const events = [
    ...history.audits.map(({ node, submission, finding, purpose, at }) => ({
      at,
      text: `n${node} audited ${name(submission)}: ${finding} (${purpose})`
    })),
    ...history.said
      .filter(({ message }) => message.kind !== 'submission')
      .map(({ by, message, at, note }) => {
        const { about, cid, attempt } = saidBy(message)
        const what = about
          .map(
            ({ id, place, finding }) =>
              `${id == null ? `the work of ${nameOf(places[place!] ?? '')}` : name(id)}${finding == null ? '' : ` ${finding}`}`
          )
          .join(', ')
        const record = cid == null ? '' : ` ${short(cid)} attempt ${attempt}`
        return { at, text: `n${by} said ${message.kind} ${what}${record} (slot ${message.body.slot})${note == null ? '' : ` ${note}`}` }
      }),
    ...history.notes.map(({ node, at, text }) => ({ at, text: `n${node} ${text}` })),
    ...history.votes.map(({ by, cid, at }) => ({ at, text: `n${by} voted ${short(cid)}` }))
  ].sort((a, b) => a.at - b.at)
  lines.push(...events.slice(0, MAX_LINES).map(({ at, text }) => `  ${at.toFixed(1)} ${text}`))
  if (events.length > MAX_LINES) {
    lines.push(`  ... and ${events.length - MAX_LINES} more`)
  }
  if (history.record == null) {
    lines.push(`  not finalized${history.unreadable == null ? '' : ` or not readable: ${history.unreadable}`}`)
  } else {
    const { tally, content } = history.record
    const rejected = tally.rejected.map(({ staker, reason }) => `${nameOf(staker)} ${reason}`)
    const paid = content.distribution.map(({ staker, amount }) => `${nameOf(staker)} ${amount}`)
    lines.push(`  record: accepted ${tally.accepted.map(({ signer }) => nameOf(signer)).join(' ')}`)
    lines.push(`          rejected ${rejected.join(', ') || 'nobody'}; paid ${paid.join(', ') || 'nobody'}`)
  }
  return [`cycle ${history.cycle}`, ...lines].join('\n')
}
