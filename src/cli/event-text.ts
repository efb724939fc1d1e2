/** Events as people read them: one line for each that they want to know of. */
import { roeToKoii } from '../config/index.ts'
import type { NodeEvent } from '../observe/index.ts'
import { counted, timeOfDay } from '../observe/words.ts'

/** The command that fetches something of a task. */
export type Get = (cid: string, task: string | null) => string

/**
 * @param label - of its task, where the node runs several
 * @returns null for what is for machines alone
 */
export function lineOf(event: NodeEvent, get: Get, label?: string): string | null {
  const text = sentence(event, get)
  const { time, slot, cycle } = event
  const about = label == null ? '' : `[${label}]  `
  return text == null ? null : `${timeOfDay(time)}  slot ${slot ?? '?'}${cycle == null ? '' : ` cycle ${cycle}`}  ${about}${text}`
}

function listeningOn(told: string[], listens: string[]): string {
  return told.length > 0 ? `listening on ${told.join(', ')}` : `listening on ${listens.join(', ')}, which is told to nobody`
}

/** The CIDs by which anybody can get them. */
function proofsIn(proofs: readonly string[]): string {
  return proofs.length > 0 ? `, ${proofs.length === 1 ? 'proof' : 'proofs'} ${proofs.join(', ')}` : ''
}

function sentence(d: NodeEvent, get: Get): string | null {
  switch (d.event) {
    case 'listening':
      return listeningOn(d.multiaddrs, d.listens)
    case 'address-past':
      return d.reason
    case 'task':
      return `task ${d.taskName} runs, bundle ${d.bundle}${d.params == null ? '' : `, params ${d.params}`}`
    case 'bundle-changed':
      return `the task has another bundle from cycle ${d.from} on: ${d.bundle}. Read it (${get(d.bundle, d.task)}), or stop the node before`
    case 'task-closed':
      return d.reason
    case 'task-failed':
      return `the task cannot run: ${d.reason}`
    case 'k2-away':
      return `${d.reason}: the node asks on, and work and votes wait for it`
    case 'k2-back':
      return `K2 answers again, after ${d.seconds} s`
    case 'k2-doubt':
      return d.reason == null
        ? `the list of ${d.list} of ${d.endpoint} can be believed again`
        : `the list of ${d.list} of ${d.endpoint} is not believed, and is asked for again: ${d.reason}`
    case 'signer-away':
      return d.reason
    case 'signer-back':
      return `the signer answers again, after ${d.seconds} s`
    case 'waiting':
      return d.for === 'disk' ? `waiting for the disk: ${d.reason}` : `waiting for a peer that has the ${d.for}`
    case 'disk-trouble':
      return `${d.reason}. The node goes on as far as it can, and tries again by itself`
    case 'disk-well':
      return 'the disk takes what is written again'
    case 'silent':
      return `only listens until slot ${d.until}, and signs nothing before: ${d.reason}. If you know that no other node has used this key for three rounds, start with --key-is-idle`
    case 'speaking':
      return 'nothing was heard of another node with this key: the node signs from now on'
    case 'key-replaced':
      return d.reason
    case 'key-conflict':
      return `another node signs with this staking key (${d.reason}): this one signs nothing any more, and stops`
    case 'task-paused':
      return `paused by the operator: no work and no audits from cycle ${d.from} on`
    case 'task-resumed':
      return 'the operator goes on with the task'
    case 'task-added':
      return `the operator has added the task ${d.taskName} ${d.task ?? ''}`
    case 'task-removed':
      return `the operator has removed the task ${d.task ?? ''}: the others go on`
    case 'task-stopped':
      return `the task cannot go on, and the others do: ${d.reason}`
    case 'peer':
      return `peer ${d.peerId} of staker ${d.staker}: ${counted(d.staked, 'staked peer')}`
    case 'peer-left':
      return `peer ${d.peerId} left: ${counted(d.staked, 'staked peer')}`
    case 'peer-cut':
      return `cut peer ${d.peerId}${d.staker == null ? '' : ` of staker ${d.staker}`}: ${d.reason}`
    case 'staked':
      return `staked ${roeToKoii(BigInt(d.stake))} KOII for ${d.staker}, counted from cycle ${d.countsFromCycle} on; rewards and the stake itself go to ${d.withdrawAuthority}`
    case 'submitted':
      return `submitted the work${proofsIn(d.proofs)}`
    case 'missed':
      return `missed the ${d.stage}: ${d.reason}`
    case 'not-yet':
      return `the ${d.what} has to wait, and is tried again: ${d.reason}`
    case 'skipped':
      return `no record of the cycle on K2, nobody is paid for it: ${d.reason}`
    case 'audited':
      return `audited ${d.subject}: ${d.finding}${d.reason === '' ? '' : ` (${d.reason})`}`
    case 'challenged':
      return `${d.by} challenges ${d.subject}: ${d.finding} (${d.reason})`
    case 'equivocated':
      return `${d.staker} signed two different messages (${d.key})`
    case 'agreed':
      return `agreed on record ${d.cid} with ${counted(d.approvals, 'approval')}`
    case 'refused':
      return `refused record ${d.cid}: ${d.reason}`
    case 'voted':
      return `final vote is on K2: ${d.signature ?? 'as found there'}`
    case 'vote-lost':
      return `the final vote was lost: ${d.reason}`
    case 'settled':
      return `${d.outcome}, paid ${roeToKoii(BigInt(d.paid))} KOII, ${roeToKoii(BigInt(d.total))} KOII in all${d.reason == null ? '' : ` (${d.reason})`}; record ${d.record}`
    default:
      return null
  }
}
