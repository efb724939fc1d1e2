import { createHash } from 'node:crypto'
import type { Message } from '../wire/index.ts'
import { quotaOf } from './quota.ts'

/** The verified messages of the live cycles: what was seen, what sync compares and hands out, what quotas count. */
export interface Pool {
  has(id: string): boolean
  get(id: string): Message | undefined
  /** Whether asking a peer for it again is of no use: it is here, or was refused for good. */
  isSettled(id: string): boolean
  /** Adds a verified message. False when it is here already. Bounded by its callers: each signer has a quota (./quota.ts). */
  add(message: Message): boolean
  /** Remembers the id of a well-signed message that is not wanted, as one over its quota, so that sync does not fetch it for ever. */
  refuse(cycle: number, id: string): void
  /** How many messages of the cycle are here under a key of `quotaOf`. */
  said(cycle: number, key: string): number
  /** The cycles that it holds anything of, ascending. */
  cycles(): number[]
  /** Message ids of a cycle, ascending: 64 hex digits each. */
  ids(cycle: number): string[]
  /** SHA-256 of the message ids of a cycle, 32 bytes each, ascending: whatever two sets of them were chosen, it tells them apart. */
  digest(cycle: number): Uint8Array
  count(cycle: number): number
  messages(cycle: number): Message[]
  /** Forgets the cycles before `cycle`. */
  prune(cycle: number): void
  readonly size: number
}

interface Cycle {
  messages: Map<string, Message>
  /** Their ids, ascending: peers may ask for them as often as they like. */
  ids: string[]
  refused: Set<string>
  said: Map<string, number>
  /** Made when it is asked for, and again after the next message. */
  digest: Buffer | undefined
}

/** Refused ids remembered per cycle. */
const MAX_REFUSED = 4_096

export function createPool(): Pool {
  const cycles = new Map<number, Cycle>()
  const byId = new Map<string, Message>()

  const cycleOf = (number: number): Cycle => {
    let cycle = cycles.get(number)
    if (cycle == null) {
      cycle = { messages: new Map(), ids: [], refused: new Set(), said: new Map(), digest: undefined }
      cycles.set(number, cycle)
    }
    return cycle
  }

  const ids = (number: number) => cycles.get(number)?.ids ?? []

  return {
    has: (id) => byId.has(id),
    get: (id) => byId.get(id),
    isSettled: (id) => byId.has(id) || [...cycles.values()].some((cycle) => cycle.refused.has(id)),
    add(message) {
      if (byId.has(message.id)) {
        return false
      }
      const cycle = cycleOf(message.body.cycle)
      byId.set(message.id, message)
      cycle.messages.set(message.id, message)
      cycle.ids.splice(placeIn(cycle.ids, message.id), 0, message.id)
      const { key } = quotaOf(message)
      cycle.said.set(key, (cycle.said.get(key) ?? 0) + 1)
      cycle.digest = undefined
      return true
    },
    refuse(number, id) {
      const { refused } = cycleOf(number)
      refused.add(id)
      if (refused.size > MAX_REFUSED) {
        refused.delete(refused.keys().next().value as string)
      }
    },
    said: (number, key) => cycles.get(number)?.said.get(key) ?? 0,
    cycles: () =>
      [...cycles.entries()]
        .filter(([, cycle]) => cycle.messages.size > 0)
        .map(([number]) => number)
        .sort((a, b) => a - b),
    ids: (number) => [...ids(number)],
    digest(number) {
      const digest = cycles.get(number)?.digest ?? digestOf(ids(number))
      const cycle = cycles.get(number)
      if (cycle != null) {
        cycle.digest = digest
      }
      return Uint8Array.from(digest)
    },
    count: (number) => cycles.get(number)?.messages.size ?? 0,
    messages: (number) => [...(cycles.get(number)?.messages.values() ?? [])],
    prune(before) {
      for (const [number, cycle] of cycles) {
        if (number < before) {
          for (const id of cycle.messages.keys()) {
            byId.delete(id)
          }
          cycles.delete(number)
        }
      }
    },
    get size() {
      return byId.size
    }
  }
}

/** Where an id belongs in an ascending list. */
function placeIn(ids: readonly string[], id: string): number {
  let [from, to] = [0, ids.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (ids[middle]! < id) {
      from = middle + 1
    } else {
      to = middle
    }
  }
  return from
}

function digestOf(ids: readonly string[]): Buffer {
  const hash = createHash('sha256')
  for (const id of ids) {
    hash.update(id, 'hex')
  }
  return hash.digest()
}
