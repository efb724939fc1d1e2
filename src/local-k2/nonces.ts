/** Nonce accounts: transactions that live by one in the place of a recent blockhash, and a VM that gives other nonces than Solana. */
import { createHash } from 'node:crypto'
import { decodeBase58, encodeBase58 } from './base58.ts'
import type { WireTransaction } from './transaction.ts'
import { type AccountState, RECENT_BLOCKHASHES_SYSVAR, SYSTEM_PROGRAM, type Vm } from './vm.ts'

// a nonce account: 4 bytes of version, 4 of state, the authority, the nonce, what a signature cost. Source: `@solana/web3.js` (src/nonce-account.ts)
const NONCE_ACCOUNT_BYTES = 80
const STATE_AT = 4
const INITIALIZED = 1
const AUTHORITY_AT = 8
const NONCE_AT = 40
/** The system program's instruction that moves a nonce on. */
const ADVANCE = 4

const SYSTEM_KEY = decodeBase58(SYSTEM_PROGRAM)

/** The nonce that a nonce account gets while `blockhash` is the newest. */
export function durableNonce(blockhash: string): Uint8Array {
  return createHash('sha256').update('DURABLE_NONCE').update(decodeBase58(blockhash)).digest()
}

/** The nonce in an account, or undefined where it is no initialized nonce account. */
export function nonceIn(state: AccountState | undefined): Uint8Array | undefined {
  const isNonce =
    state?.data.length === NONCE_ACCOUNT_BYTES && state.data[STATE_AT] === INITIALIZED && Buffer.compare(state.owner, SYSTEM_KEY) === 0
  return isNonce ? state.data.subarray(NONCE_AT, NONCE_AT + 32) : undefined
}

/** The account with another nonce. */
export function withNonce(state: AccountState, nonce: Uint8Array): AccountState {
  const data = Uint8Array.from(state.data)
  data.set(nonce, NONCE_AT)
  return { ...state, data }
}

/**
 * The position of the nonce account that a transaction lives by, or undefined: its first instruction moves on a nonce account which holds,
 * as its nonce, what stands in the blockhash's place, and whose authority has signed. That an account may be moved on only once while a
 * blockhash is the newest is seen by `newest`, the nonce that it would get now.
 */
export function nonceAccountOf(
  wire: Pick<WireTransaction, 'instructions' | 'keys' | 'blockhash' | 'requiredSignatures'>,
  newest: Uint8Array,
  account: (key: Uint8Array) => AccountState | undefined
): number | undefined {
  const [first] = wire.instructions
  const position = first?.accounts[0]
  if (first === undefined || position === undefined || position >= wire.keys.length) {
    return undefined
  }
  const isSystem = Buffer.compare(wire.keys[first.program]!, SYSTEM_KEY) === 0
  if (!isSystem || first.data.length < 4 || Buffer.from(first.data).readUInt32LE(0) !== ADVANCE) {
    return undefined
  }
  const state = account(wire.keys[position]!)
  const nonce = nonceIn(state)
  if (nonce === undefined || encodeBase58(nonce) !== wire.blockhash || Buffer.compare(nonce, newest) === 0) {
    return undefined
  }
  const authority = state!.data.subarray(AUTHORITY_AT, AUTHORITY_AT + 32)
  const signed = first.accounts.some((at) => at < wire.requiredSignatures && Buffer.compare(wire.keys[at]!, authority) === 0)
  return signed ? position : undefined
}

/** Whether a transaction may move nonces on: whatever does is given this sysvar. */
function touchesNonces(keys: readonly string[]): boolean {
  return keys.includes(RECENT_BLOCKHASHES_SYSVAR)
}

/**
 * Makes nonces right around a run of the VM. LiteSVM takes a transaction's own blockhash for the chain's newest, so an account that it moves on
 * gets a nonce made of that, and is refused when it holds that one. Before the run, accounts are shown to the VM so that it refuses where Solana
 * would; after it, they get the nonce that Solana would give.
 */
class NonceTranslation {
  /** What Solana would give now. */
  readonly #newest: Uint8Array
  /** What the VM gives in its place. */
  readonly #vms: Uint8Array
  /** By address: what the account truly holds, and what the VM was shown. */
  readonly #shown = new Map<string, { held: Uint8Array; shown: Uint8Array }>()

  constructor(init: { newestBlockhash: string; ownBlockhash: string }) {
    this.#newest = durableNonce(init.newestBlockhash)
    this.#vms = durableNonce(init.ownBlockhash)
  }

  /** The account as the VM must see it, or undefined when it may see it as it is. */
  before(name: string, state: AccountState | undefined): AccountState | undefined {
    const held = nonceIn(state)
    if (held === undefined) {
      return undefined
    }
    const isNewest = Buffer.compare(held, this.#newest) === 0
    const looksNewest = Buffer.compare(held, this.#vms) === 0
    if (isNewest === looksNewest) {
      return undefined
    }
    // any nonce that is neither will do for one that only looks as if it were the newest
    const shown = isNewest ? this.#vms : Uint8Array.from(held, (byte) => byte ^ 0xff)
    this.#shown.set(name, { held: Uint8Array.from(held), shown })
    return withNonce(state!, shown)
  }

  /** The account as it must be after the run, or undefined when it is right. */
  after(name: string, state: AccountState | undefined): AccountState | undefined {
    const now = nonceIn(state)
    if (now === undefined) {
      return undefined
    }
    const known = this.#shown.get(name)
    if (known !== undefined && Buffer.compare(now, known.shown) === 0) {
      return withNonce(state!, known.held)
    }
    return Buffer.compare(now, this.#vms) === 0 ? withNonce(state!, this.#newest) : undefined
  }
}

/** Shows the VM the nonce accounts as it must see them; undefined for the many transactions that move no nonce on. */
export function translateNonces(
  vm: Pick<Vm, 'account' | 'setAccount'>,
  { keys, keyBytes, ...init }: { newestBlockhash: string; ownBlockhash: string; keys: readonly string[]; keyBytes: readonly Uint8Array[] }
) {
  if (!touchesNonces(keys)) {
    return undefined
  }
  const translation = new NonceTranslation(init)
  const held: Array<{ key: Uint8Array; state: AccountState }> = []
  for (const [position, key] of keyBytes.entries()) {
    const state = vm.account(key)
    const shown = translation.before(keys[position]!, state)
    if (shown !== undefined) {
      held.push({ key, state: state! })
      vm.setAccount(key, shown)
    }
  }
  const set = (changes: typeof held) => changes.forEach(({ key, state }) => void vm.setAccount(key, state))
  return {
    /** After a run that counts. */
    settle: () => {
      set(
        keyBytes.flatMap((key, position) => {
          const state = translation.after(keys[position]!, vm.account(key))
          return state === undefined ? [] : [{ key, state }]
        })
      )
    },
    /** After a trial. */
    undo: () => set(held),
    /** What a trial would have left. */
    translated: (after: Map<string, AccountState>) =>
      new Map([...after].map(([name, state]) => [name, translation.after(name, state) ?? state]))
  }
}
