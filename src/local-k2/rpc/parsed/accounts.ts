import { encodeBase58 } from '../../base58.ts'
import { ByteReader } from '../../byte-reader.ts'
import { decodeMint, decodeMultisig, decodeTokenAccount, extensionsOf, tokenProgramOf, unitOf, viewAmount } from '../../token-state.ts'
import { type AccountState, SYSTEM_PROGRAM, UPGRADEABLE_LOADER } from '../../vm.ts'
import type { Lookup, ParsedAccount } from './parsed-account.ts'
import { viewExtension } from './token-extensions.ts'
import { parseConfig, parseVote } from './vote-accounts.ts'

/** What an address holds, for parsers that need another account: an amount's decimals are in its mint. */
type Parser = (account: AccountState, key: string | undefined, lookup: Lookup) => ParsedAccount['parsed'] | undefined

const LOOKUP_TABLES = 'AddressLookupTab1e1111111111111111111111111'
const STAKE_PROGRAM = 'Stake11111111111111111111111111111111111111'
const VOTE_PROGRAM = 'Vote111111111111111111111111111111111111111'
const CONFIG_PROGRAM = 'Config1111111111111111111111111111111111111'
const SYSVARS = 'Sysvar1111111111111111111111111111111111111'
/** A lookup table is so many bytes about itself, then its addresses. */
const LOOKUP_TABLE_HEAD = 56

/** By the program that owns the account: the name that Solana gives it, and how its accounts are read. */
const PARSERS: Record<string, { program: string; parse: Parser }> = {
  [SYSTEM_PROGRAM]: { program: 'nonce', parse: parseNonce },
  [UPGRADEABLE_LOADER]: { program: 'bpf-upgradeable-loader', parse: parseLoader },
  [LOOKUP_TABLES]: { program: 'address-lookup-table', parse: parseLookupTable },
  [STAKE_PROGRAM]: { program: 'stake', parse: parseStake },
  [SYSVARS]: { program: 'sysvar', parse: parseSysvar },
  [VOTE_PROGRAM]: { program: 'vote', parse: parseVote },
  [CONFIG_PROGRAM]: { program: 'config', parse: parseConfig }
}

/**
 * Reads an account's data by the program that owns it.
 *
 * @param key the account's own address in base58, which tells sysvars apart
 * @returns undefined where there is no parser or the data is not in its layout; data goes out in base64 then, as on Solana
 */
export function parseAccount(account: AccountState, key: string | undefined, lookup: Lookup): ParsedAccount | undefined {
  const token = tokenProgramOf(account.owner)
  const { program, parse } = token === undefined ? (PARSERS[encodeBase58(account.owner)] ?? {}) : { program: token.name, parse: parseToken }
  if (program === undefined || parse === undefined) {
    return undefined
  }
  try {
    const parsed = parse(account, key, lookup)
    return parsed && { program, parsed, space: account.data.length }
  } catch (err) {
    if (err instanceof RangeError) {
      return undefined
    }
    throw err
  }
}

function parseToken(account: AccountState, _key: string | undefined, lookup: Lookup): ParsedAccount['parsed'] | undefined {
  const extensions = extensionsOf(account).map(viewExtension)
  const extended = extensions.length === 0 ? {} : { extensions }
  const mint = decodeMint(account)
  if (mint !== undefined) {
    const { mintAuthority = null, supply, decimals, freezeAuthority = null } = mint
    return { type: 'mint', info: { mintAuthority, supply: `${supply}`, decimals, isInitialized: true, freezeAuthority, ...extended } }
  }
  const multisig = decodeMultisig(account)
  if (multisig !== undefined) {
    return { type: 'multisig', info: { ...multisig, isInitialized: true } }
  }
  const held = decodeTokenAccount(account)
  const unit = held && unitOf(held.mint, lookup)
  if (held === undefined || unit === undefined) {
    return undefined
  }
  const info = {
    mint: held.mint,
    owner: held.owner,
    tokenAmount: viewAmount(held.amount, unit),
    ...(held.delegate === undefined ? {} : { delegate: held.delegate, delegatedAmount: viewAmount(held.delegatedAmount, unit) }),
    state: held.state,
    isNative: held.nativeReserve !== undefined,
    ...(held.nativeReserve === undefined ? {} : { rentExemptReserve: viewAmount(held.nativeReserve, unit) }),
    ...(held.closeAuthority === undefined ? {} : { closeAuthority: held.closeAuthority }),
    ...extended
  }
  return { type: 'account', info }
}

function parseNonce({ data }: AccountState): ParsedAccount['parsed'] | undefined {
  if (data.length !== 80) {
    return undefined
  }
  const reader = new ByteReader(data, 4)
  if (reader.u32() !== 1) {
    return undefined
  }
  const info = { authority: reader.pubkey(), blockhash: reader.pubkey(), feeCalculator: { lamportsPerSignature: `${reader.u64()}` } }
  return { type: 'initialized', info }
}

function parseLoader({ data }: AccountState): ParsedAccount['parsed'] | undefined {
  const reader = new ByteReader(data)
  const base64 = (bytes: Uint8Array) => [Buffer.from(bytes).toString('base64'), 'base64']
  // the authority has its room whether there is one or not: the code begins at a fixed place
  const authorityAnd = (at: number) => ({ authority: reader.option(() => reader.pubkey()) ?? null, data: base64(data.subarray(at)) })
  switch (reader.u32()) {
    case 0:
      return { type: 'uninitialized' }
    case 1:
      return { type: 'buffer', info: authorityAnd(37) }
    case 2:
      return { type: 'program', info: { programData: reader.pubkey() } }
    case 3:
      return { type: 'programData', info: { slot: reader.u64(), ...authorityAnd(45) } }
    default:
      return undefined
  }
}

function parseLookupTable({ data }: AccountState): ParsedAccount['parsed'] | undefined {
  const reader = new ByteReader(data)
  const kind = reader.u32()
  if (kind !== 1) {
    return kind === 0 ? { type: 'uninitialized' } : undefined
  }
  const head = {
    deactivationSlot: `${reader.u64()}`,
    lastExtendedSlot: `${reader.u64()}`,
    lastExtendedSlotStartIndex: reader.u8()
  }
  const authority = reader.option(() => reader.pubkey())
  const list = new ByteReader(data, LOOKUP_TABLE_HEAD)
  const addresses = Array.from({ length: Math.floor(list.left / 32) }, () => list.pubkey())
  return { type: 'lookupTable', info: { ...head, ...(authority === undefined ? {} : { authority }), addresses } }
}

function parseStake({ data }: AccountState): ParsedAccount['parsed'] | undefined {
  const reader = new ByteReader(data)
  const kind = reader.u32()
  if (kind !== 1 && kind !== 2) {
    return kind === 0 ? { type: 'uninitialized' } : undefined
  }
  const meta = {
    rentExemptReserve: `${reader.u64()}`,
    authorized: { staker: reader.pubkey(), withdrawer: reader.pubkey() },
    lockup: { unixTimestamp: reader.i64(), epoch: reader.u64(), custodian: reader.pubkey() }
  }
  if (kind === 1) {
    return { type: 'initialized', info: { meta, stake: null } }
  }
  const delegation = {
    voter: reader.pubkey(),
    stake: `${reader.u64()}`,
    activationEpoch: `${reader.u64()}`,
    deactivationEpoch: `${reader.u64()}`
  }
  // the rate of warming up, which is not told any more
  reader.bytes(8)
  return { type: 'delegated', info: { meta, stake: { delegation, creditsObserved: reader.u64() } } }
}

const list = <T>(reader: ByteReader, item: () => T): T[] => Array.from({ length: Number(reader.u64()) }, item)
const feeCalculator = (reader: ByteReader) => ({ lamportsPerSignature: `${reader.u64()}` })

/** The eight bits of each byte, the lowest first. */
const BITS = Array.from({ length: 256 }, (_, byte) => [...byte.toString(2).padStart(8, '0')].reverse().join(''))

/** A bit for each of the last million slots, whether it had a block: written one by one, as Solana's nodes do. */
function parseSlotHistory(reader: ByteReader) {
  const bits = reader.option(() => reader.bytes(Number(reader.u64()) * 8)) ?? []
  // how many there are
  reader.u64()
  return { nextSlot: reader.u64(), bits: Array.from(bits, (byte) => BITS[byte]).join('') }
}

/** By the sysvar's address. */
const SYSVAR_PARSERS: Record<string, [type: string, parse: (reader: ByteReader) => unknown]> = {
  SysvarC1ock11111111111111111111111111111111: [
    'clock',
    (r) => ({ slot: r.u64(), epochStartTimestamp: r.i64(), epoch: r.u64(), leaderScheduleEpoch: r.u64(), unixTimestamp: r.i64() })
  ],
  SysvarEpochSchedu1e111111111111111111111111: [
    'epochSchedule',
    (r) => ({
      slotsPerEpoch: r.u64(),
      leaderScheduleSlotOffset: r.u64(),
      warmup: r.flag(),
      firstNormalEpoch: r.u64(),
      firstNormalSlot: r.u64()
    })
  ],
  SysvarFees111111111111111111111111111111111: ['fees', (r) => ({ feeCalculator: feeCalculator(r) })],
  SysvarRecentB1ockHashes11111111111111111111: [
    'recentBlockhashes',
    (r) => list(r, () => ({ blockhash: r.pubkey(), feeCalculator: feeCalculator(r) }))
  ],
  SysvarRent111111111111111111111111111111111: ['rent', (r) => ({ lamportsPerByte: `${r.u64()}` })],
  SysvarS1otHashes111111111111111111111111111: ['slotHashes', (r) => list(r, () => ({ slot: r.u64(), hash: r.pubkey() }))],
  SysvarS1otHistory11111111111111111111111111: ['slotHistory', parseSlotHistory],
  SysvarStakeHistory1111111111111111111111111: [
    'stakeHistory',
    (r) => list(r, () => ({ epoch: r.u64(), stakeHistory: { effective: r.u64(), activating: r.u64(), deactivating: r.u64() } }))
  ],
  SysvarLastRestartS1ot1111111111111111111111: ['lastRestartSlot', (r) => ({ lastRestartSlot: r.u64() })],
  SysvarEpochRewards1111111111111111111111111: [
    'epochRewards',
    (r) => ({
      distributionStartingBlockHeight: r.u64(),
      numPartitions: r.u64(),
      parentBlockhash: r.pubkey(),
      totalPoints: `${r.u128()}`,
      totalRewards: `${r.u64()}`,
      distributedRewards: `${r.u64()}`,
      active: r.flag()
    })
  ]
}

function parseSysvar({ data }: AccountState, key: string | undefined): ParsedAccount['parsed'] | undefined {
  const [type, parse] = SYSVAR_PARSERS[key ?? ''] ?? []
  return type === undefined || parse === undefined ? undefined : { type, info: parse(new ByteReader(data)) }
}
