import type { AccountState } from './vm.ts'

/** An account that is there from the start. */
export interface GenesisAccount {
  /** base58 */
  address: string
  state: AccountState
  /** Where it is from, for errors. */
  from: string
}
