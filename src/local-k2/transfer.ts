import { type KeyPair, signEd25519 } from '../identity/index.ts'
import { decodeBase58 } from './base58.ts'

const COMPUTE_BUDGET = decodeBase58('ComputeBudget111111111111111111111111111111')
const SYSTEM = new Uint8Array(32)

/**
 * A signed system transfer, byte by byte: a legacy message always of the same shape, so that making one costs a signature and no more.
 *
 * @param unitLimit a compute unit limit to ask for: it makes transfers differ that would otherwise be the same transaction
 */
export function signTransfer(transfer: {
  from: KeyPair
  to: Uint8Array
  lamports: bigint
  blockhash: string
  unitLimit?: number
}): Uint8Array {
  const { from, to, lamports, blockhash, unitLimit } = transfer
  const toSelf = Buffer.compare(from.publicKey, to) === 0
  const keys = [from.publicKey, ...(toSelf ? [] : [to]), SYSTEM, ...(unitLimit === undefined ? [] : [COMPUTE_BUDGET])]
  const system = toSelf ? 1 : 2
  const amount = Buffer.alloc(12)
  amount.writeUInt32LE(2, 0)
  amount.writeBigUInt64LE(lamports, 4)
  const limit = Buffer.alloc(5, 2)
  limit.writeUInt32LE(unitLimit ?? 0, 1)
  const message = Buffer.concat([
    // one signer; the programs are read-only
    Uint8Array.of(1, 0, unitLimit === undefined ? 1 : 2, keys.length),
    ...keys,
    decodeBase58(blockhash),
    ...(unitLimit === undefined ? [Uint8Array.of(1)] : [Uint8Array.of(2, system + 1, 0, limit.length), limit]),
    Uint8Array.of(system, 2, 0, toSelf ? 0 : 1, amount.length),
    amount
  ])
  return Buffer.concat([Uint8Array.of(1), signEd25519(message, from.secretKey), message])
}
