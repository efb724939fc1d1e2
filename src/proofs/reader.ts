/**
 * Reads a proof that is here, block by block: for audits and for tasks. Nothing outside its DAG can be reached through it,
 * nothing is fetched by it, and a file is streamed in windows, whatever its size.
 */
import { unixfs } from '@helia/unixfs'
import * as dagCbor from '@ipld/dag-cbor'
import type { Helia } from 'helia'
import type { CID } from 'multiformats/cid'
import type { Blocks } from './blocks.ts'
import { DAG_CBOR, DAG_PB, keyOf, RAW, toCid } from './cid-profile.ts'
import { isOwnFault, ProofMalformedError, ProofTooLargeError, ProofUnavailableError } from './errors.ts'
import { DEFAULT_DAG_LIMITS, LIMITS } from './limits.ts'
import { NOT_IN_STORE, walkLocal } from './walk.ts'

export interface ProofFile {
  /** Below the directory read, with slashes; '' for a lone file. */
  path: string
  cid: CID
  sizeBytes: number
}

export interface ProofReader {
  readonly root: CID
  /** Whether a block belongs to the proof. */
  holds(cid: CID | string): Promise<boolean>
  /**
   * The value of one dag-cbor block of the proof; the root's by default. Links are CID objects.
   *
   * @throws ProofMalformedError when it is not of this proof or not dag-cbor
   * @throws ProofUnavailableError when it is not here
   */
  getNode(cid?: CID | string): Promise<unknown>
  /** The files of a UnixFS directory of the proof (the root, by default) and those below it, in the order of their paths. */
  listFiles(directory?: CID | string): AsyncGenerator<ProofFile>
  /**
   * Part of a file, in chunks of at most 1 MiB. Ends early where the file does.
   *
   * @param path '' for a root that is a file itself
   */
  readFile(path: string, range?: { offset?: number; length?: number }): AsyncGenerator<Uint8Array>
  /** As readFile, of a file that listFiles gave: nothing is looked up again. */
  readListed(file: ProofFile): AsyncGenerator<Uint8Array>
}

/** UnixFS's own reader loads all blocks of what it is asked for at once, so it is asked for this much at a time. */
const WINDOW_BYTES = 1024 * 1024

export function createReader({ blocks, helia }: { blocks: Blocks; helia: Helia }, cid: CID | string): ProofReader {
  const root = toCid(cid)
  const fs = unixfs({ blockstore: withCache(helia.blockstore, root) })

  const directories = new Map<string, Map<string, CID>>()
  let keptEntries = 0

  // the DAG is walked as far as questions demand, once
  const seen = new Set<string>([keyOf(root)])
  let walk: AsyncGenerator<{ cid: CID }> | undefined = walkLocal(blocks, root, {
    limits: { ...DEFAULT_DAG_LIMITS, maxBytes: Number.POSITIVE_INFINITY },
    skipRaw: true
  })
  let walking: Promise<unknown> = Promise.resolve()
  const holds = async (asked: CID | string): Promise<boolean> => {
    const key = keyOf(toCid(asked))
    const advance = walking.then(async () => {
      while (!seen.has(key) && walk != null) {
        const { value, done } = await walk.next()
        if (done === true) {
          walk = undefined
        } else {
          seen.add(keyOf(value.cid))
        }
      }
    })
    walking = advance.catch(() => {})
    await advance
    return seen.has(key)
  }
  const check = async (asked: CID | string | undefined): Promise<CID> => {
    const block = asked == null ? root : toCid(asked)
    if (!(await holds(block))) {
      throw new ProofMalformedError(root, `block ${block} is not part of proof ${root}`, { block: block.toString() })
    }
    return block
  }

  async function* list(directory: CID, prefix: string, count: { entries: number }): AsyncGenerator<ProofFile> {
    for await (const entry of fs.ls(directory, { offline: true } as object)) {
      if (++count.entries > LIMITS.entries) {
        throw new ProofTooLargeError(root, `proof ${root} lists more than ${LIMITS.entries} entries`, { max: LIMITS.entries })
      }
      const path = `${prefix}${entry.name}`
      const stat = await fs.stat(entry.cid, { offline: true })
      if (stat.type === 'directory') {
        yield* list(entry.cid, `${path}/`, count)
      } else {
        yield { path, cid: entry.cid, sizeBytes: sizeOf(root, stat) }
      }
    }
  }

  return {
    root,
    holds,
    async getNode(asked) {
      const block = await check(asked)
      if (block.code !== DAG_CBOR) {
        throw new ProofMalformedError(root, `block ${block} is not dag-cbor: read it as a file`, { block: block.toString() })
      }
      const bytes = await blocks.read(block)
      if (bytes == null) {
        throw new ProofUnavailableError(root, `block ${block} of proof ${root} ${NOT_IN_STORE}`, {
          block: block.toString()
        })
      }
      try {
        return dagCbor.decode(bytes)
      } catch (err) {
        if (isOwnFault(err)) {
          throw err
        }
        throw new ProofMalformedError(root, `block ${block} is not strict dag-cbor: ${(err as Error).message}`, { block: block.toString() })
      }
    },
    async *listFiles(asked) {
      const directory = await check(asked)
      try {
        const stat = await statOf(directory)
        if (stat.type !== 'directory') {
          yield { path: '', cid: directory, sizeBytes: sizeOf(root, stat) }
          return
        }
        yield* list(directory, '', { entries: 0 })
      } catch (err) {
        throw explain(err)
      }
    },
    async *readFile(path, range) {
      try {
        const file = await resolve(path)
        const stat = await statOf(file)
        if (stat.type === 'directory') {
          throw new ProofMalformedError(root, `'${path}' of proof ${root} is a directory`, { path })
        }
        yield* read({ path, cid: stat.cid, sizeBytes: sizeOf(root, stat) }, range)
      } catch (err) {
        throw explain(err)
      }
    },
    async *readListed(file) {
      try {
        yield* read(file)
      } catch (err) {
        throw explain(err)
      }
    }
  }

  async function* read(
    { path, cid: file, sizeBytes }: ProofFile,
    { offset = 0, length = Number.POSITIVE_INFINITY } = {}
  ): AsyncGenerator<Uint8Array> {
    const end = Math.min(sizeBytes, offset + length)
    for (let at = offset; at < end; at += WINDOW_BYTES) {
      const want = Math.min(WINDOW_BYTES, end - at)
      let got = 0
      for await (const chunk of fs.cat(file, { offset: at, length: want, offline: true })) {
        got += chunk.length
        yield chunk
      }
      if (got !== want) {
        throw new ProofMalformedError(root, `'${path}' of proof ${root} says it has ${end} bytes, and has not`, { path })
      }
    }
  }

  /** The block at a path. A directory is decoded once, not once for each of its files. */
  async function resolve(path: string): Promise<CID> {
    let at = root
    for (const name of path === '' ? [] : path.split('/')) {
      const next = (await entriesOf(at)).get(name)
      if (next == null) {
        throw new ProofMalformedError(root, `proof ${root} has no file '${path}'`, { path })
      }
      at = next
    }
    return at
  }

  async function entriesOf(directory: CID): Promise<Map<string, CID>> {
    const key = keyOf(directory)
    let known = directories.get(key)
    if (known == null) {
      known = new Map()
      const stat = await statOf(directory)
      if (stat.type === 'directory') {
        for await (const { name, cid: entry } of fs.ls(directory, { offline: true } as object)) {
          if (known.size >= LIMITS.entries) {
            throw new ProofTooLargeError(root, `proof ${root} lists more than ${LIMITS.entries} entries`, { max: LIMITS.entries })
          }
          known.has(name) || known.set(name, entry)
        }
      }
      keptEntries += known.size
      if (keptEntries > LIMITS.entries) {
        directories.clear()
        keptEntries = known.size
      }
      directories.set(key, known)
    }
    return known
  }

  async function statOf(block: CID) {
    if (block.code !== DAG_PB && block.code !== RAW) {
      throw new ProofMalformedError(root, `proof ${root} is dag-cbor, not files: read its nodes`, { block: block.toString() })
    }
    return fs.stat(block, { offline: true })
  }

  function explain(err: unknown): unknown {
    const { name, message } = err as Error
    if (name.startsWith('Proof') || isOwnFault(err)) {
      return err
    }
    if (name === 'BlockNotFoundWhileOfflineError' || name === 'LoadBlockFailedError') {
      return new ProofUnavailableError(root, `a block of proof ${root} ${NOT_IN_STORE}`, {
        cause: message
      })
    }
    return new ProofMalformedError(root, `proof ${root} cannot be read as files: ${message}`, { cause: message })
  }
}

/**
 * Helia's block store, offline, with the dag-pb nodes read last at hand. What fails in it is this node's, never the proof's,
 * and must not reach UnixFS under a name that its own errors have too.
 */
function withCache(store: Helia['blockstore'], root: CID): Pick<Helia['blockstore'], 'get' | 'put' | 'has'> {
  const cache = new Map<string, Uint8Array>()
  let cachedBytes = 0
  async function* fromStore(cid: CID): AsyncGenerator<Uint8Array> {
    try {
      yield* store.get(cid, { offline: true })
    } catch (err) {
      if (isOwnFault(err)) {
        throw err
      }
      throw new ProofUnavailableError(root, `block ${cid} of proof ${root} ${NOT_IN_STORE}`, {
        cause: (err as Error).message
      })
    }
  }
  return {
    has: (cid) => store.has(cid),
    put: (cid, bytes) => store.put(cid, bytes),
    async *get(cid) {
      const key = keyOf(cid)
      const cached = cache.get(key)
      if (cached != null) {
        yield cached
        return
      }
      for await (const bytes of fromStore(cid)) {
        if (cid.code === DAG_PB) {
          cache.set(key, bytes)
          cachedBytes += bytes.length
          for (const [oldest, { length }] of cache) {
            if (cachedBytes <= LIMITS.readerCacheBytes) {
              break
            }
            cache.delete(oldest)
            cachedBytes -= length
          }
        }
        yield bytes
      }
    }
  }
}

function sizeOf(root: CID, stat: { size: bigint; unixfs?: { type: string } }): number {
  if (stat.unixfs?.type === 'symlink') {
    throw new ProofMalformedError(root, `proof ${root} has a symbolic link, which proofs may not`, {})
  }
  if (stat.size > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new ProofMalformedError(root, `proof ${root} has a file said to be of ${stat.size} bytes`, {})
  }
  return Number(stat.size)
}
