/** The addresses that a transaction takes from lookup tables. */
import type { WireTransaction } from './transaction.ts'
import type { AccountState } from './vm.ts'

export interface LoadedAddresses {
  writable: Uint8Array[]
  readonly: Uint8Array[]
}

/** The keys that a message takes from lookup tables. One that does not exist is left out; the VM then refuses the transaction. */
export function loadedAddresses(wire: WireTransaction, account: (key: Uint8Array) => AccountState | undefined): LoadedAddresses {
  const loaded: LoadedAddresses = { writable: [], readonly: [] }
  for (const { table, writable, readonly } of wire.lookups) {
    // a table is 56 bytes about itself, then its addresses
    const data = account(table)?.data ?? new Uint8Array()
    const at = (position: number) => data.slice(56 + position * 32, 88 + position * 32)
    const exists = (key: Uint8Array) => key.length === 32
    loaded.writable.push(...writable.map(at).filter(exists))
    loaded.readonly.push(...readonly.map(at).filter(exists))
  }
  return loaded
}
