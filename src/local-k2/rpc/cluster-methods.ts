import { z } from 'zod'
import { decodeBase58 } from '../base58.ts'
import { decodeTransaction } from '../transaction.ts'
import { SLOTS_PER_EPOCH } from '../vm.ts'
import { API_VERSION, FEATURE_SET, method, type RpcContext, slotFor, withContext } from './context.ts'
import { blockNotAvailable, INTERNAL_ERROR, invalidParams, RpcError } from './errors.ts'
import * as p from './params.ts'

// a cluster of one validator that leads every slot and has no stake: there are no votes here, no inflation and no rewards

const MAX_SLOT_LEADERS = 5000
const MAX_PERFORMANCE_SAMPLES = 720
const SAMPLE_PERIOD_S = 60
const MAX_FEE_ACCOUNTS = 128
/** How many slots the sysvar of the slots' history goes back, by Solana's rules. */
const SLOT_HISTORY = 1024 * 1024
/** By Solana's rules a block's confirmations are told for so many depths, and no longer than it takes to be final. */
const COMMITMENT_DEPTHS = 32
const STAKE_PROGRAM = 'Stake11111111111111111111111111111111111111'
/** The stake program's instruction that tells the least stake. */
const GET_MINIMUM_DELEGATION = 13

const none = z.tuple([])
const commitmentConfig = z.object(p.commitment).nullish()
const scheduleConfig = z.object({ ...p.commitment, identity: p.pubkey.nullish() }).nullish()
const slotOrSchedule = p.untagged(
  'RpcLeaderScheduleConfigWrapper',
  scheduleConfig
    .unwrap()
    .unwrap()
    .transform((config) => ({ config })),
  p.slot.transform((slot) => ({ slot }))
)

/** Who makes the blocks, and how they fare. */
export const clusterMethods = {
  getClusterNodes: method(none, ({ chain, listens }) => {
    const { rpc, pubsub } = listens()
    const absent = { gossip: null, serveRepair: null, shredVersion: null, tvu: null, tpu: null, tpuForwards: null }
    const quic = { tpuForwardsQuic: null, tpuQuic: null, tpuVote: null, clientId: null }
    return [{ pubkey: chain.identity, rpc, pubsub, version: API_VERSION, featureSet: FEATURE_SET, ...absent, ...quic }]
  }),
  getSlotLeader: method(z.tuple([p.viewConfig.optional()]), (context, [config]) => {
    slotFor(context, config)
    return context.chain.identity
  }),
  getSlotLeaders: method(z.tuple([p.slot, p.u64]), ({ chain, ledger }, [from, limit]) => {
    if (limit > MAX_SLOT_LEADERS) {
      throw invalidParams(`Invalid limit; max ${MAX_SLOT_LEADERS}`)
    }
    // the first epoch of those asked for that nobody knows the schedule of
    const unknown = lastKnownEpoch(ledger.slot('finalized')) + 1n
    const [first, last] = [epochOf(from), epochOf(BigInt(from) + BigInt(limit) - 1n)]
    if (limit > 0 && last >= unknown) {
      throw invalidParams(`Invalid slot range: leader schedule for epoch ${first > unknown ? first : unknown} is unavailable`)
    }
    return Array.from({ length: Number(limit) }, () => chain.identity)
  }),
  getLeaderSchedule: method(z.tuple([slotOrSchedule.optional(), scheduleConfig.optional()]), (context, [given, more]) => {
    const { slot, config } = { slot: undefined, config: more, ...given }
    const newest = context.ledger.slot(config?.commitment ?? 'finalized')
    if (slot !== undefined && epochOf(slot) > lastKnownEpoch(newest)) {
      return null
    }
    const { identity } = context.chain
    return config?.identity != null && config.identity.text !== identity
      ? {}
      : { [identity]: Array.from({ length: SLOTS_PER_EPOCH }, (_, index) => index) }
  }),
  getEpochSchedule: method(none, () => ({
    slotsPerEpoch: SLOTS_PER_EPOCH,
    leaderScheduleSlotOffset: SLOTS_PER_EPOCH,
    warmup: false,
    firstNormalEpoch: 0,
    firstNormalSlot: 0
  })),
  getVoteAccounts: method(
    z.tuple([
      z
        .object({
          ...p.commitment,
          votePubkey: p.pubkey.nullish(),
          keepUnstakedDelinquents: z.boolean().nullish(),
          delinquentSlotDistance: p.u64.nullish()
        })
        .nullish()
        .optional()
    ]),
    () => ({ current: [], delinquent: [] })
  ),
  getInflationGovernor: method(z.tuple([p.commitmentAlone.optional()]), () => ({
    initial: 0,
    terminal: 0,
    taper: 0,
    foundation: 0,
    foundationTerm: 0
  })),
  getInflationRate: method(none, ({ ledger }) => ({ epoch: epochOf(ledger.slot('finalized')), total: 0, validator: 0, foundation: 0 })),
  getInflationReward: method(
    z.tuple([
      z.array(p.pubkey),
      z
        .object({ ...p.commitment, ...p.minContextSlot, epoch: p.u64.nullish() })
        .nullish()
        .optional()
    ]),
    (context, [addresses, config]) => {
      const epoch = epochOf(slotFor(context, config))
      // rewards of an epoch are paid in the next one's first block
      if (config?.epoch != null && config.epoch >= epoch) {
        throw blockNotAvailable(firstSlotOf(BigInt(config.epoch) + 1n))
      }
      return addresses.map(() => null)
    }
  ),
  getStakeMinimumDelegation: method(z.tuple([commitmentConfig.optional()]), (context, [config]) =>
    withContext(slotFor(context, config), minimumDelegation(context))
  ),
  getBlockCommitment: method(z.tuple([p.slot]), ({ ledger, history }, [slot]) => {
    const recent = slot <= ledger.slot('processed') && slot > ledger.slot('processed') - COMMITMENT_DEPTHS
    const exists = recent && (BigInt(slot) === BigInt(ledger.slot('processed')) || history.block(Number(slot)) !== undefined)
    return { commitment: exists ? Array.from({ length: COMMITMENT_DEPTHS }, () => 0) : null, totalStake: 0 }
  }),
  getBlockProduction: method(
    z.tuple([
      z
        .object({
          ...p.commitment,
          identity: p.pubkey.nullish(),
          range: z.object({ firstSlot: p.slot, lastSlot: p.slot.nullish() }).nullish()
        })
        .nullish()
        .optional()
    ]),
    (context, [config]) => {
      const { ledger, history, chain } = context
      const slot = ledger.slot(config?.commitment ?? 'finalized')
      const [first, last] = [config?.range?.firstSlot ?? Number(firstSlotOf(epochOf(slot))), config?.range?.lastSlot ?? slot]
      const oldest = Math.max(0, slot + 1 - SLOT_HISTORY)
      if (last < first) {
        throw invalidParams(`lastSlot, ${last}, cannot be less than firstSlot, ${first}`)
      }
      if (first < oldest) {
        throw invalidParams(`firstSlot, ${first}, is too small; min ${oldest}`)
      }
      if (last > slot) {
        throw invalidParams(`lastSlot, ${last}, is too large; max ${slot}`)
      }
      const [firstSlot, lastSlot] = [Number(first), Number(last)]
      const wanted = config?.identity == null || config.identity.text === chain.identity
      // the slot in progress will have its block
      const made = history.countBlocks(firstSlot, lastSlot) + (lastSlot === ledger.slot('processed') ? 1 : 0)
      const byIdentity = wanted ? { [chain.identity]: [lastSlot - firstSlot + 1, made] } : {}
      return withContext(slot, { byIdentity, range: { firstSlot, lastSlot } })
    }
  ),
  getRecentPerformanceSamples: method(z.tuple([p.usize.nullish().optional()]), ({ ledger, history }, [given]) => {
    const limit = given ?? MAX_PERFORMANCE_SAMPLES
    if (limit > MAX_PERFORMANCE_SAMPLES) {
      throw invalidParams(`Invalid limit; max ${MAX_PERFORMANCE_SAMPLES}`)
    }
    return history.samples(SAMPLE_PERIOD_S, ledger.tip.blockTimeS, Number(limit)).map(({ slot, firstSlot, transactions }) => ({
      slot,
      numTransactions: transactions,
      numNonVoteTransactions: transactions,
      numSlots: slot - firstSlot + 1,
      samplePeriodSecs: SAMPLE_PERIOD_S
    }))
  }),
  getRecentPrioritizationFees: method(z.tuple([z.array(p.pubkey).nullish().optional()]), ({ priorityFees }, [addresses]) => {
    if ((addresses?.length ?? 0) > MAX_FEE_ACCOUNTS) {
      throw invalidParams(`Too many inputs provided; max ${MAX_FEE_ACCOUNTS}`)
    }
    return priorityFees.recent((addresses ?? []).map(({ text }) => text))
  }),
  // of a consensus that this cluster of one has not
  getAgGenesisCert: method(none, () => null),
  getMaxRetransmitSlot: method(none, ({ ledger }) => ledger.slot('processed')),
  getMaxShredInsertSlot: method(none, ({ ledger }) => ledger.slot('processed'))
}

function epochOf(slot: p.Integer): bigint {
  return BigInt(slot) / BigInt(SLOTS_PER_EPOCH)
}

/** As Solana counts it: no further than 64 bits. */
function firstSlotOf(epoch: bigint): bigint {
  const slot = epoch * BigInt(SLOTS_PER_EPOCH)
  return slot < 2n ** 64n ? slot : 2n ** 64n - 1n
}

/** A node knows the schedule until the end of the next epoch. */
function lastKnownEpoch(newestSlot: number): bigint {
  return epochOf(newestSlot) + 1n
}

/** Asks the stake program itself, by a trial that the faucet would pay. */
function minimumDelegation({ ledger, chain }: RpcContext): bigint {
  const question = Buffer.alloc(4)
  question.writeUInt32LE(GET_MINIMUM_DELEGATION)
  const transaction = Buffer.concat([
    // one signature that nobody checks; one signer, one read-only key; one instruction, of the second key, without accounts
    Uint8Array.of(1),
    new Uint8Array(64),
    Uint8Array.of(1, 0, 1, 2),
    chain.faucet.publicKey,
    decodeBase58(STAKE_PROGRAM),
    decodeBase58(ledger.tip.blockhash),
    Uint8Array.of(1, 1, 0, question.length),
    question
  ])
  const { returnData, err } = ledger.simulate(decodeTransaction(transaction), { verifySignatures: false, anyBlockhash: true })
  if (returnData === null) {
    throw new RpcError(INTERNAL_ERROR, `the stake program does not tell its least stake: ${JSON.stringify(err)}`)
  }
  return Buffer.from(returnData.data[0], 'base64').readBigUInt64LE(0)
}
