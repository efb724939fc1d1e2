/** Checks a CAR file of a proof or of records, without a network. */
import { CID } from 'multiformats/cid'
import { type CarFile, type CarProgress, inWhatItHolds, openCar, ProofUnavailableError } from '../proofs/index.ts'
import { isRecordCid, RecordMalformedError, readChain } from '../record/index.ts'

/** Both ends belong to it. */
export interface CycleRange {
  from: number
  to: number
}

/** The cycles between two records that follow on each other; none where the second is of the cycle right before. */
export function skippedBetween(newer: number, older: number): CycleRange[] {
  return older < newer - 1 ? [{ from: older + 1, to: newer - 1 }] : []
}

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
      /** base58, of the newest record. */
      task: string
      records: number
      /** Of the newest and of the oldest one. */
      cycle: number
      fromCycle: number
      /** The record before the oldest one, which is not in the file; null when that is the first of its task. */
      previous: string | null
      /** Cycles between them that have no record, the newest first. */
      skipped: CycleRange[]
    }
)

export interface VerifyProgress extends CarProgress {
  /** Blocks that were found to belong to the root, once all of the file is checked. */
  followed: number
}

/** The blocks of a file that the root leads to. */
class Reached {
  count = 0
  readonly #car: CarFile
  readonly #isReached: Uint8Array
  readonly #onReached: (count: number) => void

  constructor(car: CarFile, onReached: (count: number) => void) {
    this.#car = car
    this.#isReached = new Uint8Array(car.blocks)
    this.#onReached = onReached
  }

  add(cid: CID): void {
    const index = this.#car.indexOf(cid)
    if (index != null && this.#isReached[index] === 0) {
      this.#isReached[index] = 1
      this.#onReached(++this.count)
    }
  }
}

/**
 * Checks every section of the file, that every block hashes to its name, and that the root leads to a whole proof, or to records of
 * which each follows from the one before it.
 *
 * @param options.onProgress - called often
 * @throws CarError, ProofUnavailableError when a block is not in the file, RecordMalformedError, and what a fetch throws of a bad DAG
 */
export async function verifyCar(path: string, { onProgress }: { onProgress?: (progress: VerifyProgress) => void } = {}): Promise<Verified> {
  let checked: CarProgress = { checkedBytes: 0, fileBytes: 0, blocks: 0 }
  const car = await openCar(path, {
    onProgress: (progress) => {
      checked = progress
      onProgress?.({ ...progress, followed: 0 })
    }
  })
  try {
    const { root, blocks, sizeBytes } = car
    const reachedBy = () => new Reached(car, (followed) => onProgress?.({ ...checked, followed }))
    const common = (reached: Reached) => ({ root: root.toString(), blocks, sizeBytes, others: blocks - reached.count })
    const ofRecords = reachedBy()
    const records = isRecordCid(root) ? await recordsIn(car, ofRecords) : null
    if (records != null) {
      return { ...common(ofRecords), kind: 'records', ...records }
    }
    const ofProof = reachedBy()
    for await (const cid of car.walk()) {
      ofProof.add(cid)
    }
    return { ...common(ofProof), kind: 'proof' }
  } finally {
    await car.close()
  }
}

/** The same, with the place of the block that it names, or else of the record that was read. */
function placed(car: CarFile, err: RecordMalformedError, record: string | null | undefined): RecordMalformedError {
  const named = /\bbaf[a-z2-7]{50,}/.exec(err.message)?.[0]
  const cid = named ?? record
  const where = cid == null ? '' : car.whereIs(CID.parse(cid))
  const what = `${err.message.slice(err.where.length + 2)}${named == null ? `, in record ${cid}` : ''}`
  return where === '' ? err : new RecordMalformedError(err.where, `${what}. ${inWhatItHolds(where)}`)
}

interface Sum {
  task: string
  records: number
  cycle: number
  fromCycle: number
  previous: string | null
  skipped: CycleRange[]
}

/** @returns null when the root is no record */
async function recordsIn(car: CarFile, reached: Reached): Promise<Sum | null> {
  let sum = null as Sum | null
  let lacking: string | undefined
  const chain = readChain(car.root, async (cid) => {
    const bytes = await car.get(cid)
    if (bytes == null) {
      lacking = cid.toString()
      throw new ProofUnavailableError(car.root, `block ${cid} ${car.lacking}`, { block: lacking })
    }
    return bytes
  })
  try {
    for await (const { content, blocks } of chain) {
      for (const cid of blocks) {
        reached.add(cid)
      }
      const previous = content.previous?.toString() ?? null
      sum = {
        task: sum?.task ?? content.task,
        records: (sum?.records ?? 0) + 1,
        cycle: sum?.cycle ?? content.cycle,
        fromCycle: content.cycle,
        previous,
        skipped: sum == null ? [] : [...sum.skipped, ...skippedBetween(sum.fromCycle, content.cycle)]
      }
    }
  } catch (err) {
    if (sum == null && err instanceof RecordMalformedError) {
      return null
    }
    // the file may end with any record, but not within one
    if (sum == null || lacking !== sum.previous) {
      throw err instanceof RecordMalformedError ? placed(car, err, sum?.previous) : err
    }
  }
  return sum
}
