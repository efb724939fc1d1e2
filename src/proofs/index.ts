/**
 * # proofs
 *
 * Makes, keeps, serves and fetches proofs: an embedded Helia on a libp2p node that it is lent.
 * Spec: protocols/proofs/README.md.
 *
 * @example
 * ```ts
 * const proofs = await createProofs({ libp2p, store: store.keyValue('proofs') }, { blocksDir: join(dataDir, 'blocks') })
 * await proofs.start()
 *
 * // the submitter
 * const { cid } = await proofs.packFiles([{ path: 'a.txt', content: bytes }])
 * const { sizeBytes, blocks } = await proofs.pin(cid, { task, cycle })   // what the submission declares
 *
 * // an auditor
 * await proofs.fetch(cid, { from: [{ peerId, multiaddrs }], declared: { sizeBytes, blocks }, timeoutMs: 10_000 })
 * await proofs.pin(cid, { task, cycle })
 * for await (const chunk of proofs.reader(cid).readFile('a.txt')) { ... }
 *
 * await proofs.collect({ task, finalizedCycle })
 * await proofs.stop()
 * ```
 */
import type { Libp2p, PeerId } from '@libp2p/interface'
import type { Helia } from 'helia'
import type { CID } from 'multiformats/cid'
import { createExchange } from './bitswap/index.ts'
import { type BlockArchive, type BlockFiles, Blocks } from './blocks.ts'
import { keyOf, toCid } from './cid-profile.ts'
import { type Collected, type CollectOptions, Keeper, type PinOptions } from './collect.ts'
import { ProofUnavailableError } from './errors.ts'
import { type Fetched, Fetcher, type FetchOptions } from './fetch.ts'
import { BlockFolder } from './files.ts'
import { createEmbeddedHelia } from './helia.ts'
import { type Packed, type PackedFile, packFiles, packNode } from './pack.ts'
import { type KeyValue, type Pin, Pins } from './pins.ts'
import { Announcer } from './provide.ts'
import { DialBook } from './providers.ts'
import { createReader, type ProofReader } from './reader.ts'
import { type SaveAs, type Saved, saveBlocks, saveProof } from './save.ts'
import { systemTimers, type Timers } from './timers.ts'

export { CarError, type CarFile, type CarProgress, inWhatItHolds, openCar } from './car.ts'
export { cidOfFiles } from './cid-of-files.ts'
export { profileFault, toCid } from './cid-profile.ts'
export type { Collected, CollectOptions, PinOptions } from './collect.ts'
export { type DeclaredProof, declaredFault, type SubmissionBounds } from './declared.ts'
export {
  BlockStoreError,
  isInvalidProof,
  PackError,
  ProofMalformedError,
  ProofTooDeepError,
  ProofTooLargeError,
  ProofUnavailableError,
  QuotaExceededError,
  SaveError
} from './errors.ts'
export type { Fetched, FetchOptions } from './fetch.ts'
export { type DagLimits, DEFAULT_DAG_LIMITS } from './limits.ts'
export { createMadeBook, MADE_BLOCKS, MADE_ROOTS, type MadeBook } from './made.ts'
export type { Packed, PackedFile } from './pack.ts'
export type { Pin } from './pins.ts'
export type { ProviderHint } from './providers.ts'
export type { ProofFile, ProofReader } from './reader.ts'
export type { SaveAs, Saved } from './save.ts'
export { createTaskProofs } from './task-proofs.ts'

export interface ProofsComponents {
  /** Started, and stopped by its owner after this room. */
  libp2p: Libp2p
  /** Where the pins are. */
  store: KeyValue
  /** Where blocks are read from that are not under `blocksDir`. */
  archive?: BlockArchive
  /** Instead of files under `blocksDir`. */
  files?: BlockFiles
  timers?: Timers
  /** Told of a block that could not be written. */
  onWriteFailed?: (err: unknown) => void
}

export interface ProofsInit {
  /** Where the blocks are, sharded by the end of their names. Made when it is missing. */
  blocksDir?: string
  /** Whether a peer's wants are answered. @default everyone's */
  mayServe?: (peerId: PeerId) => boolean
  /** Whether a peer, by the text of its PeerId, is served at once; all others share a budget. @default everyone */
  isStaked?: (peer: string) => boolean
  /** What all others get together. @default 1 MiB/s */
  unstakedBytesPerS?: number
  /** Whether an address of a provider that failed is left alone until `beginCycle`. @default it is tried again */
  dialOncePerCycle?: boolean
  /** Whether a fetch ends once all who are known have said that they do not have it, as one by hand does. @default false: it goes on to its timeout */
  endsWhenRefused?: boolean
  /** Half of how long peers keep what is provided, asked each time: tasks come and go. @default 20 minutes */
  reprovideIntervalMs?: number | (() => number)
}

export interface Proofs {
  /** The embedded node. Its block store fetches what is missing from connected peers; nothing can be deleted through it. */
  readonly helia: Helia
  start(): Promise<void>
  stop(): Promise<void>

  /** One dag-cbor block; links are CID objects. @throws PackError, BlockStoreError */
  packNode(value: unknown): Promise<Packed>
  /** A UnixFS directory, streamed. @throws PackError, BlockStoreError */
  packFiles(files: AsyncIterable<PackedFile> | Iterable<PackedFile>): Promise<Packed>
  /** The distinct blocks of a local DAG and the sum of their bytes. @throws ProofUnavailableError */
  measure(cid: CID | string): Promise<{ sizeBytes: number; blocks: number }>

  /**
   * Keeps a local DAG for a cycle of a task, and provides its root unless told not to.
   *
   * @throws ProofUnavailableError when not all of it is here
   */
  pin(cid: CID | string, options: PinOptions): Promise<Pin>
  unpin(cid: CID | string, options: { task: string; cycle: number }): Promise<void>
  pins(task?: string): Promise<Pin[]>
  /** What was fetched is kept elsewhere: it waits for no pin. */
  release(cids: readonly CID[]): void
  /** Drops the pins past retention, and every block that no pin reaches and nobody is writing. Safe at any time. */
  collect(options: CollectOptions): Promise<Collected>

  /**
   * Brings a proof here, and so lets it be served on. The caller pins it: unpinned, it is kept for ten minutes.
   *
   * @throws ProofUnavailableError not complete in time; ProofTooLargeError, ProofTooDeepError, ProofMalformedError never could be
   */
  fetch(cid: CID | string, options?: FetchOptions): Promise<Fetched>
  /** As `fetch`, and writes it out. @throws SaveError when the place is taken or a name in it is not safe */
  fetchTo(cid: CID | string, path: string, options?: FetchOptions & { as?: SaveAs }): Promise<Fetched & { saved: Saved }>
  /** Writes these blocks, and nothing that they link to, as they come. @throws SaveError when the place is taken, and what `blocks` throws */
  saveBlocks(root: CID, blocks: AsyncIterable<{ cid: CID; bytes: Uint8Array }>, path: string, as?: SaveAs): Promise<Saved>
  /** Reads a proof that is here. */
  reader(cid: CID | string): ProofReader

  /** A cycle has begun: addresses that failed in the one before may be dialled again. */
  beginCycle(): void
  stats(): ProofStats
}

export interface ProofStats {
  fetched: number
  fetchedBytes: number
  unavailable: number
  invalid: number
  stalls: number
  dhtQueries: number
  provided: number
  provideFailures: number
  servedBlocks: number
  servedBytes: number
  receivedBlocks: number
  receivedBytes: number
  /** Blocks that came without being asked for. */
  unwantedBlocks: number
  /** Streams reset for what came on them. */
  badFrames: number
  /** Blocks that had rotted on disk. */
  corruptBlocks: number
}

/** @throws BlockStoreError when `blocksDir` cannot be used */
export async function createProofs(
  { libp2p, store, archive, files, timers = systemTimers, onWriteFailed }: ProofsComponents,
  init: ProofsInit = {}
): Promise<Proofs> {
  const log = libp2p.logger.forComponent('koii-mesh:proofs')
  // what is on disk, safe to write and to clear at once
  const blocks = new Blocks({ files: files ?? (await BlockFolder.open(blocksDirOf(init))), archive, timers, log, onWriteFailed })
  // who speaks Bitswap, both ways
  const exchange = createExchange({ libp2p, blocks, timers, log }, init)
  // whom to ask for a proof, and when to give up
  const dials = init.dialOncePerCycle === true ? new DialBook() : undefined
  const fetcher = new Fetcher({ libp2p, blocks, client: exchange.client, timers, dials, endsWhenRefused: init.endsWhenRefused, log })
  // what stays
  const pins = new Pins(store)
  const keeper = new Keeper(blocks, pins)
  // what the DHT is told
  const announcer = new Announcer(
    { routing: libp2p.contentRouting, timers, log },
    { ...(init.reprovideIntervalMs == null ? {} : { reprovideIntervalMs: init.reprovideIntervalMs }) }
  )
  const helia = createEmbeddedHelia({
    blocks,
    async retrieve(cid, signal) {
      await fetcher.fetch(cid, { shallow: true, ...(signal == null ? {} : { signal }) })
      const bytes = await blocks.read(cid)
      if (bytes == null) {
        throw new ProofUnavailableError(cid, `block ${cid} was lost right after it came`, {})
      }
      return bytes
    }
  })
  const reader = (cid: CID | string) => createReader({ blocks, helia }, cid)
  const dropUnpinned = async (roots: CID[]) => {
    if (roots.length > 0) {
      const kept = new Set((await pins.list()).filter(({ provide }) => provide).map(({ cid }) => cid.toString()))
      for (const root of roots.filter((cid) => !kept.has(cid.toString()))) {
        announcer.remove(root)
      }
    }
  }
  const fetch = (cid: CID | string, options?: FetchOptions) => fetcher.fetch(toCid(cid), options)

  return {
    helia,
    async start() {
      await helia.start()
      await exchange.start()
      announcer.start((await pins.list()).filter(({ provide }) => provide).map(({ cid }) => cid))
    },
    async stop() {
      await announcer.stop()
      fetcher.stop()
      await exchange.stop()
      await helia.stop()
    },
    packNode: (value) => packNode(blocks, value),
    packFiles: (source) => packFiles(blocks, source),
    measure: async (cid) => keeper.measure(toCid(cid)),
    async pin(cid, options) {
      const pin = await keeper.pin(toCid(cid), options)
      if (pin.provide) {
        announcer.add(pin.cid)
      }
      return pin
    },
    async unpin(cid, options) {
      await keeper.unpin(toCid(cid), options)
      await dropUnpinned([toCid(cid)])
    },
    pins: (task) => pins.list(task),
    release: (cids) => blocks.releaseHolds(new Set(cids.map(keyOf))),
    async collect(options) {
      const collected = await keeper.collect(options)
      await dropUnpinned(collected.unpinned.map(({ cid }) => cid))
      return collected
    },
    fetch: async (cid, options) => fetch(cid, options),
    async fetchTo(cid, path, options) {
      const fetched = await fetch(cid, options)
      return { ...fetched, saved: await saveProof(blocks, reader(cid), path, options?.as) }
    },
    saveBlocks,
    reader,
    beginCycle: () => dials?.clear(),
    stats() {
      const { received, served, badFrames } = exchange.stats()
      return {
        fetched: fetcher.stats.fetched,
        fetchedBytes: fetcher.stats.bytes,
        unavailable: fetcher.stats.unavailable,
        invalid: fetcher.stats.invalid,
        stalls: fetcher.stats.stalls,
        dhtQueries: fetcher.stats.dhtQueries,
        provided: announcer.stats.provided,
        provideFailures: announcer.stats.failed,
        servedBlocks: served.blocks,
        servedBytes: served.bytes,
        receivedBlocks: received.blocks,
        receivedBytes: received.bytes,
        unwantedBlocks: received.unwanted,
        badFrames,
        corruptBlocks: blocks.stats.corrupt
      }
    }
  }
}

function blocksDirOf({ blocksDir }: ProofsInit): string {
  if (blocksDir == null) {
    throw new TypeError('createProofs needs init.blocksDir, or components.files')
  }
  return blocksDir
}
