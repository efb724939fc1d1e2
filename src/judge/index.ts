/**
 * # judge
 *
 * The door of a task: what of the messages that peers bring is taken in, and the pool of what was. Pure: bytes and facts to a
 * verdict, with no clock, socket or file. Spec: protocols/gossip/README.md "Validation".
 *
 * @example
 * ```ts
 * const pool = createPool()
 * const door = createDoor({ network, timing, slot, stakes, peers, pool, verify: verifyEd25519, contactFault, onMessage: (message) => rounds.take(message) })
 * door.receive(bytes, peerId, 'gossip')
 * ```
 */
export { createDoor, type Door, type DoorCounters, type DoorInit, type Via } from './door.ts'
export { PublishRefusedError } from './errors.ts'
export {
  createJudge,
  type Judge,
  type JudgeInit,
  LIVE_CYCLES,
  type StakeWeights,
  TOLERANCE_SLOTS,
  takenCycles,
  type Verdict
} from './judge.ts'
export { createPool, type Pool } from './pool.ts'
export { REASON_NAMES, REASONS, type Reason } from './reasons.ts'
