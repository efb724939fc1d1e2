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
/** By Solana's rules a block's confirmations are told for so many depths, and no longer than it takes to be final. */
const COMMITMENT_DEPTHS = 32
const STAKE_PROGRAM = 'Stake11111111111111111111111111111111111111'
/** The stake program's instruction that tells the least stake. */
const GET_MINIMUM_DELEGATION = 13

const none = z.tuple([])
const commitmentConfig = z.object(p.commitment).nullish()
const scheduleConfig = z.object({ ...p.commitment, identity: p.pubkey.nullish() }).nullish()

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
  getSlotLeaders: method(z.tuple([p.slot, p.slot]), ({ chain }, [, limit]) => {
    if (limit > MAX_SLOT_LEADERS) {
      throw invalidParams(`Invalid limit; max ${MAX_SLOT_LEADERS}`)
    }
    return Array.from({ length: limit }, () => chain.identity)
  }),
  getLeaderSchedule: method(
    z.union([z.tuple([p.slot.nullish(), scheduleConfig.optional()]), z.tuple([scheduleConfig.optional()])]),
    (context, params) => {
      const slot = typeof params[0] === 'number' ? params[0] : undefined
      const config = params[1] ?? (typeof params[0] === 'object' ? params[0] : undefined)
      const epoch = epochOf(context.ledger.slot(config?.commitment ?? 'finalized'))
      // a node knows the schedule until the end of the next epoch
      if (slot !== undefined && epochOf(slot) > epoch + 1) {
        return null
      }
      const { identity } = context.chain
      return config?.identity != null && config.identity.text !== identity
        ? {}
        : { [identity]: Array.from({ length: SLOTS_PER_EPOCH }, (_, index) => index) }
    }
  ),
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
          delinquentSlotDistance: p.slot.nullish()
        })
        .nullish()
        .optional()
    ]),
    () => ({ current: [], delinquent: [] })
  ),
  getInflationGovernor: method(z.tuple([commitmentConfig.optional()]), () => ({
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
        .object({ ...p.commitment, ...p.minContextSlot, epoch: p.slot.nullish() })
        .nullish()
        .optional()
    ]),
    (context, [addresses, config]) => {
      const epoch = epochOf(slotFor(context, config))
      // rewards of an epoch are paid in the next one's first block
      const asked = config?.epoch ?? Math.max(0, epoch - 1)
      if (asked >= epoch && config?.epoch != null) {
        throw blockNotAvailable((asked + 1) * SLOTS_PER_EPOCH)
      }
      return addresses.map(() => null)
    }
  ),
  getStakeMinimumDelegation: method(z.tuple([commitmentConfig.optional()]), (context, [config]) =>
    withContext(slotFor(context, config), minimumDelegation(context))
  ),
  getBlockCommitment: method(z.tuple([p.slot]), ({ ledger, history }, [slot]) => {
    const recent = slot <= ledger.slot('processed') && slot > ledger.slot('processed') - COMMITMENT_DEPTHS
    const exists = recent && (slot === ledger.slot('processed') || history.block(slot) !== undefined)
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
      const epochStart = epochOf(slot) * SLOTS_PER_EPOCH
      const [firstSlot, lastSlot] = [config?.range?.firstSlot ?? epochStart, config?.range?.lastSlot ?? slot]
      if (firstSlot < epochStart) {
        throw invalidParams(`firstSlot, ${firstSlot}, is too small; min ${epochStart}`)
      }
      if (lastSlot < firstSlot || lastSlot > slot) {
        throw invalidParams(
          lastSlot > slot
            ? `lastSlot, ${lastSlot}, is too large; max ${slot}`
            : `lastSlot, ${lastSlot}, cannot be less than firstSlot, ${firstSlot}`
        )
      }
      const wanted = config?.identity == null || config.identity.text === chain.identity
      // the slot in progress will have its block
      const made = history.countBlocks(firstSlot, lastSlot) + (lastSlot === ledger.slot('processed') ? 1 : 0)
      const byIdentity = wanted ? { [chain.identity]: [lastSlot - firstSlot + 1, made] } : {}
      return withContext(slot, { byIdentity, range: { firstSlot, lastSlot } })
    }
  ),
  getRecentPerformanceSamples: method(z.tuple([p.slot.nullish().optional()]), ({ ledger, history }, [given]) => {
    const limit = given ?? MAX_PERFORMANCE_SAMPLES
    if (limit > MAX_PERFORMANCE_SAMPLES) {
      throw invalidParams(`Invalid limit; max ${MAX_PERFORMANCE_SAMPLES}`)
    }
    return history.samples(SAMPLE_PERIOD_S, ledger.tip.blockTimeS, limit).map(({ slot, firstSlot, transactions }) => ({
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

function epochOf(slot: number): number {
  return Math.floor(slot / SLOTS_PER_EPOCH)
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
