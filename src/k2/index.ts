/**
 * # k2
 *
 * The chain as a node sees it, through JSON-RPC only: accounts and transactions (client), the slot clock, who has stake
 * (stake-view) and the durable way of a final vote (outbox). The program's own bytes are in k2/settlement, the local
 * chain in k2/local.
 *
 * @example
 * ```ts
 * const k2 = createK2Client({ url: 'http://127.0.0.1:8899' })
 * const task = await k2.task(taskId)
 * ```
 */
export { createK2Client, type K2Client, type Sent, signerOf, type TransactionSigner } from './client.ts'
export { K2AccountError, K2ArgumentError, K2TransactionError, K2UnreachableError, messageOf } from './errors.ts'
export { createOutbox, type FinalVote, type Outbox } from './outbox.ts'
export { createSlots, type Slots } from './slots.ts'
export { createStakeView, type StakeView } from './stake-view.ts'
