/** Proofs as the runner of tasks wants them (src/tasks/api.ts, TaskProofs). */
import { CID } from 'multiformats/cid'
import { toCid } from './cid-profile.ts'
import { ProofMalformedError } from './errors.ts'
import { LIMITS } from './limits.ts'
import type { MadeBook } from './made.ts'
import type { Packed, PackedFile } from './pack.ts'
import type { ProofReader } from './reader.ts'

/** What of the proofs a task's calls need. */
interface ProofsOfTasks {
  reader(root: CID | string): ProofReader
  pin(cid: CID, options: { task: string; cycle: number; shallow: boolean; provide: boolean; made: boolean }): Promise<unknown>
  packNode(value: unknown): Promise<Packed>
  packFiles(files: AsyncIterable<PackedFile> | Iterable<PackedFile>): Promise<Packed>
}

export interface TaskProofsInit {
  /** What is made is pinned for this cycle, without being provided: it may not be submitted in the end. */
  keep?: () => { task: string; cycle: number }
  /** Counts and bounds what is made. Without it, nothing does. */
  book?: MadeBook
  /** Only the DAGs of these roots, and of what the task itself makes, can be read. Without it, all that is here. */
  roots?: () => Array<CID | string>
}

/** What a file takes in the blocks of its folder, beside its path. */
const FILE_COST_BYTES = 256

interface Options {
  signal: AbortSignal
}

/**
 * @example
 * ```ts
 * const runner = createTaskRunner({ proofs: createTaskProofs(proofs, { keep: () => ({ task, cycle }) }), ... })
 * ```
 */
export function createTaskProofs(proofs: ProofsOfTasks, { keep, book, roots }: TaskProofsInit = {}) {
  const made = new Set<string>()
  const readers = new Map<string, ProofReader>()
  const readerOf = (root: CID | string): ProofReader => {
    const name = root.toString()
    let reader = readers.get(name)
    if (reader == null) {
      if (readers.size >= 64) {
        readers.clear()
      }
      readers.set(name, (reader = proofs.reader(root)))
    }
    return reader
  }
  /** Packs, pins and counts. `about` is what the pack will come to at most, as far as that is known before. */
  const kept = async (pack: () => Promise<Packed>, shallow: boolean, about: { bytes: number; blocks: number }): Promise<string> => {
    const at = keep?.()
    const put = async () => {
      const { cid, sizeBytes, blocks } = await pack()
      if (at != null) {
        await proofs.pin(cid, { ...at, shallow, provide: false, made: true })
      }
      return { root: cid.toString(), sizeBytes, blocks }
    }
    const { root } = book == null || at == null ? await put() : await book.count(at.cycle, about, put)
    made.add(root)
    return root
  }
  /** A reader of `cid` as a root, once it is known to be within reach. */
  const reach = async (cid: string): Promise<ProofReader> => {
    if (roots == null) {
      return readerOf(cid)
    }
    for (const root of [...roots(), ...made]) {
      if (await readerOf(root).holds(cid)) {
        return readerOf(cid)
      }
    }
    throw new ProofMalformedError(cid, `block ${cid} is not part of the proofs that this call is about`, {})
  }

  return {
    async putNode(value: unknown, { signal }: Options): Promise<string> {
      signal.throwIfAborted()
      const node = linked(value)
      return kept(() => proofs.packNode(node), true, { bytes: 0, blocks: 1 })
    },
    async putFiles(files: Array<{ path: string; content: Uint8Array }>, { signal }: Options): Promise<string> {
      signal.throwIfAborted()
      // each file may take blocks of its own, and each folder on its path one
      const folders = files.reduce((sum, { path }) => sum + path.split('/').length, 1)
      const bytes = files.reduce((sum, { path, content }) => sum + content.length + 2 * path.length + FILE_COST_BYTES, 0)
      const blocks = files.reduce((sum, { content }) => sum + Math.ceil(content.length / LIMITS.chunkBytes) + 1, folders)
      return kept(() => proofs.packFiles(files), false, { bytes, blocks })
    },
    async getNode(cid: string, { signal }: Options): Promise<unknown> {
      signal.throwIfAborted()
      return (await reach(cid)).getNode()
    },
    async listFiles(cid: string, { signal }: Options): Promise<Array<{ path: string; cid: string; size: number }>> {
      const files = []
      for await (const { path, cid: file, sizeBytes } of (await reach(cid)).listFiles()) {
        signal.throwIfAborted()
        files.push({ path, cid: file.toString(), size: sizeBytes })
      }
      return files.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
    },
    async readFile(
      cid: string,
      path: string,
      { offset, length, signal }: { offset: number; length: number } & Options
    ): Promise<Uint8Array> {
      const chunks: Uint8Array[] = []
      for await (const chunk of (await reach(cid)).readFile(path, { offset, length })) {
        signal.throwIfAborted()
        chunks.push(chunk)
      }
      return new Uint8Array(Buffer.concat(chunks))
    }
  }
}

/** Links written as `{ '/': cid }`, the way text carries them, become CIDs. */
function linked(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(linked)
  }
  if (value == null || typeof value !== 'object' || value instanceof Uint8Array || CID.asCID(value) != null) {
    return value
  }
  const entries = Object.entries(value)
  const [first] = entries
  if (entries.length === 1 && first?.[0] === '/' && typeof first[1] === 'string') {
    return toCid(first[1])
  }
  return Object.fromEntries(entries.map(([key, inner]) => [key, linked(inner)]))
}
