/** Real, small implementations of what a node hands to the runner, and a seeded K2. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { unixfs } from '@helia/unixfs'
import { code, decode, encode } from '@ipld/dag-cbor'
import { MemoryBlockstore } from 'blockstore-core'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import type {
  TaskBlock,
  TaskK2Reader,
  TaskLogEntry,
  TaskProofs,
  TaskRunner,
  TaskRunnerInit,
  TaskStore,
  TaskTransaction
} from '../../src/tasks/index.ts'
import { createTaskRunner } from '../../src/tasks/index.ts'

export const STAKER = 'A1ice11111111111111111111111111111111111111'
export const OTHER = 'Bob1111111111111111111111111111111111111111'
export const TASK = 'Task111111111111111111111111111111111111111'

class QuotaExceededError extends Error {
  override name = 'QuotaExceededError'
}

export function memoryStore(quotaBytes = 1024 * 1024): TaskStore & { entries: Map<string, Uint8Array> } {
  const entries = new Map<string, Uint8Array>()
  return {
    entries,
    get: async (key) => entries.get(key),
    async put(key, value) {
      const others = [...entries].filter(([name]) => name !== key).reduce((sum, [, bytes]) => sum + bytes.length, 0)
      if (others + value.length > quotaBytes) {
        throw new QuotaExceededError(`'${key}' does not fit`)
      }
      entries.set(key, value)
    },
    delete: async (key) => {
      entries.delete(key)
    },
    list: async (prefix = '', { after = '', limit = Number.POSITIVE_INFINITY } = {}) =>
      [...entries.keys()]
        .filter((key) => key.startsWith(prefix) && key > after)
        .sort()
        .slice(0, limit)
  }
}

/** UnixFS and dag-cbor on a block store in memory. */
export function memoryProofs(): TaskProofs & { putValue(value: unknown): Promise<CID> } {
  const blockstore = new MemoryBlockstore()
  const fs = unixfs({ blockstore })
  const read = async (cid: CID): Promise<Uint8Array> => {
    const chunks: Uint8Array[] = []
    for await (const chunk of blockstore.get(cid)) {
      chunks.push(chunk)
    }
    return new Uint8Array(Buffer.concat(chunks))
  }
  const putValue = async (value: unknown): Promise<CID> => {
    const bytes = encode(value)
    const cid = CID.createV1(code, await sha256.digest(bytes))
    await blockstore.put(cid, bytes)
    return cid
  }
  async function list(cid: CID, prefix: string): Promise<Array<{ path: string; cid: string; size: number }>> {
    const files = []
    for await (const entry of fs.ls(cid)) {
      const stat = await fs.stat(entry.cid)
      const path = `${prefix}${entry.name}`
      files.push(
        ...(stat.type === 'directory' ? await list(entry.cid, `${path}/`) : [{ path, cid: entry.cid.toString(), size: Number(stat.size) }])
      )
    }
    return files
  }
  return {
    putValue,
    putNode: async (value) => (await putValue(value)).toString(),
    async putFiles(files) {
      let root: CID | null = null
      for await (const entry of fs.addAll(files, { wrapWithDirectory: true, cidVersion: 1, rawLeaves: true })) {
        root = entry.cid
      }
      return root!.toString()
    },
    getNode: async (cid) => decode(await read(CID.parse(cid))),
    listFiles: async (cid) => (await list(CID.parse(cid), '')).sort((a, b) => (a.path < b.path ? -1 : 1)),
    async readFile(cid, path, { offset, length }) {
      const chunks: Uint8Array[] = []
      for await (const chunk of fs.cat(CID.parse(cid), { path, offset, length })) {
        chunks.push(chunk)
      }
      return new Uint8Array(Buffer.concat(chunks))
    }
  }
}

/** A K2 whose blocks follow from the seed: every seventh slot is skipped, every fifth empty. `reads` counts blocks read. */
export function seededK2(seed: string, tip: () => number): TaskK2Reader & { reads: number; failing: Set<number> } {
  const number = (text: string, below: number) => createHash('sha256').update(`${seed}/${text}`).digest().readUInt32BE(0) % below
  const name = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 44)
  const transaction = (slot: number, i: number): TaskTransaction => {
    const at = `${slot}/${i}`
    const fee = 5000 * (1 + number(`${at}/fee`, 2))
    const amount = number(`${at}/amount`, 1_000_000)
    const failed = number(`${at}/err`, 10) === 0
    const accounts = [
      name(`payer${number(`${at}/payer`, 9)}`),
      name(`payee${number(`${at}/payee`, 9)}`),
      'System11111111111111111111111111111111111111'
    ]
    return {
      signature: createHash('sha512').update(at).digest('hex').slice(0, 88),
      feePayer: accounts[0]!,
      fee: String(fee),
      err: failed ? '{"InstructionError":[0,{"Custom":1}]}' : null,
      programs: [accounts[2]!],
      accounts,
      preBalances: ['9007199254740993000', '5', '1'],
      postBalances: [String(9007199254740993000n - BigInt(fee + (failed ? 0 : amount))), String(5 + (failed ? 0 : amount)), '1']
    }
  }
  const k2 = {
    reads: 0,
    failing: new Set<number>(),
    slot: async () => tip(),
    blocks: async (start: number, end: number) =>
      Array.from({ length: end - start + 1 }, (_, i) => start + i).filter((slot) => slot % 7 !== 0 && slot <= tip()),
    async block(slot: number): Promise<TaskBlock | null> {
      k2.reads++
      if (k2.failing.has(slot) || slot >= tip()) {
        throw Object.assign(new Error(`no block of slot ${slot} yet`), { name: 'K2ReadError' })
      }
      return slot % 7 === 0
        ? null
        : {
            slot,
            blockhash: name(`hash${slot}`),
            parentSlot: slot - 1,
            transactions: Array.from({ length: slot % 5 === 0 ? 0 : number(`${slot}/count`, 40) }, (_, i) => transaction(slot, i))
          }
    }
  }
  return k2
}

export interface TestRunner {
  runner: TaskRunner
  store: ReturnType<typeof memoryStore>
  proofs: ReturnType<typeof memoryProofs>
  logged: TaskLogEntry[]
}

export async function makeRunner(init: Partial<TaskRunnerInit> & Pick<TaskRunnerInit, 'bundle'>): Promise<TestRunner> {
  const store = memoryStore()
  const proofs = memoryProofs()
  const logged: TaskLogEntry[] = []
  const runner = await createTaskRunner({
    taskId: TASK,
    staker: STAKER,
    store,
    proofs,
    k2: seededK2('k2', () => 1000),
    log: (entry) => logged.push(entry),
    ...init
  })
  return { runner, store, proofs, logged }
}

export function testBundle(name: string): Uint8Array {
  return readFileSync(new URL(`./bundles/${name}`, import.meta.url))
}

export const source = (text: string): Uint8Array => new TextEncoder().encode(text)
