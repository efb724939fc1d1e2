import { decodeBase58 } from '../base58.ts'
import type { WireTransaction } from '../transaction.ts'
import { type AccountState, UPGRADEABLE_LOADER } from '../vm.ts'

/** What an account costs beside its data, and what a lookup table costs, in bytes. Source: SIMD-0186. */
const ACCOUNT_BYTES = 64
const LOOKUP_TABLE_BYTES = 8248

const LOADER = decodeBase58(UPGRADEABLE_LOADER)

/** How many bytes a transaction loads, as they count against the limit that it may set itself: a program's code counts with the program. */
export function loadedBytes(
  wire: Pick<WireTransaction, 'lookups'>,
  keys: readonly Uint8Array[],
  account: (key: Uint8Array) => AccountState | undefined
): number {
  const seen = new Set(keys.map((key) => Buffer.from(key).toString('latin1')))
  const sizeOf = (state: AccountState | undefined) => (state === undefined ? 0 : state.data.length + ACCOUNT_BYTES)
  return keys.reduce((sum, key) => {
    const state = account(key)
    let code = 0
    if (state !== undefined && Buffer.compare(state.owner, LOADER) === 0 && state.data[0] === 2) {
      const dataKey = state.data.subarray(4, 36)
      const name = Buffer.from(dataKey).toString('latin1')
      code = seen.has(name) ? 0 : sizeOf(account(dataKey))
      seen.add(name)
    }
    return sum + sizeOf(state) + code
  }, wire.lookups.length * LOOKUP_TABLE_BYTES)
}
