import { parseJson } from '../../../k2/json.ts'
import { encodeBase58 } from '../../base58.ts'
import { ByteReader } from '../../byte-reader.ts'
import type { AccountState } from '../../vm.ts'
import type { ParsedAccount } from './parsed-account.ts'

// VoteStateVersions, as bincode writes it: a number of four bytes, then the fields. Source: solana-vote-interface (src/state)
const V1_14_11 = 1
const V3 = 2
const V4 = 3
/** What a version before the fourth stands for, in hundredths of a percent: all revenue of blocks is the validator's. */
const ALL_BPS = 10_000
const BLS_KEY_BYTES = 48
/** 32 former voters with their epochs, a position and a flag. */
const PRIOR_VOTERS_BYTES = 32 * (32 + 8 + 8) + 8 + 1

/** Begins the keys of an account about a validator. */
const VALIDATOR_INFO = 'Va1idator1nfo111111111111111111111111111111'

function list<T>(reader: ByteReader, item: () => T): T[] {
  const length = reader.u64()
  // every item is longer than a byte
  if (length > reader.left) {
    throw new RangeError(`a list of ${length} is longer than what is left`)
  }
  return Array.from({ length: Number(length) }, item)
}

/** A vote account, in the words of the fourth version whatever its own. */
export function parseVote({ data }: AccountState, key: string | undefined): ParsedAccount['parsed'] | undefined {
  const reader = new ByteReader(data)
  const version = reader.u32()
  if (version !== V1_14_11 && version !== V3 && version !== V4) {
    return undefined
  }
  const nodePubkey = reader.pubkey()
  const authorizedWithdrawer = reader.pubkey()
  const revenue = version === V4 ? revenueOf(reader) : earlierRevenue(reader.u8(), { nodePubkey, key })
  const votes = list(reader, () => {
    const latency = version === V1_14_11 ? 0 : reader.u8()
    return { latency, slot: reader.u64(), confirmationCount: reader.u32() }
  })
  const rootSlot = reader.option(() => reader.u64()) ?? null
  const authorizedVoters = list(reader, () => ({ epoch: reader.u64(), authorizedVoter: reader.pubkey() }))
  if (version !== V4) {
    reader.bytes(PRIOR_VOTERS_BYTES)
  }
  const epochCredits = list(reader, () => ({ epoch: reader.u64(), credits: `${reader.u64()}`, previousCredits: `${reader.u64()}` }))
  const lastTimestamp = { slot: reader.u64(), timestamp: reader.i64() }
  const info = {
    nodePubkey,
    authorizedWithdrawer,
    ...revenue,
    votes,
    rootSlot,
    authorizedVoters,
    priorVoters: [],
    epochCredits,
    lastTimestamp
  }
  return { type: 'vote', info }
}

function revenueOf(reader: ByteReader) {
  const [inflationRewardsCollector, blockRevenueCollector] = [reader.pubkey(), reader.pubkey()]
  const [inflationRewardsCommissionBps, blockRevenueCommissionBps] = [reader.u16(), reader.u16()]
  return {
    commission: Math.min(255, Math.floor(inflationRewardsCommissionBps / 100)),
    inflationRewardsCollector,
    blockRevenueCollector,
    inflationRewardsCommissionBps,
    blockRevenueCommissionBps,
    pendingDelegatorRewards: `${reader.u64()}`,
    blsPubkeyCompressed: reader.option(() => encodeBase58(reader.bytes(BLS_KEY_BYTES))) ?? null
  }
}

function earlierRevenue(commission: number, { nodePubkey, key }: { nodePubkey: string; key: string | undefined }) {
  return {
    commission,
    inflationRewardsCollector: key,
    blockRevenueCollector: nodePubkey,
    inflationRewardsCommissionBps: commission * 100,
    blockRevenueCommissionBps: ALL_BPS,
    pendingDelegatorRewards: '0',
    blsPubkeyCompressed: null
  }
}

/** An account of the config program, of which only what is about a validator is read, as on Solana. */
export function parseConfig({ data }: AccountState): ParsedAccount['parsed'] | undefined {
  const reader = new ByteReader(data)
  // a short vector: fewer than 128 keys have their count in one byte
  const count = reader.u8()
  if (count > 127) {
    return undefined
  }
  const keys = Array.from({ length: count }, () => ({ pubkey: reader.pubkey(), signer: reader.flag() }))
  if (keys[0]?.pubkey !== VALIDATOR_INFO) {
    return undefined
  }
  try {
    return { type: 'validatorInfo', info: { keys, configData: parseJson(reader.text(8)) } }
  } catch (err) {
    if (err instanceof SyntaxError) {
      return undefined
    }
    throw err
  }
}
