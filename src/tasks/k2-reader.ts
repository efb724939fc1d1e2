import type { Connection, Finality } from '@solana/web3.js'
import PQueue from 'p-queue'
import { z } from 'zod'
import type { TaskBlock, TaskK2Reader } from './api.ts'
import { problemIn } from './words.ts'

/** K2 could not say what a slot holds: nothing follows from it, least of all that the slot is empty. */
export class K2ReadError extends Error {
  override name = 'K2ReadError'
}

/** SLOT_SKIPPED and LONG_TERM_STORAGE_SLOT_SKIPPED of the JSON-RPC: there never was a block, and there never will be. */
const SKIPPED_CODES = [-32007, -32009]

/** Several tasks and stages read the same newest slots; a round of audits reads one round back. */
const DEFAULT_CACHED_BLOCKS = 128
const DEFAULT_CONCURRENCY = 8
const DEFAULT_TIMEOUT_MS = 10_000

/** Where blocks come from: a web3.js v1 `Connection` with one method more, as src/k2 makes it. */
export interface BlockSource extends Pick<Connection, 'getSlot' | 'getBlocks'> {
  /** A JSON-RPC request whose integers past 2^53 are bigints: balances are, of whoever has more than nine million KOII. */
  requestExact(method: string, params: unknown[]): Promise<unknown>
}

export interface K2ReaderOptions {
  /** blocks below this may still vanish; 'confirmed' by default */
  commitment?: Finality
  /** requests under way at a time */
  concurrency?: number
  cachedBlocks?: number
  /** for one request */
  timeoutMs?: number
}

/** Read access to K2's blocks for tasks: bounded in concurrency and memory, exact about what it does not know. */
export function createK2Reader(connection: BlockSource, options: K2ReaderOptions = {}): TaskK2Reader {
  const {
    commitment = 'confirmed',
    concurrency = DEFAULT_CONCURRENCY,
    cachedBlocks = DEFAULT_CACHED_BLOCKS,
    timeoutMs = DEFAULT_TIMEOUT_MS
  } = options
  const queue = new PQueue({ concurrency })
  // insertion order is age: a hit moves to the end, the first goes. Promises, so that five readers of a slot ask once.
  const cache = new Map<number, Promise<TaskBlock | null>>()

  /** Waits for a turn and an answer, not longer than the caller does. web3.js v1 takes no signal: its answer is dropped. */
  async function run<T>(what: string, request: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted()
    const expired = Promise.withResolvers<never>()
    const onAbort = () => expired.reject(signal!.reason)
    signal?.addEventListener('abort', onAbort)
    let timer: NodeJS.Timeout | undefined
    const task = queue.add(
      () =>
        Promise.race([
          request(),
          new Promise<never>((_resolve, reject) => {
            timer = setTimeout(
              () => reject(new K2ReadError(`K2 did not answer ${what} within ${Math.round(timeoutMs)} ms. Check the K2 URL`)),
              timeoutMs
            )
          })
        ]).finally(() => clearTimeout(timer)),
      signal == null ? {} : { signal }
    )
    try {
      return await Promise.race([task, expired.promise])
    } catch (error) {
      throw error === signal?.reason || error instanceof K2ReadError
        ? error
        : new K2ReadError(`K2 did not answer ${what}: ${factOf(error)}`, { cause: error })
    } finally {
      signal?.removeEventListener('abort', onAbort)
      expired.promise.catch(() => {})
    }
  }

  async function readBlock(slot: number): Promise<TaskBlock | null> {
    const block = await run(`getBlock(${slot})`, async () => {
      try {
        const config = { commitment, encoding: 'json', maxSupportedTransactionVersion: 0, transactionDetails: 'full', rewards: false }
        return toTaskBlock(slot, await connection.requestExact('getBlock', [slot, config]))
      } catch (error) {
        if (SKIPPED_CODES.includes((error as { code?: number }).code as number)) {
          return 'skipped'
        }
        throw error
      }
    })
    if (block === 'skipped') {
      return null
    }
    if (block != null) {
      return block
    }
    // a null means "no block" and "not here yet" alike: only a list that reaches past the slot tells them apart
    const newest = await run('getSlot', () => connection.getSlot(commitment))
    const around = newest > slot ? await run('getBlocks', () => connection.getBlocks(slot, newest, commitment)) : []
    if (around.length === 0 || around.includes(slot)) {
      throw new K2ReadError(`K2 does not have the block of slot ${slot} yet`)
    }
    return null
  }

  return {
    slot: ({ signal }) => run('getSlot', () => connection.getSlot(commitment), signal),

    blocks: (start, end, { signal }) => run(`getBlocks(${start}, ${end})`, () => connection.getBlocks(start, end, commitment), signal),

    async block(slot, { signal }) {
      signal.throwIfAborted()
      let reading = cache.get(slot)
      cache.delete(slot)
      if (reading == null) {
        reading = readBlock(slot)
        // a failure is not remembered
        reading.catch(() => {
          if (cache.get(slot) === reading) {
            cache.delete(slot)
          }
        })
      }
      cache.set(slot, reading)
      if (cache.size > cachedBlocks) {
        cache.delete(cache.keys().next().value!)
      }
      const aborted = Promise.withResolvers<never>()
      const onAbort = () => aborted.reject(signal.reason)
      signal.addEventListener('abort', onAbort)
      try {
        return await Promise.race([reading, aborted.promise])
      } finally {
        signal.removeEventListener('abort', onAbort)
        aborted.promise.catch(() => {})
      }
    }
  }
}

const amount = z.union([z.int().nonnegative(), z.bigint().nonnegative()]).transform(String)
const index = z.int().nonnegative()
const keys = z.array(z.string())
/** What is used of a block with encoding `json`: https://solana.com/docs/rpc/http/getblock */
const blockSchema = z.object({
  blockhash: z.string(),
  parentSlot: z.int().nonnegative(),
  transactions: z.array(
    z.object({
      transaction: z.object({
        signatures: z.array(z.string()).min(1),
        message: z.object({ accountKeys: keys.min(1), instructions: z.array(z.object({ programIdIndex: index })) })
      }),
      meta: z
        .object({
          err: z.unknown(),
          fee: amount,
          preBalances: z.array(amount),
          postBalances: z.array(amount),
          innerInstructions: z.array(z.object({ index, instructions: z.array(z.object({ programIdIndex: index })) })).nullish(),
          loadedAddresses: z.object({ writable: keys, readonly: keys }).nullish()
        })
        .nullable()
    })
  )
})

/**
 * A block as tasks get it, or null where K2 has none.
 *
 * @param answer - what getBlock gives with encoding `json`
 * @throws K2ReadError when it is no block, and when K2 keeps no metadata for a transaction: its effects are unknown then
 */
export function toTaskBlock(slot: number, answer: unknown): TaskBlock | null {
  if (answer == null) {
    return null
  }
  const { success, data: block, error } = blockSchema.safeParse(answer)
  if (!success) {
    throw new K2ReadError(`K2's block of slot ${slot} makes no sense (${problemIn(error)}). Check the K2 URL`)
  }
  return {
    slot,
    blockhash: block.blockhash,
    parentSlot: block.parentSlot,
    transactions: block.transactions.map(({ transaction: { signatures, message }, meta }) => {
      const signature = signatures[0]!
      if (meta == null) {
        throw new K2ReadError(`K2 has no metadata for transaction ${signature} of slot ${slot}. Use an RPC node that keeps it`)
      }
      const { writable, readonly } = meta.loadedAddresses ?? { writable: [], readonly: [] }
      const accounts = [...message.accountKeys, ...writable, ...readonly]
      const program = ({ programIdIndex }: { programIdIndex: number }): string => {
        const key = accounts[programIdIndex]
        if (key == null) {
          throw new K2ReadError(`transaction ${signature} of slot ${slot} runs a program that is not among its accounts. Check the K2 URL`)
        }
        return key
      }
      // in order: each program, then those that it called
      const programs = message.instructions.flatMap((instruction, at) => [
        program(instruction),
        ...(meta.innerInstructions ?? []).filter((group) => group.index === at).flatMap(({ instructions }) => instructions.map(program))
      ])
      return {
        signature,
        feePayer: accounts[0]!,
        fee: meta.fee,
        err: meta.err == null ? null : JSON.stringify(meta.err),
        programs: [...new Set(programs)],
        accounts,
        preBalances: meta.preBalances,
        postBalances: meta.postBalances
      }
    })
  }
}

/** Without what an error advises whoever is at a command line. */
function factOf(error: unknown): string {
  const { fact, message } = error as { fact?: unknown; message: string }
  return typeof fact === 'string' ? fact : message
}
