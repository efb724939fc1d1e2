/**
 * # k2
 *
 * The chain as a node sees it, through JSON-RPC only: accounts and transactions (client), the slot clock, who has stake
 * (stake-view) and the durable way of a final vote (outbox). The program's own bytes are in k2/settlement; the local
 * chain is src/local-k2.
 *
 *     client ──> pool: reads of the healthiest, questions to all (majority), transactions to all ──> endpoint: limits, pauses
 *     slots  ──> endpoint's feed (WebSocket), polling where it is silent
 *     choose: what is decided about endpoints, pure
 *
 * @example
 * ```ts
 * const k2 = createK2Client({ url: 'http://127.0.0.1:8899' })
 * const task = await k2.task(taskId)
 * ```
 */

export {
  createVoteBatcher,
  type HeardVote,
  planBatches,
  turnOf,
  VOTES_IN_TRANSACTION,
  type VoteBatcher,
  type VoteBatcherInit
} from './batch.ts'
export type { BlockAt } from './blocks.ts'
export { createK2Client, type K2Client, type K2ClientInit, type SlotSource } from './client.ts'
export { bidIn, isBid } from './compute-price.ts'
export type { EndpointLimits, EndpointStatus } from './endpoint.ts'
export {
  K2AccountError,
  K2ArgumentError,
  K2BehindError,
  K2ContradictionError,
  K2DoubtError,
  K2LacksBlockError,
  K2NetworkError,
  K2NotYetError,
  K2TransactionError,
  K2UnreachableError,
  messageOf
} from './errors.ts'
export { createOutage, type EndpointHearing, type Outage, type OutageEvent } from './outage.ts'
export {
  createOutbox,
  decodeVote,
  encodeVote,
  type FinalVote,
  type Outbox,
  type OutboxCounters,
  type OutboxInit,
  type VoteSigner
} from './outbox.ts'
export { askPace, createPaceLink, type PaceLink, type PaceQuestion } from './pace-link.ts'
export { createSlots, type Hearing, type Slots } from './slots.ts'
export { createStakeFollow, readFirst, type StakeFollow } from './stake-follow.ts'
export { createStakeView, type StakeView, stakeSetOf } from './stake-view.ts'
export type { Doubt } from './task-reads.ts'
export { type Sent, signerOf, type TransactionSigner } from './transactions.ts'
export { rankOf } from './turns.ts'
