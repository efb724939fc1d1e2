import { decodeBase58, encodeBase58 } from './base58.ts'
import { ByteReader } from './byte-reader.ts'
import { type AccountState, CLOCK_SYSVAR } from './vm.ts'

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

/** How amounts of a token are shown; `shown` reckons in interest or scaling that the mint asks for, by the chain's clock. */
export interface Unit {
  decimals: number
  shown?: (amount: number) => number
}

/** With more decimals than this an amount is not told as a number: its divisor does not fit Solana's own integers. */
const MAX_NUMBER_DECIMALS = 19

/** An amount in the words of JSON-RPC. */
export function viewAmount(amount: bigint, unit: number | Unit): TokenAmount {
  const { decimals, shown } = typeof unit === 'number' ? { decimals: unit } : unit
  if (shown !== undefined) {
    const text = shown(Number(amount)).toFixed(Math.min(decimals, 100))
    const trimmed = text.includes('.') ? text.replace(/\.?0+$/, '') : text
    return { amount: amount.toString(), decimals, uiAmount: Number(trimmed), uiAmountString: trimmed }
  }
  const digits = amount.toString().padStart(decimals + 1, '0')
  const whole = digits.slice(0, digits.length - decimals)
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, '')
  return {
    amount: amount.toString(),
    decimals,
    uiAmount: decimals > MAX_NUMBER_DECIMALS ? null : Number(amount) / 10 ** decimals,
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

const CLOCK_KEY = decodeBase58(CLOCK_SYSVAR)
const INTEREST_BEARING = 10
const SCALED = 25
/** By the extension's own reckoning: a year of 365.24 days. */
const SECONDS_PER_YEAR = 60 * 60 * 24 * 365.24
const ONE_IN_BASIS_POINTS = 10_000

/** How a mint's amounts are shown now, or undefined where there is no such mint. Source: `@solana/spl-token` (src/actions/amountToUiAmount). */
export function unitOf(mint: string, account: (key: Uint8Array) => AccountState | undefined): Unit | undefined {
  const state = account(decodeBase58(mint))
  const decimals = state && decodeMint(state)?.decimals
  if (decimals === undefined) {
    return undefined
  }
  const extension = extensionsOf(state!).find(({ type }) => type === INTEREST_BEARING || type === SCALED)
  const clock = extension && account(CLOCK_KEY)
  if (extension === undefined || clock === undefined) {
    return { decimals }
  }
  const now = Number(new ByteReader(clock.data, 32).i64())
  const reader = new ByteReader(extension.bytes, 32)
  if (extension.type === SCALED) {
    const [first, from, then] = [reader.f64(), Number(reader.i64()), reader.f64()]
    const multiplier = now >= from ? then : first
    return { decimals, shown: (amount) => Math.trunc(amount * multiplier) / 10 ** decimals }
  }
  const [start, firstRate, updated, rate] = [Number(reader.i64()), reader.i16(), Number(reader.i64()), reader.i16()]
  const growth = (points: number, seconds: number) => Math.exp((points * seconds) / SECONDS_PER_YEAR / ONE_IN_BASIS_POINTS)
  // in the program's own order: the last digits depend on it
  const scale = (growth(firstRate, updated - start) * growth(rate, now - updated)) / 10 ** decimals
  return { decimals, shown: (amount) => amount * scale }
}

/** A mint's decimals, or undefined where there is no such mint. */
export function decimalsOf(mint: string, account: (key: Uint8Array) => AccountState | undefined): number | undefined {
  const state = account(decodeBase58(mint))
  return state && decodeMint(state)?.decimals
}
