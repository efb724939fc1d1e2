/**
 * A DAG, level by level. Levels make the bounds mean the same on every node: a block's depth is its shortest distance from
 * the root, in whatever order the blocks arrived. Spec: protocols/proofs/README.md "DAG limits".
 */
import type { CID } from 'multiformats/cid'
import type { Uint8ArrayList } from 'uint8arraylist'
import { keyOf, linksOf, profileFault, RAW } from './cid-profile.ts'
import { isOwnFault, ProofMalformedError, ProofTooDeepError, ProofTooLargeError, ProofUnavailableError } from './errors.ts'
import { type DagLimits, LIMITS } from './limits.ts'

/** The books of one walk: what was seen, what it weighs, and what comes next. */
export class DagBooks {
  readonly root: CID
  readonly #limits: DagLimits
  readonly #seen = new Set<string>()
  #next: CID[] = []
  #depth = 0
  sizeBytes = 0
  blocks = 0

  /** @throws ProofMalformedError when the root is outside the profile */
  constructor(root: CID, limits: DagLimits) {
    this.root = root
    this.#limits = limits
    const fault = profileFault(root)
    if (fault != null) {
      throw new ProofMalformedError(root, `proof ${root} has ${fault}`, { block: root.toString() })
    }
    this.#seen.add(`${root.code}/${keyOf(root)}`)
    this.#next = [root]
  }

  /** The distinct blocks known of so far. */
  get known(): number {
    return this.#seen.size
  }

  get depth(): number {
    return this.#depth
  }

  /** The next level, or undefined when the DAG is at its end. @throws ProofTooDeepError */
  nextLevel(): CID[] | undefined {
    const level = this.#next
    if (level.length === 0) {
      return undefined
    }
    if (this.blocks > 0) {
      this.#depth++
    }
    if (this.#depth > this.#limits.maxDepth) {
      throw new ProofTooDeepError(this.root, `proof ${this.root} is more than ${this.#limits.maxDepth} links deep`, {
        maxDepth: this.#limits.maxDepth
      })
    }
    this.#next = []
    return level
  }

  /** What is wrong with a block of `blockBytes`, which is more than the limits allow. */
  oversize(cid: CID, blockBytes: number): ProofTooLargeError {
    const { maxBlockBytes } = this.#limits
    const facts = { block: cid.toString(), blockBytes, maxBlockBytes }
    return new ProofTooLargeError(
      this.root,
      `block ${cid} of proof ${this.root} has ${blockBytes} bytes; ${maxBlockBytes} are allowed`,
      facts
    )
  }

  /** Enters a block of the present level. @throws ProofTooLargeError, ProofMalformedError */
  enter(cid: CID, bytes: Uint8Array | Uint8ArrayList, { follow = true } = {}): void {
    const { maxBlockBytes, maxBytes, maxBlocks } = this.#limits
    const block = cid.toString()
    if (bytes.byteLength > maxBlockBytes) {
      throw this.oversize(cid, bytes.byteLength)
    }
    this.blocks++
    this.sizeBytes += bytes.byteLength
    if (this.sizeBytes > maxBytes) {
      throw new ProofTooLargeError(this.root, `proof ${this.root} has more than the ${maxBytes} bytes allowed`, {
        maxBytes,
        blocks: this.blocks
      })
    }
    if (!follow) {
      return
    }
    let links: CID[]
    try {
      // what has no links need not be in one piece
      links = cid.code === RAW ? [] : linksOf(cid, bytes.subarray())
    } catch (err) {
      if (isOwnFault(err)) {
        throw err
      }
      throw new ProofMalformedError(this.root, `block ${block} of proof ${this.root} is malformed: ${(err as Error).message}`, { block })
    }
    for (const link of links) {
      const id = `${link.code}/${keyOf(link)}`
      if (!this.#seen.has(id)) {
        this.#seen.add(id)
        this.#next.push(link)
      }
    }
    if (this.#seen.size > maxBlocks) {
      throw new ProofTooLargeError(this.root, `proof ${this.root} has more than the ${maxBlocks} blocks allowed`, { maxBlocks })
    }
  }
}

interface LocalWalkOptions {
  limits: DagLimits
  /** The root alone. */
  shallow?: boolean
  /** Raw leaves are not read, only named, with no bytes. */
  skipRaw?: boolean
  /** What to do about a block that is not here; by default ProofUnavailableError is thrown. */
  onMissing?: (cid: CID) => void
  signal?: AbortSignal
}

/** Where the blocks of a walk come from. */
export interface BlockSource {
  read(cid: CID): Promise<Uint8Array | undefined>
  /** What is said of a block that it lacks, behind its name: where that is not, and what to do. */
  readonly lacking: string
}

/** Of the node's own store. */
export const NOT_IN_STORE = 'is not in the local store: fetch the proof first'

/** Yields the blocks of a DAG that is here, level by level, each once. */
export async function* walkLocal(
  blocks: BlockSource,
  root: CID,
  { limits, shallow, skipRaw, onMissing, signal }: LocalWalkOptions
): AsyncGenerator<{ cid: CID; bytes: Uint8Array | undefined }> {
  const books = new DagBooks(root, limits)
  for (let level = books.nextLevel(); level != null; level = books.nextLevel()) {
    for (let at = 0; at < level.length; at += LIMITS.walkConcurrency) {
      signal?.throwIfAborted()
      const cids = level.slice(at, at + LIMITS.walkConcurrency)
      const found = await Promise.all(cids.map((cid) => (skipRaw === true && cid.code === RAW ? undefined : blocks.read(cid))))
      for (const [index, cid] of cids.entries()) {
        const bytes = found[index]
        if (bytes != null) {
          books.enter(cid, bytes, { follow: shallow !== true })
        } else if (skipRaw !== true || cid.code !== RAW) {
          if (onMissing == null) {
            throw new ProofUnavailableError(root, `block ${cid} of proof ${root} ${blocks.lacking}`, { block: cid.toString() })
          }
          onMissing(cid)
          continue
        }
        yield { cid, bytes }
      }
    }
  }
}
