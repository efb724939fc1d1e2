import { decodeBase58, encodeBase58 } from './base58.ts'
import { type AccountState, UPGRADEABLE_LOADER } from './vm.ts'

const LOADER = decodeBase58(UPGRADEABLE_LOADER)
/** Kinds of the loader's accounts: the first byte of their data. */
const PROGRAM = 2
const PROGRAM_DATA = 3

/**
 * The programs among `keys` that were deployed or changed in `slot`. Solana runs a program from the slot after its deployment on; LiteSVM
 * does at once, so the ledger has to know.
 */
export function deployedIn(slot: number, keys: readonly Uint8Array[], account: (key: Uint8Array) => AccountState | undefined): string[] {
  const ofLoader = (key: Uint8Array, kind: number) => {
    const state = account(key)
    return state !== undefined && Buffer.compare(state.owner, LOADER) === 0 && state.data[0] === kind ? state.data : undefined
  }
  return keys.flatMap((key) => {
    // a program's account says where its code is, and its code says since when: after 4 bytes of kind both
    const program = ofLoader(key, PROGRAM)
    const data = program && ofLoader(program.subarray(4, 36), PROGRAM_DATA)
    return data !== undefined && Buffer.from(data).readBigUInt64LE(4) === BigInt(slot) ? [encodeBase58(key)] : []
  })
}
