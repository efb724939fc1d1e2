import { z } from 'zod'
import { encodeBase58 } from '../base58.ts'
import type { Block, TransactionRecord } from '../block.ts'
import * as p from './params.ts'
import { viewTransaction, viewTransactionAccounts } from './transaction-view.ts'

/** What a request for a block may say. */
export const blockConfig = z
  .object({
    ...p.commitment,
    encoding: p.transactionEncoding,
    transactionDetails: z.enum(['full', 'accounts', 'signatures', 'none']).nullish(),
    rewards: z.boolean().nullish(),
    maxSupportedTransactionVersion: p.u8.nullish()
  })
  .nullish()

/** A block as JSON-RPC gives it. There are no rewards here. @throws RpcError for a transaction of a version that the client does not read */
export function viewBlock(block: Block, records: readonly TransactionRecord[], config: z.output<typeof blockConfig>) {
  const { blockhash, previousBlockhash, parentSlot, height, blockTimeS } = block
  return {
    blockHeight: height,
    blockTime: blockTimeS,
    blockhash,
    parentSlot,
    previousBlockhash,
    ...(config?.rewards === false ? {} : { rewards: [] }),
    ...viewTransactions(records, config)
  }
}

function viewTransactions(records: readonly TransactionRecord[], config: z.output<typeof blockConfig>) {
  const maxSupported = config?.maxSupportedTransactionVersion
  switch (config?.transactionDetails ?? 'full') {
    case 'none':
      return {}
    case 'signatures':
      return { signatures: records.map(({ wire }) => encodeBase58(wire.signatures[0]!)) }
    case 'accounts':
      return { transactions: records.map((record) => viewTransactionAccounts(record, maxSupported)) }
    case 'full':
      return { transactions: records.map((record) => viewTransaction(record, config?.encoding ?? 'json', maxSupported)) }
  }
}
