/** A node's disk as a model: what is written survives a kill, what only waits does not. Every write can fail, or be the last. */
import type { SignerLog } from '../../src/identity/index.ts'
import type { CycleEntry, CycleLog, KeyValue, LogTrust, MessageLog, Origin, Store, StoredMessage } from '../../src/store/index.ts'

/** What a write is of: `signed` and `key` are durable when they return, messages wait for a flush. */
export type Write = 'signed' | 'forget' | 'message' | 'cycle' | 'key' | 'trust' | 'block'

export interface Disk {
  signed: Map<string, { task: string; cycle: number; key: string; hash: string; bytes: Uint8Array | null }>
  messages: Map<string, StoredMessage>
  cycles: Map<number, CycleEntry>
  values: Map<string, Uint8Array>
  blocks: Map<string, Uint8Array>
  origin: Origin
}

export const newDisk = (origin: Origin = 'kept'): Disk => ({
  signed: new Map(),
  messages: new Map(),
  cycles: new Map(),
  values: new Map(),
  blocks: new Map(),
  origin
})

export interface SimStore extends Pick<Store, 'messages' | 'cycles'>, LogTrust {
  signerLog: SignerLog
  keys: KeyValue
}

/** What a write is called with, before and after it is there. What it throws is what the disk says, or the end of the process. */
export type OnWrite = (what: Write, when: 'before' | 'after') => void

/** One life of a process on a disk. */
export function storeOn(disk: Disk, onWrite: OnWrite): SimStore {
  const write = (what: Write, run: () => void) => {
    onWrite(what, 'before')
    run()
    onWrite(what, 'after')
  }
  let waiting: StoredMessage[] = []
  const waitingCycles = new Map<number, CycleEntry>()
  const messages: MessageLog = {
    put(_task, message) {
      waiting.push(message)
    },
    flush() {
      for (const message of waiting) {
        // a batch that is torn has its first ones
        write('message', () => disk.messages.set(`${message.cycle}/${message.id}`, message))
      }
      waiting = []
    },
    load(_task, fromCycle) {
      messages.flush()
      return [...disk.messages.values()].filter(({ cycle }) => cycle >= fromCycle).sort((a, b) => a.slot - b.slot || (a.id < b.id ? -1 : 1))
    },
    prune(_task, cycle) {
      waiting = waiting.filter((message) => message.cycle >= cycle)
      for (const [name, message] of disk.messages) {
        if (message.cycle < cycle) {
          write('forget', () => disk.messages.delete(name))
        }
      }
    },
    stop() {}
  }
  const cycles: CycleLog = {
    merge(_task, cycle, entry) {
      const merged = { ...disk.cycles.get(cycle), ...waitingCycles.get(cycle), ...entry }
      waitingCycles.set(cycle, merged)
      try {
        write('cycle', () => disk.cycles.set(cycle, merged))
        waitingCycles.delete(cycle)
      } catch {
        // what the disk does not take waits in memory
      }
    },
    flush() {},
    get: (_task, cycle) => waitingCycles.get(cycle) ?? disk.cycles.get(cycle),
    list: (_task, limit) =>
      [...new Map([...disk.cycles, ...waitingCycles])]
        .sort(([a], [b]) => b - a)
        .slice(0, limit)
        .map(([cycle, entry]) => ({ cycle, entry }))
  }
  const keys: KeyValue = {
    get: async (key) => disk.values.get(key),
    async put(key, value) {
      write('key', () => disk.values.set(key, value))
    },
    async delete(key) {
      write('key', () => disk.values.delete(key))
    },
    list: async (prefix = '') => [...disk.values.keys()].filter((key) => key.startsWith(prefix)).sort()
  }
  return {
    messages,
    cycles,
    keys,
    signerLog: {
      get: (task, cycle, key) => disk.signed.get(`${task}/${cycle}/${key}`)?.hash,
      put(task, cycle, key, hash, bytes) {
        write('signed', () => disk.signed.set(`${task}/${cycle}/${key}`, { task, cycle, key, hash, bytes }))
      },
      list: (task, fromCycle) =>
        [...disk.signed.values()]
          .filter((one) => one.task === task && one.cycle >= fromCycle && one.bytes != null)
          .sort((a, b) => a.cycle - b.cycle || (a.key < b.key ? -1 : 1))
          .map(({ cycle, key, bytes }) => ({ cycle, key, bytes: bytes! })),
      prune(_task, cycle) {
        for (const [name, one] of disk.signed) {
          if (one.cycle < cycle && one.bytes != null) {
            write('forget', () => disk.signed.set(name, { ...one, bytes: null }))
          }
        }
      }
    },
    origin: () => disk.origin,
    trustLog() {
      write('trust', () => {
        disk.origin = 'kept'
      })
    }
  }
}
