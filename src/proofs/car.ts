/**
 * CAR files (https://ipld.io/specs/transport/car/carv1/): blocks with their CIDs one after the other, to hand on and to check
 * without a network. They are written by `@ipld/car`, which is what IPFS's own tools for JavaScript use.
 */
import { hash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { CarWriter } from '@ipld/car'
import { CID } from 'multiformats/cid'
import { demandFile } from '../disk/index.ts'
import { BlockPlaces } from './block-places.ts'
import { CarError, CarSections, carAdvice, sectionStart } from './car-sections.ts'
import { keyOf } from './cid-profile.ts'
import { ProofMalformedError } from './errors.ts'
import { DEFAULT_DAG_LIMITS } from './limits.ts'
import { walkLocal } from './walk.ts'

export { CarError } from './car-sections.ts'

export interface CarFile {
  root: CID
  /** Distinct blocks in it, each of which hashes to its name. */
  blocks: number
  /** Of these blocks. */
  sizeBytes: number
  /** What is said of a block that the file lacks, behind its name. */
  lacking: string
  /** Where the section of a block is, in words; empty when the file does not have it. */
  whereIs(cid: CID): string
  /** Which of the blocks this is, from 0; undefined when the file does not have it. */
  indexOf(cid: CID): number | undefined
  /** Bytes that hash to `cid`; undefined when the file does not have it. @throws CarError */
  get(cid: CID): Promise<Uint8Array | undefined>
  /** The distinct blocks of the DAG of the root. @throws ProofUnavailableError when one is not in the file, and what a fetch throws of a bad DAG */
  walk(): AsyncGenerator<CID>
  close(): Promise<void>
}

export interface CarProgress {
  /** Of the file, from its beginning. */
  checkedBytes: number
  fileBytes: number
  /** Distinct ones so far. */
  blocks: number
}

/** Distinct blocks of one file: their places are held in memory, 52 bytes each. */
export const MAX_CAR_BLOCKS = 2 ** 21

/** A CAR of version 1 with one root. A block is taken when the one before it has been read, and where the reader stops, `blocks` ends. */
export async function* carOf(root: CID, blocks: AsyncIterable<{ cid: CID; bytes: Uint8Array | undefined }>): AsyncGenerator<Uint8Array> {
  const { writer, out } = CarWriter.create([root])
  const chunks = out[Symbol.asyncIterator]()
  let chunk = chunks.next()
  for await (const { cid, bytes } of blocks) {
    // which waits until all that it wrote is taken
    const put = writer.put({ cid, bytes: bytes! }).then(() => null)
    for (let next = await Promise.race([chunk, put]); next != null; next = await Promise.race([chunk, put])) {
      chunk = chunks.next()
      yield next.value
    }
  }
  const closed = writer.close()
  for (let next = await chunk; next.done !== true; next = await chunks.next()) {
    yield next.value
  }
  await closed
}

/**
 * Reads all of a CAR: every section of it is checked, those that repeat a block, too, and that the file ends with the last.
 *
 * @param options.onProgress - called with each section
 * @throws CarError with the file, the byte at which the section begins, and what to do
 */
export async function openCar(
  path: string,
  { onProgress, maxBlocks = MAX_CAR_BLOCKS }: { onProgress?: (progress: CarProgress) => void; maxBlocks?: number } = {}
): Promise<CarFile> {
  let file: FileHandle
  try {
    demandFile(path)
    file = await open(path, 'r')
  } catch (err) {
    throw new CarError(`cannot read ${path}: ${(err as Error).message}. Check the path: it is that of a file which proof get --car wrote`)
  }
  try {
    const { size: fileBytes } = await file.stat()
    const sections = await CarSections.open(file, path, fileBytes)
    const places = new BlockPlaces()
    let sizeBytes = 0
    for await (const { digest, offset, length } of sections.read()) {
      if (places.add(digest, offset, length)) {
        sizeBytes += length
      }
      if (places.size > maxBlocks) {
        throw new CarError(
          `${path} has more than ${maxBlocks} blocks, at byte ${offset}: so many are not checked. Make files of fewer records, with --from-cycle`
        )
      }
      onProgress?.({ checkedBytes: sections.checkedBytes, fileBytes, blocks: places.size })
    }
    return carFile({ file, path, root: sections.root, places, sizeBytes })
  } catch (err) {
    await file.close()
    throw err instanceof CarError ? err : new CarError(`cannot read ${path}: ${(err as Error).message}. ${carAdvice()}`)
  }
}

/** Every hash of the file is right: to get it again would bring the same. */
export const inWhatItHolds = (where: string): string =>
  `It is ${where}, and its bytes are those that it was made of: whoever made it made it wrong`

interface Checked {
  file: FileHandle
  path: string
  root: CID
  places: BlockPlaces
  sizeBytes: number
}

function carFile({ file, path, root, places, sizeBytes }: Checked): CarFile {
  const lacking = `is not in ${path}. ${carAdvice(root)}`
  const get = async (cid: CID) => {
    const place = places.find(cid.multihash.digest)
    if (place == null) {
      return undefined
    }
    const bytes = new Uint8Array(place.length)
    const { bytesRead } = await file.read(bytes, 0, place.length, place.offset)
    if (bytesRead < place.length || hash('sha256', bytes, 'hex') !== keyOf(cid)) {
      throw new CarError(`${path} was changed while it was read: block ${cid}, at byte ${place.offset}, is no longer there`)
    }
    return bytes
  }
  const whereIs = (cid: CID) => {
    const place = places.find(cid.multihash.digest)
    return place == null ? '' : `the section at byte ${sectionStart(place)} of ${path}`
  }
  return {
    root,
    whereIs,
    blocks: places.size,
    sizeBytes,
    lacking,
    indexOf: (cid) => places.find(cid.multihash.digest)?.index,
    get,
    async *walk() {
      const limits = { ...DEFAULT_DAG_LIMITS, maxBytes: Number.POSITIVE_INFINITY }
      try {
        for await (const { cid } of walkLocal({ read: get, lacking }, root, { limits })) {
          yield cid
        }
      } catch (err) {
        const { block } = err instanceof ProofMalformedError ? err.facts : {}
        const where = typeof block === 'string' ? whereIs(CID.parse(block)) : ''
        throw where === '' ? err : new ProofMalformedError(root, `${(err as Error).message}. ${inWhatItHolds(where)}`, { block })
      }
    },
    close: () => file.close()
  }
}
