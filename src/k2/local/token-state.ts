import { decodeBase58, encodeBase58 } from './base58.ts'
import { ByteReader } from './byte-reader.ts'
import type { AccountState } from './vm.ts'

// accounts of the two token programs; source of the layouts: `@solana/spl-token` (src/state, src/extensions)

export const TOKEN_PROGRAM = 'TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA'
export const TOKEN_2022_PROGRAM = 'TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb'
/** Both token programs, with the names that `jsonParsed` gives them. */
export const TOKEN_PROGRAMS = [
  { id: TOKEN_PROGRAM, key: decodeBase58(TOKEN_PROGRAM), name: 'spl-token' },
  { id: TOKEN_2022_PROGRAM, key: decodeBase58(TOKEN_2022_PROGRAM), name: 'spl-token-2022' }
] as const

/** Sizes in bytes. */
const MINT_SIZE = 82
const ACCOUNT_SIZE = 165
const MULTISIG_SIZE = 355
/** The byte that tells a mint from an account, where extensions follow. */
const TYPE_AT = ACCOUNT_SIZE
const TYPE_MINT = 1
const TYPE_ACCOUNT = 2
export const STATES = ['uninitialized', 'initialized', 'frozen'] as const

/** An amount in the smallest units, and as people write it. */
export interface TokenAmount {
  amount: string
  decimals: number
  uiAmount: number | null
  uiAmountString: string
}

export interface Mint {
  mintAuthority: string | undefined
  supply: bigint
  decimals: number
  freezeAuthority: string | undefined
}

export interface TokenAccount {
  mint: string
  owner: string
  amount: bigint
  delegate: string | undefined
  state: (typeof STATES)[number]
  /** Lamports that are not part of the balance; set for wrapped lamports only. */
  nativeReserve: bigint | undefined
  delegatedAmount: bigint
  closeAuthority: string | undefined
}

export interface Multisig {
  numRequiredSigners: number
  numValidSigners: number
  signers: string[]
}

export type Extension = { type: number; bytes: Uint8Array }

/** The token program that owns an account, or undefined. */
export function tokenProgramOf(owner: Uint8Array): (typeof TOKEN_PROGRAMS)[number] | undefined {
  return TOKEN_PROGRAMS.find(({ key }) => Buffer.compare(key, owner) === 0)
}

/** The mint in an account of a token program, or undefined where there is none or it is not initialized. */
export function decodeMint({ data, owner }: AccountState): Mint | undefined {
  if (!isKind(data, owner, MINT_SIZE, TYPE_MINT)) {
    return undefined
  }
  const reader = new ByteReader(data)
  const mintAuthority = reader.fixedOption(() => reader.pubkey())
  const supply = reader.u64()
  const decimals = reader.u8()
  const initialized = reader.flag()
  const freezeAuthority = reader.fixedOption(() => reader.pubkey())
  return initialized ? { mintAuthority, supply, decimals, freezeAuthority } : undefined
}

/** The token account in an account of a token program, or undefined where there is none or it is not initialized. */
export function decodeTokenAccount({ data, owner: program }: AccountState): TokenAccount | undefined {
  if (!isKind(data, program, ACCOUNT_SIZE, TYPE_ACCOUNT)) {
    return undefined
  }
  const reader = new ByteReader(data)
  const mint = reader.pubkey()
  const owner = reader.pubkey()
  const amount = reader.u64()
  const delegate = reader.fixedOption(() => reader.pubkey())
  const state = STATES[reader.u8()]
  const nativeReserve = reader.fixedOption(() => reader.u64())
  const delegatedAmount = reader.u64()
  const closeAuthority = reader.fixedOption(() => reader.pubkey())
  return state === undefined || state === 'uninitialized'
    ? undefined
    : { mint, owner, amount, delegate, state, nativeReserve, delegatedAmount, closeAuthority }
}

export function decodeMultisig({ data, owner }: AccountState): Multisig | undefined {
  if (data.length !== MULTISIG_SIZE || tokenProgramOf(owner) === undefined || data[2] !== 1) {
    return undefined
  }
  const reader = new ByteReader(data, 3)
  const signers = Array.from({ length: 11 }, () => reader.pubkeyOrNull()).filter((key) => key !== null)
  return { numRequiredSigners: data[0]!, numValidSigners: data[1]!, signers }
}

/** The extensions of a Token-2022 account, in their order. */
export function extensionsOf({ data }: AccountState): Extension[] {
  const found: Extension[] = []
  if (data.length <= TYPE_AT) {
    return found
  }
  const reader = new ByteReader(data, TYPE_AT + 1)
  // what is left over at the end is padding
  while (reader.left >= 4) {
    const type = reader.u16()
    const length = reader.u16()
    if (type === 0 || length > reader.left) {
      break
    }
    found.push({ type, bytes: reader.bytes(length) })
  }
  return found
}

/** An amount in the words of JSON-RPC. */
export function viewAmount(amount: bigint, decimals: number): TokenAmount {
  const digits = amount.toString().padStart(decimals + 1, '0')
  const whole = digits.slice(0, digits.length - decimals)
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, '')
  return {
    amount: amount.toString(),
    decimals,
    uiAmount: Number(amount) / 10 ** decimals,
    uiAmountString: fraction === '' ? whole : `${whole}.${fraction}`
  }
}

function isKind(data: Uint8Array, owner: Uint8Array, size: number, type: number): boolean {
  const program = tokenProgramOf(owner)
  // with extensions even a mint is longer than an account, so that no two kinds have one length
  const extended = program?.id === TOKEN_2022_PROGRAM && data.length > TYPE_AT && data.length !== MULTISIG_SIZE && data[TYPE_AT] === type
  return program !== undefined && (data.length === size || extended)
}

/** Whether a transaction with these keys can change token accounts: it names a token program then. */
export function mayHoldTokens(keys: readonly string[]): boolean {
  return TOKEN_PROGRAMS.some(({ id }) => keys.includes(id))
}

/** One entry of a transaction's token balances. */
export interface TokenBalance {
  accountIndex: number
  mint: string
  owner: string
  programId: string
  uiTokenAmount: TokenAmount
}

/**
 * The token balances of some accounts, as in a transaction's record.
 *
 * @param account what an address holds, also for the mints
 */
export function tokenBalances(keys: readonly Uint8Array[], account: (key: Uint8Array) => AccountState | undefined): TokenBalance[] {
  return keys.flatMap((key, accountIndex) => {
    const state = account(key)
    const token = state && decodeTokenAccount(state)
    const decimals = token && decimalsOf(token.mint, account)
    return state === undefined || token === undefined || decimals === undefined
      ? []
      : [
          {
            accountIndex,
            mint: token.mint,
            owner: token.owner,
            programId: encodeBase58(state.owner),
            uiTokenAmount: viewAmount(token.amount, decimals)
          }
        ]
  })
}

/** A mint's decimals, or undefined where there is no such mint. */
export function decimalsOf(mint: string, account: (key: Uint8Array) => AccountState | undefined): number | undefined {
  const state = account(decodeBase58(mint))
  return state && decodeMint(state)?.decimals
}
