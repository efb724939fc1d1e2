import { z } from 'zod'
import type { Block } from '../block.ts'
import { SLOTS_PER_EPOCH } from '../vm.ts'
import { blockConfig, viewBlock } from './block-view.ts'
import { API_VERSION, FEATURE_SET, method, type RpcContext, slotFor, withContext } from './context.ts'
import { blockCleanedUp, blockNotAvailable, invalidParams, nodeUnhealthy, noSnapshot, slotSkipped } from './errors.ts'
import * as p from './params.ts'

/** The widest range of slots that getBlocks answers, by Solana's rules. */
const MAX_BLOCKS_RANGE = 500_000

const none = z.tuple([])
const view = z.tuple([p.viewConfig.optional()])
const commitmentConfig = z.object(p.commitment).nullish()
// the end of a range may be left out with the configuration in its place
const slotOrConfig = p.untagged(
  'RpcBlocksConfigWrapper',
  z.object(p.commitment).transform((config) => ({ config })),
  p.slot.transform((last) => ({ last }))
)

/** The node, its slots, blockhashes and blocks. */
export const chainMethods = {
  getHealth: method(none, ({ healthy }) => {
    if (!healthy()) {
      throw nodeUnhealthy()
    }
    return 'ok'
  }),
  getVersion: method(none, ({ pace }) => ({
    'solana-core': API_VERSION,
    'feature-set': FEATURE_SET,
    ...(pace === 'auto' ? { 'koii-mesh-pace': pace } : {})
  })),
  getGenesisHash: method(none, ({ chain }) => chain.genesisHash),
  getIdentity: method(none, ({ chain }) => ({ identity: chain.identity })),
  getSlot: method(view, (context, [config]) => slotFor(context, config)),
  getBlockHeight: method(view, (context, [config]) => {
    slotFor(context, config)
    return context.ledger.blockHeight(config?.commitment ?? 'finalized')
  }),
  getTransactionCount: method(view, (context, [config]) => {
    slotFor(context, config)
    return context.ledger.transactionCount(config?.commitment ?? 'finalized')
  }),
  getLatestBlockhash: method(view, (context, [config]) => withContext(slotFor(context, config), context.ledger.latestBlockhash())),
  isBlockhashValid: method(z.tuple([p.pubkey, p.viewConfig.optional()]), (context, [{ text }, config]) =>
    withContext(slotFor(context, config), context.ledger.isBlockhashValid(text, config?.commitment ?? 'finalized'))
  ),
  getEpochInfo: method(view, (context, [config]) => {
    const absoluteSlot = slotFor(context, config)
    const commitment = config?.commitment ?? 'finalized'
    return {
      absoluteSlot,
      blockHeight: context.ledger.blockHeight(commitment),
      epoch: Math.floor(absoluteSlot / SLOTS_PER_EPOCH),
      slotIndex: absoluteSlot % SLOTS_PER_EPOCH,
      slotsInEpoch: SLOTS_PER_EPOCH,
      transactionCount: context.ledger.transactionCount(commitment)
    }
  }),
  getSupply: method(
    z.tuple([
      z
        .object({ ...p.commitment, excludeNonCirculatingAccountsList: z.boolean().nullish() })
        .nullish()
        .optional()
    ]),
    (context, [config]) => {
      const total = context.ledger.supply(config?.commitment ?? 'finalized')
      return withContext(slotFor(context, config), { total, circulating: total, nonCirculating: 0, nonCirculatingAccounts: [] })
    }
  ),
  getFirstAvailableBlock: method(none, ({ history }) => history.firstSlot()),
  minimumLedgerSlot: method(none, ({ history }) => history.firstSlot()),
  // the chain on disk is its own snapshot: there are no files of snapshots
  getHighestSnapshotSlot: method(none, () => {
    throw noSnapshot()
  }),
  getBlockTime: method(z.tuple([p.slot]), (context, [slot]) => blockAt(context, slot).blockTimeS),
  getBlocks: method(z.tuple([p.slot, slotOrConfig.optional(), commitmentConfig.optional()]), (context, [from, given, more]) => {
    const { last, config } = { last: undefined, config: more, ...given }
    refuseProcessed(config ?? more)
    const newest = context.ledger.slot('finalized')
    const to = last !== undefined && last < newest ? Number(last) : newest
    if (from > to) {
      return []
    }
    const span = to - Number(from)
    // without an end there is one as far away as is allowed
    if (last !== undefined && span > MAX_BLOCKS_RANGE) {
      throw invalidParams(`Slot range too large; max ${MAX_BLOCKS_RANGE}`)
    }
    return context.history.slots(Number(from), Math.min(to, Number(from) + MAX_BLOCKS_RANGE))
  }),
  getBlocksWithLimit: method(z.tuple([p.slot, p.usize, commitmentConfig.optional()]), (context, [from, limit, config]) => {
    refuseProcessed(config)
    if (limit > MAX_BLOCKS_RANGE) {
      throw invalidParams(`Limit too large; max ${MAX_BLOCKS_RANGE}`)
    }
    return from > context.ledger.slot('finalized') ? [] : context.history.slotsFrom(Number(from), Number(limit))
  }),
  getBlock: method(z.tuple([p.slot, p.encodingOr(blockConfig).nullish().optional()]), (context, [slot, config]) => {
    refuseProcessed(config)
    const block = blockAt(context, slot)
    return viewBlock(block, block.transactions === 0 ? [] : context.history.transactionsOf(block.slot), config)
  })
}

/** @throws RpcError saying why there is no such block */
function blockAt({ ledger, history }: RpcContext, slot: p.Integer): Block {
  if (slot > ledger.slot('finalized')) {
    throw blockNotAvailable(slot)
  }
  const block = history.block(Number(slot))
  if (block === undefined) {
    const first = history.firstSlot()
    throw slot < first ? blockCleanedUp(slot, first) : slotSkipped(slot)
  }
  return block
}

/** Blocks are read once they are complete. @throws RpcError */
export function refuseProcessed(config: { commitment?: string | null | undefined } | null | undefined): void {
  if (config?.commitment === 'processed') {
    throw invalidParams('Method does not support commitment below `confirmed`')
  }
}
