/**
 * The settlement program's two kinds of account, from their bytes. Layout: protocols/settlement/README.md, "Accounts".
 *
 * Whoever fetches an account must see to it that its owner is the program (`getProgramAccounts` does): anyone can make an
 * account with the same bytes under a program of his own.
 */
import { type GetProgramAccountsFilter, PublicKey } from '@solana/web3.js'
import { AccountKindError, AccountLengthError, AccountValueError, AccountVersionError } from './errors.ts'
import { FORMER_TERMS, RING_ENTRIES, type Ring, SLASH_UNITS } from './weights.ts'

export const TASK_BYTES = 1280
export const STAKE_BYTES = 448
export const KIND_TASK = 1
export const KIND_STAKE = 2
export const ACCOUNT_VERSION = 1
/** How many different results of one cycle the program weighs at once. */
export const TALLY_ENTRIES = 8

const TASK_AT = {
  manager: 8,
  name: 40,
  roundSlots: 72,
  result: 160,
  bounty: 232,
  stake: 296,
  funded: 360,
  bundle: 424,
  tally: 584,
  terms: 1240
}
const STAKE_AT = { task: 8, staker: 40, stakingKey: 72, withdrawAuthority: 104, amount: 136, lastVoted: 200, hint: 288, formerKey: 416 }
const NAME_BYTES = 32
const RING_BYTES = 16 * RING_ENTRIES
const BUNDLE_SLOT_BYTES = 80
const TALLY_ENTRY_BYTES = 80

/** What a vote is for: hashes of 32 bytes; the rewards are all those since the task began, in ROE. */
export interface VoteResult {
  root: Uint8Array
  recordDigest: Uint8Array
  totalRewards: bigint
}

/** A result of the open tally and the stake behind it, in ROE. */
export interface TallyEntry extends VoteResult {
  weight: bigint
}

/** A bundle's CID, as text, and the cycle from which it is run. */
export interface BundleSlot {
  cid: string
  from: number
}

/** A task. Slots and cycles are counted; amounts are in ROE; keys are base58. */
export interface TaskAccount {
  address: string
  manager: string
  name: string
  roundSlots: number
  submissionWindow: number
  auditWindow: number
  startingSlot: number
  minStake: bigint
  /** lamports of the account that are not the pot */
  rentReserve: bigint
  stakerCount: number
  claimedTotal: bigint
  /** lies in the account for ever: nobody gets it */
  slashedTotal: bigint
  /** the most that one cycle may take of what a stake holds, in 1/10,000; fixed when the task was created */
  largestSlash: number
  /** a bundle that is given in round k counts from cycle k + this; fixed when the task was created */
  bundleNotice: number
  /** the first cycle that is no longer worked on, when the task is closed */
  closedFrom: number | undefined
  /** the last finalized cycle and its result */
  finalized: { cycle: number; root: Uint8Array; recordDigest: Uint8Array } | undefined
  /** all rewards since the task began, as of the last finalized cycle */
  totalRewards: bigint
  /** bounty per round */
  bounty: Ring
  /** of all stakers */
  stake: Ring
  /** everything ever put into the pot */
  funded: Ring
  /** the newest: see `bundleOf` for the one that a cycle runs */
  bundle: BundleSlot
  formerBundle: BundleSlot | undefined
  tally: { cycle: number; baseRewards: bigint; entries: TallyEntry[] } | undefined
}

/** One staker's stake in one task. Slots and cycles are counted; amounts are in ROE; keys are base58. */
export interface StakeAccount {
  address: string
  bump: number
  task: string
  /** who it is, for ever */
  staker: string
  /** who signs for it now */
  stakingKey: string
  withdrawAuthority: string
  amount: Ring
  lastVote: { cycle: number; recordDigest: Uint8Array } | undefined
  claimedReward: bigint
  appliedSlash: bigint
  /** the cycle whose ledger was the last to take a slash; once for each (below 2^32) */
  slashedIn: number | undefined
  /** no withdrawal before it */
  unlockSlot: number
  /** who signed before the staking key was replaced: in the mesh, for the cycles before `keyFrom` */
  formerKey: string | undefined
  keyFrom: number
  /** how much is on its way out: it can be withdrawn from `unlockSlot` on */
  unstaking: bigint
  rentReserve: bigint
  /** a multiaddr's text */
  addressHint: string | undefined
}

/**
 * Decodes a task account.
 *
 * @throws AccountLengthError, AccountKindError, AccountVersionError, AccountValueError
 */
export function decodeTask(address: string, data: Uint8Array): TaskAccount {
  const read = reader(address, data, 'task', KIND_TASK, TASK_BYTES)
  const at = TASK_AT.roundSlots
  const finalized = read.cycle('finalized', 152)
  const tallyCycle = read.cycle('tally cycle', TASK_AT.tally)
  const former = read.bundle('former bundle', TASK_AT.bundle + BUNDLE_SLOT_BYTES)
  const roundSlots = read.count('roundSlots', at)
  if (roundSlots === 0) {
    throw new AccountValueError(address, 'roundSlots', 0)
  }
  const bundleNotice = read.count('bundleNotice', TASK_AT.terms + 8)
  const largestSlash = read.count('largestSlash', TASK_AT.terms)
  if (largestSlash > SLASH_UNITS) {
    throw new AccountValueError(address, 'largestSlash', largestSlash)
  }
  const { totalRewards, ...result } = read.result(TASK_AT.result)
  return {
    address,
    manager: read.key(TASK_AT.manager),
    name: read.text(TASK_AT.name, NAME_BYTES).replace(/\0+$/, ''),
    roundSlots,
    submissionWindow: read.count('submissionWindow', at + 8),
    auditWindow: read.count('auditWindow', at + 16),
    startingSlot: read.count('startingSlot', at + 24),
    minStake: read.u64(at + 32),
    rentReserve: read.u64(at + 40),
    stakerCount: read.count('stakerCount', at + 48),
    claimedTotal: read.u64(at + 56),
    slashedTotal: read.u64(at + 64),
    ...(bundleNotice === 0 ? FORMER_TERMS : { largestSlash, bundleNotice }),
    closedFrom: read.cycle('closedFrom', at + 72),
    finalized: finalized == null ? undefined : { cycle: finalized, ...result },
    totalRewards,
    bounty: read.ring('bounty', TASK_AT.bounty),
    stake: read.ring('stake', TASK_AT.stake),
    funded: read.ring('funded', TASK_AT.funded),
    bundle: read.bundle('bundle', TASK_AT.bundle),
    formerBundle: former.cid === '' ? undefined : former,
    tally:
      tallyCycle == null
        ? undefined
        : {
            cycle: tallyCycle,
            baseRewards: read.u64(TASK_AT.tally + 8),
            entries: Array.from({ length: TALLY_ENTRIES }, (_, i) => TASK_AT.tally + 16 + i * TALLY_ENTRY_BYTES)
              .map((entry) => ({ ...read.result(entry), weight: read.u64(entry + 72) }))
              .filter(({ weight }) => weight > 0n)
          }
  }
}

/**
 * Decodes a stake account.
 *
 * @throws AccountLengthError, AccountKindError, AccountVersionError, AccountValueError
 */
export function decodeStake(address: string, data: Uint8Array): StakeAccount {
  const read = reader(address, data, 'stake', KIND_STAKE, STAKE_BYTES)
  const at = STAKE_AT.lastVoted
  const voted = read.cycle('lastVoted', at)
  const slashedIn = read.u32(4)
  const hintLength = data[3]!
  if (hintLength > 127) {
    throw new AccountValueError(address, 'hintLength', hintLength)
  }
  return {
    address,
    bump: data[2]!,
    task: read.key(STAKE_AT.task),
    staker: read.key(STAKE_AT.staker),
    stakingKey: read.key(STAKE_AT.stakingKey),
    withdrawAuthority: read.key(STAKE_AT.withdrawAuthority),
    amount: read.ring('amount', STAKE_AT.amount),
    lastVote: voted == null ? undefined : { cycle: voted, recordDigest: read.bytes(at + 8, 32) },
    claimedReward: read.u64(at + 40),
    appliedSlash: read.u64(at + 48),
    slashedIn: slashedIn === 0 ? undefined : slashedIn - 1,
    unlockSlot: read.count('unlockSlot', at + 56),
    formerKey: read.bytes(STAKE_AT.formerKey, 32).every((byte) => byte === 0) ? undefined : read.key(STAKE_AT.formerKey),
    keyFrom: read.count('keyFrom', at + 64),
    unstaking: read.u64(at + 72),
    rentReserve: read.u64(at + 80),
    addressHint: hintLength === 0 ? undefined : read.text(STAKE_AT.hint, hintLength)
  }
}

/** Filters that make `getProgramAccounts` give all tasks. */
export function taskFilters(): GetProgramAccountsFilter[] {
  return [{ dataSize: TASK_BYTES }, { memcmp: { offset: 0, bytes: base58(Uint8Array.of(KIND_TASK)) } }]
}

/** Filters that make `getProgramAccounts` give the stakes in one task, or one staker's stakes, or that one stake. */
export function stakeFilters({ task, staker }: { task?: string; staker?: string } = {}): GetProgramAccountsFilter[] {
  return [
    { dataSize: STAKE_BYTES },
    { memcmp: { offset: 0, bytes: base58(Uint8Array.of(KIND_STAKE)) } },
    ...(task == null ? [] : [{ memcmp: { offset: STAKE_AT.task, bytes: task } }]),
    ...(staker == null ? [] : [{ memcmp: { offset: STAKE_AT.staker, bytes: staker } }])
  ]
}

/** One byte below 58 is one character; no more is needed here. */
function base58(bytes: Uint8Array): string {
  return '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'.charAt(bytes[0]!)
}

/** Checks the head of an account and reads its fields. */
function reader(address: string, data: Uint8Array, name: string, kind: number, length: number) {
  if (data.length !== length) {
    throw new AccountLengthError(address, name, length, data.length)
  }
  if (data[0] !== kind) {
    throw new AccountKindError(address, name, data[0]!)
  }
  if (data[1] !== ACCOUNT_VERSION) {
    throw new AccountVersionError(address, data[1]!)
  }
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  const u64 = (at: number): bigint => view.getBigUint64(at, true)
  const bytes = (at: number, size: number): Uint8Array => Uint8Array.from(data.subarray(at, at + size))
  const text = (at: number, size: number): string => new TextDecoder().decode(data.subarray(at, at + size))
  const count = (field: string, at: number): number => {
    const value = u64(at)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new AccountValueError(address, field, value)
    }
    return Number(value)
  }
  return {
    u64,
    u32: (at: number): number => view.getUint32(at, true),
    bytes,
    text,
    count,
    key: (at: number): string => new PublicKey(bytes(at, 32)).toBase58(),
    /** stored plus one, so that 0 can mean none */
    cycle: (field: string, at: number): number | undefined => (u64(at) === 0n ? undefined : count(field, at) - 1),
    ring: (field: string, at: number): Ring =>
      Array.from({ length: RING_BYTES / 16 }, (_, i) => ({ value: u64(at + i * 16), from: count(field, at + i * 16 + 8) })),
    result: (at: number): VoteResult => ({ root: bytes(at, 32), recordDigest: bytes(at + 32, 32), totalRewards: u64(at + 64) }),
    bundle: (field: string, at: number): BundleSlot => {
      const size = data[at + 8]!
      if (size > BUNDLE_SLOT_BYTES - 16) {
        throw new AccountValueError(address, field, size)
      }
      return { from: count(field, at), cid: text(at + 16, size) }
    }
  }
}
