/**
 * The provider records that this node keeps for the DHT, bounded and indexed. What a peer without stake writes can push out
 * nothing but what other peers without stake wrote.
 */
import { DHT_LIMITS } from './limits.ts'

export interface ProviderRecord {
  /** Multihash of what is provided, base32, as the DHT names it in its store. */
  content: string
  /** Text of the PeerId that provides it. */
  provider: string
  /** What the DHT wrote, a copy. */
  value: Uint8Array
}

export interface ProviderRecords {
  /** Keeps a record, or keeps it longer. Whoever is over a bound loses its oldest. False when it is none to keep. */
  put(content: string, provider: string, value: Uint8Array): boolean
  get(content: string, provider: string): ProviderRecord | undefined
  delete(content: string, provider: string): void
  /** Forgets all that a peer provides. */
  forget(provider: string): void
  /** Who provides it, those with stake first and the latest first. Costs no more however much else is kept. */
  of(content: string): Generator<ProviderRecord>
  /** How many records of a peer have not expired. */
  countOf(provider: string): number
  all(): Generator<ProviderRecord>
  readonly size: number
}

export interface ProviderRecordsInit {
  /** This node itself: what it provides is not for others to push out. */
  self: string
  /** Whether a peer has proven or claimed stake. */
  isKept: (peer: string) => boolean
  /** How long a record is kept after it was last put. */
  lifetimeMs: number | (() => number)
  /** Milliseconds that only ever grow. */
  now: () => number
  limits?: Partial<RecordLimits>
}

export interface RecordLimits {
  recordsPerStranger: number
  strangerRecords: number
  strangersPerKey: number
  recordsPerStaked: number
  stakedRecords: number
}

interface Kept extends ProviderRecord {
  key: string
  atMs: number
}

interface Holder {
  stranger: boolean
  /** Oldest first, as all maps here. */
  records: Map<string, Kept>
}

export function createProviderRecords({ self, isKept, lifetimeMs, now, limits }: ProviderRecordsInit): ProviderRecords {
  const bounds: RecordLimits = { ...DHT_LIMITS, ...limits }
  const staked = new Map<string, Kept>()
  const strangers = new Map<string, Kept>()
  const byContent = new Map<string, Map<string, Kept>>()
  const holders = new Map<string, Holder>()

  const drop = (record: Kept) => {
    staked.delete(record.key)
    strangers.delete(record.key)
    removeFrom(byContent, record.content, record.provider)
    const holder = holders.get(record.provider)
    holder?.records.delete(record.content)
    if (holder?.records.size === 0) {
      holders.delete(record.provider)
    }
  }

  const isLive = ({ atMs }: Kept) => now() - atMs < (typeof lifetimeMs === 'function' ? lifetimeMs() : lifetimeMs)

  const expire = () => {
    for (const shelf of [staked, strangers]) {
      for (const record of shelf.values()) {
        if (isLive(record)) {
          break
        }
        drop(record)
      }
    }
  }

  /** A peer's stake may have come or gone since its records were put. */
  const classify = (provider: string): Holder => {
    const stranger = provider !== self && !isKept(provider)
    let holder = holders.get(provider)
    if (holder == null) {
      holder = { stranger, records: new Map() }
      holders.set(provider, holder)
    } else if (holder.stranger !== stranger) {
      holder.stranger = stranger
      const [from, to] = stranger ? [staked, strangers] : [strangers, staked]
      for (const record of holder.records.values()) {
        from.delete(record.key)
        to.set(record.key, record)
      }
    }
    return holder
  }

  const makeRoom = (holder: Holder, content: string) => {
    const perPeer = holder.stranger ? bounds.recordsPerStranger : bounds.recordsPerStaked
    if (holder.records.size >= perPeer && !holder.records.has(content)) {
      drop(first(holder.records))
    }
    if (holder.stranger) {
      const here = [...(byContent.get(content)?.values() ?? [])].filter(({ key }) => strangers.has(key))
      if (here.length >= bounds.strangersPerKey) {
        drop(here[0] as Kept)
      }
      if (strangers.size >= bounds.strangerRecords) {
        drop(first(strangers))
      }
    } else if (staked.size >= bounds.stakedRecords) {
      // whoever filled the shelf makes room
      let most: Holder | undefined
      for (const [peer, one] of holders) {
        if (!one.stranger && peer !== self && one.records.size > (most?.records.size ?? 0)) {
          most = one
        }
      }
      drop(first(most?.records ?? staked))
    }
  }

  return {
    put(content, provider, value) {
      if (content.length > DHT_LIMITS.keyChars || value.length > DHT_LIMITS.recordBytes) {
        return false
      }
      expire()
      const key = `${content}/${provider}`
      const before = holders.get(provider)?.records.get(content)
      if (before != null) {
        drop(before)
      }
      makeRoom(classify(provider), content)
      // making room may have emptied and dropped the holder
      const holder = classify(provider)
      const record = { key, content, provider, value: new Uint8Array(value), atMs: now() }
      holder.records.set(content, record)
      const shelf = holder.stranger ? strangers : staked
      shelf.set(key, record)
      addTo(byContent, content, provider, record)
      return true
    },
    get(content, provider) {
      const record = byContent.get(content)?.get(provider)
      return record != null && isLive(record) ? record : undefined
    },
    delete(content, provider) {
      const record = byContent.get(content)?.get(provider)
      if (record != null) {
        drop(record)
      }
    },
    forget(provider) {
      for (const record of [...(holders.get(provider)?.records.values() ?? [])]) {
        drop(record)
      }
    },
    *of(content) {
      const latestFirst = [...(byContent.get(content)?.values() ?? [])].filter(isLive).reverse()
      yield* latestFirst.filter(({ key }) => staked.has(key))
      yield* latestFirst.filter(({ key }) => strangers.has(key))
    },
    countOf(provider) {
      expire()
      return holders.get(provider)?.records.size ?? 0
    },
    *all() {
      expire()
      yield* staked.values()
      yield* strangers.values()
    },
    get size() {
      expire()
      return staked.size + strangers.size
    }
  }
}

function first<V>(map: Map<string, V>): V {
  return map.values().next().value as V
}

function addTo<V>(index: Map<string, Map<string, V>>, outer: string, inner: string, value: V): void {
  const found = index.get(outer)
  found == null ? index.set(outer, new Map([[inner, value]])) : found.set(inner, value)
}

function removeFrom<V>(index: Map<string, Map<string, V>>, outer: string, inner: string): void {
  const found = index.get(outer)
  if (found?.delete(inner) === true && found.size === 0) {
    index.delete(outer)
  }
}
