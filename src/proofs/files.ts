/**
 * blockstore-fs, with its layout and its file names, reading and writing each block in one piece: its own streams take four
 * reads for a chunk of ours and a mkdir for each write, which was half of the time that a large proof took to fetch.
 *
 * A write is atomic (a temporary file, renamed) and survives a kill, but is not forced to the disk: after a power cut a
 * block may be missing or short, which reading finds.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { FsBlockstore } from 'blockstore-fs'
import { NextToLast } from 'blockstore-fs/sharding'
import type { CID } from 'multiformats/cid'
import { Uint8ArrayList } from 'uint8arraylist'
import { BlockStoreError } from './errors.ts'
import { LIMITS } from './limits.ts'

const TEMPORARY = '.tmp'

/** What kills have left of writes under way: the folder is this process's alone. */
async function clearTemporary(dir: string): Promise<void> {
  for (const shard of await readdir(dir, { withFileTypes: true })) {
    if (shard.isDirectory()) {
      const names = await readdir(join(dir, shard.name))
      await Promise.all(names.filter((name) => name.endsWith(TEMPORARY)).map((name) => rm(join(dir, shard.name, name), { force: true })))
    }
  }
}

type Value = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>

/** Memory that blocks which came in pieces are joined in: kept, as new memory for each costs more than the copy. */
const slabs: Buffer[] = []
const SLABS_KEPT = 8

async function write(path: string, value: Value): Promise<void> {
  if (!(value instanceof Uint8ArrayList) || value.byteLength > LIMITS.blockBytes) {
    await writeFile(path, value)
    return
  }
  const slab = slabs.pop() ?? Buffer.allocUnsafeSlow(LIMITS.blockBytes)
  let at = 0
  for (const part of value) {
    slab.set(part, at)
    at += part.byteLength
  }
  try {
    await writeFile(path, slab.subarray(0, at))
  } finally {
    if (slabs.length < SLABS_KEPT) {
      slabs.push(slab)
    }
  }
}

export class BlockFolder extends FsBlockstore {
  readonly #sharding: NextToLast
  #writes = 0

  private constructor(dir: string, sharding: NextToLast) {
    super(dir, { shardingStrategy: sharding })
    this.#sharding = sharding
  }

  /** @throws BlockStoreError when `dir` cannot be used */
  static async open(dir: string): Promise<BlockFolder> {
    const folder = new BlockFolder(dir, new NextToLast())
    try {
      await folder.open()
      await clearTemporary(dir)
    } catch (err) {
      throw new BlockStoreError(
        `cannot keep blocks in ${dir}: ${(err as Error).message}. Check that it is a folder that you may write to`,
        { cause: err }
      )
    }
    return folder
  }

  override async *get(cid: CID): AsyncGenerator<Uint8Array> {
    try {
      yield await readFile(this.#pathOf(cid))
    } catch (err) {
      const { code, message } = err as NodeJS.ErrnoException
      throw code === 'ENOENT'
        ? Object.assign(new Error(`no file of block ${cid}`), { name: 'NotFoundError' })
        : new BlockStoreError(message, { cause: err })
    }
  }

  override async put(cid: CID, value: Value): Promise<CID> {
    const path = this.#pathOf(cid)
    const temporary = `${path}.${process.pid}-${this.#writes++}${TEMPORARY}`
    try {
      await write(temporary, value).catch(async (err) => {
        if (err.code !== 'ENOENT' || !(value instanceof Uint8Array || value instanceof Uint8ArrayList)) {
          throw err
        }
        await mkdir(dirname(path), { recursive: true })
        await write(temporary, value)
      })
      await rename(temporary, path)
    } catch (err) {
      await rm(temporary, { force: true }).catch(() => {})
      throw err
    }
    return cid
  }

  #pathOf(cid: CID): string {
    const { dir, file } = this.#sharding.encode(cid)
    return join(this.path, dir, file)
  }
}
