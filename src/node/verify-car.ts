/** Checks a CAR file of a proof or of records, without a network. */
import { type CarFile, openCar, ProofUnavailableError } from '../proofs/index.ts'
import { isRecordCid, RecordMalformedError, readChain } from '../record/index.ts'

export type Verified = {
  root: string
  /** Distinct blocks in the file, and their bytes: all of them hash to their names. */
  blocks: number
  sizeBytes: number
  /** Blocks that the root does not lead to, as far as it was followed. */
  others: number
} & (
  | { kind: 'proof' }
  | {
      kind: 'records'
      records: number
      /** Of the newest and of the oldest one. */
      cycle: number
      fromCycle: number
      /** The record before the oldest one, which is not in the file; null when that is the first of its task. */
      previous: string | null
    }
)

/**
 * Checks that every block hashes to its name, and that the root leads to a whole proof, or to records of which each follows from the
 * one before it.
 *
 * @throws CarError, ProofUnavailableError when a block is not in the file, RecordMalformedError, and what a fetch throws of a bad DAG
 */
export async function verifyCar(path: string): Promise<Verified> {
  const car = await openCar(path)
  try {
    await car.check()
    const { root, blocks, sizeBytes } = car
    const seen = new Set<string>()
    const common = () => ({ root: root.toString(), blocks, sizeBytes, others: blocks - seen.size })
    const records = isRecordCid(root) ? await recordsIn(car, seen) : null
    if (records != null) {
      return { ...common(), kind: 'records', ...records }
    }
    seen.clear()
    for await (const cid of car.walk()) {
      seen.add(Buffer.from(cid.multihash.digest).toString('hex'))
    }
    return { ...common(), kind: 'proof' }
  } finally {
    await car.close()
  }
}

interface Sum {
  records: number
  cycle: number
  fromCycle: number
  previous: string | null
}

/** @returns null when the root is no record */
async function recordsIn(car: CarFile, seen: Set<string>): Promise<Sum | null> {
  let sum = null as Sum | null
  let lacking: string | undefined
  const chain = readChain(car.root, async (cid) => {
    const bytes = await car.get(cid)
    if (bytes == null) {
      lacking = cid.toString()
      throw new ProofUnavailableError(car.root, `block ${cid} is not in the file`, { block: lacking })
    }
    return bytes
  })
  try {
    for await (const { content, blocks } of chain) {
      for (const cid of blocks) {
        seen.add(Buffer.from(cid.multihash.digest).toString('hex'))
      }
      const previous = content.previous?.toString() ?? null
      sum = { records: (sum?.records ?? 0) + 1, cycle: sum?.cycle ?? content.cycle, fromCycle: content.cycle, previous }
    }
  } catch (err) {
    if (sum == null && err instanceof RecordMalformedError) {
      return null
    }
    // the file may end with any record, but not within one
    if (sum == null || lacking !== sum.previous) {
      throw err
    }
  }
  return sum
}
