import type { Connection, Finality, VersionedBlockResponse } from '@solana/web3.js'
import PQueue from 'p-queue'
import type { TaskBlock, TaskK2Reader } from './api.ts'

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

/** The part of a web3.js v1 `Connection` that is used. */
export type BlockSource = Pick<Connection, 'getSlot' | 'getBlock' | 'getBlocks'>

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
              () => reject(new K2ReadError(`K2 did not answer ${what} within ${timeoutMs} ms. Check the K2 URL`)),
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
        : new K2ReadError(`K2 did not answer ${what}: ${(error as Error).message}`, { cause: error })
    } finally {
      signal?.removeEventListener('abort', onAbort)
      expired.promise.catch(() => {})
    }
  }

  async function readBlock(slot: number): Promise<TaskBlock | null> {
    const block = await run(`getBlock(${slot})`, async () => {
      try {
        return await connection.getBlock(slot, {
          commitment,
          maxSupportedTransactionVersion: 0,
          transactionDetails: 'full',
          rewards: false
        })
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
      return toTaskBlock(slot, block)
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

/** A block as tasks get it. @throws K2ReadError when K2 keeps no metadata for a transaction: its effects are unknown then. */
export function toTaskBlock(slot: number, block: VersionedBlockResponse): TaskBlock {
  return {
    slot,
    blockhash: block.blockhash,
    parentSlot: block.parentSlot,
    transactions: block.transactions.map(({ transaction, meta }) => {
      const signature = transaction.signatures[0]!
      if (meta == null) {
        throw new K2ReadError(`K2 has no metadata for transaction ${signature} of slot ${slot}. Use an RPC node that keeps it`)
      }
      const { message } = transaction
      const loaded = meta.loadedAddresses
      const accounts = [...message.staticAccountKeys, ...(loaded?.writable ?? []), ...(loaded?.readonly ?? [])].map(String)
      const programs = new Set<string>()
      message.compiledInstructions.forEach((instruction, index) => {
        programs.add(accounts[instruction.programIdIndex]!)
        for (const inner of meta.innerInstructions?.filter((group) => group.index === index) ?? []) {
          for (const { programIdIndex } of inner.instructions) {
            programs.add(accounts[programIdIndex]!)
          }
        }
      })
      return {
        signature,
        feePayer: accounts[0]!,
        fee: String(meta.fee),
        err: meta.err == null ? null : JSON.stringify(meta.err),
        programs: [...programs],
        accounts,
        preBalances: meta.preBalances.map(String),
        postBalances: meta.postBalances.map(String)
      }
    })
  }
}
