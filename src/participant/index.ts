/**
 * # participant
 *
 * One staker's whole life in one task: what it hears, works, audits, agrees on, votes and is paid for. It runs over ports
 * (./ports.ts) and has no library of the network, timer, file or socket inside: a node gives it real ones, the simulation virtual ones.
 *
 *     slot ──> rounds ──> effects ──> runtime, blocks, records ──> rounds
 *     bytes ──> door ──> message log ──> pool ──> rounds ──> publish ──> signer ──> door ──> transport
 *     rounds ──> vote ──> chain
 *
 * @example
 * ```ts
 * const participant = createParticipant({ task, genesisHash, account, timing, clock, random, transport, chain, blocks, runtime, signer, store, ... })
 * await participant.open(slot)
 * await participant.join(slot)
 * participant.start()
 * participant.onSlot(slot, { isBack: false, isConnected: true })
 * ```
 */
export { DistributionUnavailableError, NO_BUNDLE } from './errors.ts'
export type { KeyGuard } from './key-guard.ts'
export { createParticipant, type Participant, type ParticipantInit, type ParticipantParts } from './participant.ts'
export type {
  Archive,
  Audited,
  AuditLimits,
  Blocks,
  Chain,
  Clock,
  Random,
  Runtime,
  TaskHost,
  Transport,
  Worked
} from './ports.ts'
export type { CycleFacts, Records } from './records.ts'
export type { ReplacedKey } from './replaced.ts'
export type { TaskFollow } from './task-follow.ts'
