/**
 * The shelf of blocks: a Blockstore made safe to write, read and clear at the same time.
 *
 * - What is read is hashed again; a block that rotted is dropped and never served.
 * - A write session protects its blocks from the moment it mentions them, before it looks whether they are there; the
 *   collector looks at that protection and starts a deletion in one step, and a writer waits for a deletion under way. So
 *   no lock is held while a proof is fetched, and no interleaving loses a block that somebody is writing.
 */
import { hash } from 'node:crypto'
import type { Blockstore } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'
import { diskAdvice, diskFault } from '../disk/index.ts'
import type { BlockBytes } from './bitswap/index.ts'
import { DAG_CBOR, keyOf } from './cid-profile.ts'
import { BlockStoreError, PackError } from './errors.ts'
import { LIMITS } from './limits.ts'
import type { Timers } from './timers.ts'
import { type BlockSource, NOT_IN_STORE } from './walk.ts'

/** The part of a Blockstore that is used; blockstore-fs in a node. */
export type BlockFiles = Pick<Blockstore, 'put' | 'get' | 'has' | 'delete' | 'getAll'>

/** Blocks that are kept elsewhere, by their sha2-256: read, but never swept. */
export interface BlockArchive {
  /** Bytes that hash to `digest`. */
  get(digest: Uint8Array): Uint8Array | undefined
  has(digest: Uint8Array): boolean
}

interface BlocksComponents {
  files: BlockFiles
  archive?: BlockArchive | undefined
  timers: Timers
  log: (format: string, ...args: unknown[]) => void
  /** Told of a block that could not be written. */
  onWriteFailed?: ((err: unknown) => void) | undefined
}

/** The block without bytes is everywhere: boxo says of it only that it has it. */
const EMPTY_KEY = hash('sha256', new Uint8Array(), 'hex')

export class Blocks implements BlockSource {
  readonly #files: BlockFiles
  readonly #archive: BlockArchive | undefined
  readonly #timers: Timers
  readonly #log: BlocksComponents['log']
  readonly #onWriteFailed: BlocksComponents['onWriteFailed']
  readonly #deleting = new Map<string, Promise<void>>()
  readonly #writing = new Map<string, Promise<void>>()
  /** How many sessions and holds protect a block. */
  readonly #protected = new Map<string, number>()
  readonly #holds = new Set<{ keys: Set<string>; expiresAtMs: number }>()
  /** Reads under way, to be told when their block is written meanwhile. */
  readonly #watches = new Set<{ key: string; written: boolean }>()
  readonly stats = { written: 0, corrupt: 0 }
  readonly lacking = NOT_IN_STORE

  constructor({ files, archive, timers, log, onWriteFailed }: BlocksComponents) {
    this.#onWriteFailed = onWriteFailed
    this.#files = files
    this.#archive = archive
    this.#timers = timers
    this.#log = log
  }

  /** The verified bytes, or undefined when the block is not here (or was corrupt, and now is not). */
  async read(cid: CID): Promise<Uint8Array | undefined> {
    const key = keyOf(cid)
    if (key === EMPTY_KEY) {
      return new Uint8Array()
    }
    for (;;) {
      await this.#deleting.get(key)
      const watch = { key, written: false }
      this.#watches.add(watch)
      const bytes = await this.#read(cid).finally(() => this.#watches.delete(watch))
      if (bytes == null) {
        // records alone are archived, and they are dag-cbor
        return cid.code === DAG_CBOR ? this.#archive?.get(cid.multihash.digest) : undefined
      }
      if (hash('sha256', bytes, 'hex') === key) {
        return bytes
      }
      if (this.#writing.has(key) || watch.written) {
        await this.#writing.get(key)?.catch(() => {})
        continue // it may have been put right since: only what is known to be bad is dropped
      }
      this.stats.corrupt++
      this.#log('block %s was corrupt on disk: dropped, to be fetched again', cid)
      await this.#delete(cid, key)
      return undefined
    }
  }

  /** What the file has, right or not. */
  async #read(cid: CID): Promise<Uint8Array | undefined> {
    try {
      return await joined(this.#files.get(cid))
    } catch (err) {
      if ((err as Error).name === 'NotFoundError') {
        return undefined
      }
      throw new BlockStoreError(`cannot read block ${cid}: ${(err as Error).message}`, { cause: err })
    }
  }

  /** Whether a file is there, right or not. */
  async has(cid: CID): Promise<boolean> {
    return (
      keyOf(cid) === EMPTY_KEY ||
      (await this.#files.has(cid)) ||
      (cid.code === DAG_CBOR && this.#archive?.has(cid.multihash.digest) === true)
    )
  }

  open(): WriteSession {
    return new WriteSession(this)
  }

  /**
   * @param isAbsent it was looked for and not found, so that there is no need to look again
   * @throws BlockStoreError, PackError
   */
  async write(cid: CID, bytes: BlockBytes, isAbsent = false): Promise<void> {
    if (bytes.byteLength > LIMITS.blockBytes) {
      throw new PackError(
        `block ${cid} has ${bytes.byteLength} bytes; ${LIMITS.blockBytes} fit one message to a peer. Split the value over several linked nodes`
      )
    }
    const key = keyOf(cid)
    await this.#deleting.get(key)
    // two writers of one block would share blockstore-fs's temporary file
    let writing = this.#writing.get(key)
    if (writing == null) {
      writing = this.#write(cid, bytes, isAbsent).finally(() => {
        for (const watch of this.#watches) {
          watch.written ||= watch.key === key
        }
        this.#writing.delete(key)
      })
      this.#writing.set(key, writing)
    }
    await writing
  }

  async #write(cid: CID, bytes: BlockBytes, isAbsent: boolean): Promise<void> {
    try {
      const there = isAbsent ? undefined : await this.#read(cid)
      if (there != null && Buffer.compare(there, bytes.subarray()) === 0) {
        return
      }
      this.stats.corrupt += there == null ? 0 : 1
      await this.#files.put(cid, bytes)
      this.stats.written++
    } catch (err) {
      if (err instanceof BlockStoreError) {
        throw err
      }
      this.#onWriteFailed?.(err)
      const fault = diskFault(err)
      throw new BlockStoreError(
        `cannot write block ${cid}: ${fault == null ? (err as Error).message : diskAdvice(fault, 'the data directory')}`,
        { cause: err }
      )
    }
  }

  protect(key: string): void {
    this.#protected.set(key, (this.#protected.get(key) ?? 0) + 1)
  }

  unprotect(key: string): void {
    const left = (this.#protected.get(key) ?? 0) - 1
    left > 0 ? this.#protected.set(key, left) : this.#protected.delete(key)
  }

  /** Takes over a closed session's protection, until its owner had time to pin. */
  hold(keys: Set<string>): void {
    this.#holds.add({ keys, expiresAtMs: this.#timers.now() + LIMITS.holdMs })
  }

  /** Ends the holds that a pin of `keys` has made needless. */
  releaseHolds(keys: ReadonlySet<string>): void {
    this.#release((held) => held.keys.size <= keys.size && [...held.keys].every((key) => keys.has(key)))
  }

  #release(isOver: (held: { keys: Set<string>; expiresAtMs: number }) => boolean): void {
    for (const held of this.#holds) {
      if (isOver(held)) {
        this.#holds.delete(held)
        for (const key of held.keys) {
          this.unprotect(key)
        }
      }
    }
  }

  /**
   * Deletes every block that is neither kept nor protected.
   *
   * @param isKept asked for each block with its key
   */
  async sweep(isKept: (key: string) => boolean, signal?: AbortSignal): Promise<{ blocks: number }> {
    const nowMs = this.#timers.now()
    this.#release(({ expiresAtMs }) => expiresAtMs <= nowMs)
    let blocks = 0
    for await (const { cid } of this.#files.getAll()) {
      signal?.throwIfAborted()
      const key = keyOf(cid)
      if (!isKept(key) && !this.#protected.has(key)) {
        await this.#delete(cid, key)
        blocks++
      }
    }
    return { blocks }
  }

  async #delete(cid: CID, key: string): Promise<void> {
    const deleting = Promise.resolve(this.#files.delete(cid)).finally(() => this.#deleting.delete(key))
    this.#deleting.set(key, deleting)
    await deleting
  }
}

/** A write that is under way: its blocks cannot be collected until it is closed, nor for LIMITS.holdMs after. */
export class WriteSession {
  readonly #blocks: Blocks
  readonly #keys = new Set<string>()
  readonly #absent = new Set<string>()
  #open = true

  constructor(blocks: Blocks) {
    this.#blocks = blocks
  }

  /** Protects a block whether or not it is there yet. */
  keep(cid: CID): void {
    const key = keyOf(cid)
    if (this.#open && !this.#keys.has(key)) {
      this.#keys.add(key)
      this.#blocks.protect(key)
    }
  }

  async put(cid: CID, bytes: BlockBytes): Promise<void> {
    this.keep(cid)
    await this.#blocks.write(cid, bytes, this.#absent.delete(keyOf(cid)))
  }

  /** The block, from now on protected. */
  async read(cid: CID): Promise<Uint8Array | undefined> {
    this.keep(cid)
    const bytes = await this.#blocks.read(cid)
    if (bytes == null) {
      this.#absent.add(keyOf(cid))
    }
    return bytes
  }

  /** Ends the session; with `hold`, its blocks wait for their pin, else they are fair game. */
  close({ hold }: { hold: boolean }): void {
    if (!this.#open) {
      return
    }
    this.#open = false
    if (hold) {
      this.#blocks.hold(this.#keys)
      return
    }
    for (const key of this.#keys) {
      this.#blocks.unprotect(key)
    }
  }
}

async function joined(chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) {
    parts.push(chunk)
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}
