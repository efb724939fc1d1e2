/**
 * # local K2: a Solana chain of one validator, in this process
 *
 * LiteSVM, the real Solana VM, behind the JSON-RPC and the WebSocket subscriptions of a Solana node, for testnets, tests and task authors.
 * `@solana/web3.js` and `@solana/kit` use it unchanged.
 *
 * ```ts
 * import { Connection } from '@solana/web3.js'
 * import { createLocalK2, createTraffic } from './index.ts'
 *
 * const traffic = createTraffic({ seed: 'one', transfersPerSlot: 4 })
 * const k2 = await createLocalK2({ slotMs: 100, port: 0, genesis: { funded: traffic.funded } })
 * traffic.follow(k2)
 * await k2.start()
 * const connection = new Connection(k2.url, 'confirmed')
 * await k2.stop()
 * ```
 *
 * What happens to a transaction: `server` takes the text, `rpc/` checks its parameters and tries it (preflight), `ledger` runs it in `vm` into
 * the slot in progress, `slot-ticker` (or `pacer`) closes the slot, `history` stores the block with its transactions and the accounts that they
 * changed, and `rpc/subscriptions` tells those who wait for it. Only then is it confirmed, so no kill takes back what was confirmed.
 */
import { LocalK2, type LocalK2Init } from './local-k2.ts'

export { readAccountDir, readAccountFile } from './account-file.ts'
export { type CloneInit, cloneAccounts } from './clone.ts'
export type { Count, Counts } from './counters.ts'
export { hasChain, resetDataDir } from './data-dir.ts'
export {
  DataDirCorruptError,
  DataDirLockedError,
  DataDirUnusableError,
  DataDirVersionError,
  FundingError,
  GenesisError,
  MalformedTransactionError,
  NotStoredError,
  PortInUseError,
  StoppedError
} from './errors.ts'
export type { Genesis, GenesisProgram } from './genesis.ts'
export type { GenesisAccount } from './genesis-account.ts'
export { readProgramFile } from './genesis-program.ts'
export type { LocalK2, LocalK2Events, LocalK2Init, LocalTransaction } from './local-k2.ts'
export type { LocalK2Log } from './log.ts'
export type { Pace, PaceFacts, PassedOver } from './pacer.ts'
export type { LocalK2Clock } from './slot-ticker.ts'
export { createTraffic, type LocalTarget, type PlannedTransfer, type Traffic, type TrafficTarget } from './traffic.ts'
export type { TransactionError } from './transaction-error.ts'
export { signTransfer } from './transfer.ts'

/**
 * Opens the chain in `dataDir`, or begins a new one. It listens and ticks once `start` is called.
 *
 * @throws DataDirLockedError, DataDirVersionError, DataDirCorruptError, DataDirUnusableError, GenesisError
 */
export async function createLocalK2(init: LocalK2Init = {}): Promise<LocalK2> {
  return new LocalK2(init)
}
