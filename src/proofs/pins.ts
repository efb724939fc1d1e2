/**
 * What is kept, and for which task and cycle. A pin says that a whole DAG (or one block, for the links of the record chain)
 * is here and stays; it is on disk before `pin` resolves.
 */
import type { CID } from 'multiformats/cid'
import { toCid } from './cid-profile.ts'

/** A small durable map from text to bytes; src/store has the real one. */
export interface KeyValue {
  get(key: string): Promise<Uint8Array | undefined>
  put(key: string, value: Uint8Array): Promise<void>
  delete(key: string): Promise<void>
  list(prefix?: string): Promise<string[]>
}

export interface Pin {
  task: string
  cycle: number
  cid: CID
  /** The root alone. */
  shallow: boolean
  /** The DHT is told of the root. */
  provide: boolean
  sizeBytes: number
  blocks: number
  /** The task itself made it. */
  made?: boolean
}

const PREFIX = 'pin/'
/** Reading one takes no waiting, and a task may make many. */
const PINS_PER_TURN = 256

export class Pins {
  readonly #store: KeyValue

  constructor(store: KeyValue) {
    this.#store = store
  }

  async put({ task, cycle, cid, ...facts }: Pin): Promise<void> {
    await this.#store.put(nameOf(task, cycle, cid), Buffer.from(JSON.stringify(facts)))
  }

  async delete({ task, cycle, cid }: Pick<Pin, 'task' | 'cycle' | 'cid'>): Promise<void> {
    await this.#store.delete(nameOf(task, cycle, cid))
  }

  /** All pins, or those of one task, oldest cycle first. */
  async list(task?: string): Promise<Pin[]> {
    const pins: Pin[] = []
    const names = await this.#store.list(task == null ? PREFIX : `${PREFIX}${task}/`)
    for (const [at, name] of names.entries()) {
      if (at % PINS_PER_TURN === PINS_PER_TURN - 1) {
        await new Promise((resolve) => setImmediate(resolve))
      }
      const value = await this.#store.get(name)
      const [, pinTask, cycle, cid] = name.split('/')
      if (value != null && pinTask != null && cycle != null && cid != null) {
        pins.push({ task: pinTask, cycle: Number(cycle), cid: toCid(cid), ...JSON.parse(Buffer.from(value).toString()) })
      }
    }
    return pins
  }
}

/** Cycles are padded, so that the order of keys is the order of cycles. */
function nameOf(task: string, cycle: number, cid: CID): string {
  if (task === '' || task.includes('/')) {
    throw new TypeError(`task id '${task}' must be without slashes, and not empty`)
  }
  if (!Number.isSafeInteger(cycle) || cycle < 0) {
    throw new RangeError(`cycle ${cycle} must be a whole number from 0`)
  }
  return `${PREFIX}${task}/${String(cycle).padStart(16, '0')}/${cid}`
}
