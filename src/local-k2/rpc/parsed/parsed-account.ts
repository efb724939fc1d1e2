import type { AccountState } from '../../vm.ts'

export type Lookup = (key: Uint8Array) => AccountState | undefined

/** An account's data as `jsonParsed` gives it. */
export interface ParsedAccount {
  program: string
  parsed: { type: string; info?: unknown }
  space: number
}
