import { encodeBase58 } from './base58.ts'
import type { WireTransaction } from './transaction.ts'

/** What a signature costs, in lamports: by Solana's rules, a signature that a precompile checks as much as any other. */
export const LAMPORTS_PER_SIGNATURE = 5000n

const COMPUTE_BUDGET = 'ComputeBudget111111111111111111111111111111'
const PRECOMPILES = new Set([
  'Ed25519SigVerify111111111111111111111111111',
  'KeccakSecp256k11111111111111111111111111111',
  'Secp256r1SigVerify1111111111111111111111111'
])
// programs inside the VM, which are given 3,000 units unless the transaction asks for more, where others are given 200,000 (SIMD-170)
const BUILTINS = new Set([
  COMPUTE_BUDGET,
  '11111111111111111111111111111111',
  'Vote111111111111111111111111111111111111111',
  'BPFLoader1111111111111111111111111111111111',
  'BPFLoader2111111111111111111111111111111111',
  'BPFLoaderUpgradeab1e11111111111111111111111',
  'LoaderV411111111111111111111111111111111111'
])
const BUILTIN_UNITS = 3000n
const PROGRAM_UNITS = 200_000n
const MAX_UNITS = 1_400_000n

/** The price that a message offers for a compute unit, in micro-lamports. */
export function unitPriceOf(message: Pick<WireTransaction, 'keys' | 'instructions'>): bigint {
  const price = message.instructions.find(
    ({ program, data }) => data[0] === 3 && data.length === 9 && encodeBase58(message.keys[program]!) === COMPUTE_BUDGET
  )
  return price === undefined ? 0n : Buffer.from(price.data).readBigUInt64LE(1)
}

/** The fee of a message before it runs, in lamports: signatures, and the price that it offers for its compute units. */
export function feeOf(message: Pick<WireTransaction, 'requiredSignatures' | 'keys' | 'instructions'>): bigint {
  let signatures = BigInt(message.requiredSignatures)
  let granted = 0n
  let limit: bigint | undefined
  let microLamports = 0n
  for (const { program, data } of message.instructions) {
    const name = encodeBase58(message.keys[program]!)
    const bytes = Buffer.from(data)
    if (PRECOMPILES.has(name)) {
      // a precompile's data begins with how many signatures it checks
      signatures += BigInt(bytes[0] ?? 0)
    }
    granted += BUILTINS.has(name) || PRECOMPILES.has(name) ? BUILTIN_UNITS : PROGRAM_UNITS
    if (name === COMPUTE_BUDGET && bytes[0] === 2 && bytes.length === 5) {
      limit = BigInt(bytes.readUInt32LE(1))
    } else if (name === COMPUTE_BUDGET && bytes[0] === 3 && bytes.length === 9) {
      microLamports = bytes.readBigUInt64LE(1)
    }
  }
  const wanted = limit ?? granted
  const units = wanted < MAX_UNITS ? wanted : MAX_UNITS
  return signatures * LAMPORTS_PER_SIGNATURE + (units * microLamports + 999_999n) / 1_000_000n
}
