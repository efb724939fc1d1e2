/**
 * The store under libp2p: the DHT's provider records and the peer store's entries, all in memory and all bounded. Stock
 * libp2p keeps both without end in one map, and walks all of it for each question.
 *
 * Nothing of it outlives the process: a node that starts provides what it has pinned, and is told the rest again.
 */
import { NotFoundError } from '@libp2p/interface'
import { peerIdFromCID, peerIdFromString } from '@libp2p/peer-id'
import type { Batch, Datastore, KeyQuery, Pair, Query } from 'interface-datastore'
import { Key } from 'interface-datastore'
import { CID } from 'multiformats/cid'
import { DHT_LIMITS, PEER_STORE_LIMITS } from './limits.ts'
import { createPeerEntries } from './peer-entries.ts'
import { createProviderRecords } from './provider-records.ts'

/** Before all that the DHT keeps. */
export const DHT_STORE_PREFIX = '/koii-mesh-kad'

const PROVIDERS = `${DHT_STORE_PREFIX}/provider`
const VALUES = `${DHT_STORE_PREFIX}/record`
const PEERS = '/peers'

export interface HostStoreInit {
  /** Text of this node's PeerId. */
  self: string
  /** Whether a peer has proven or claimed stake: what it says is kept before what strangers say. */
  isKept: (peer: string) => boolean
  /** How long a provider record is kept after it was last put. @see recordLifetimeMs */
  recordLifetimeMs: number | (() => number)
  /** Milliseconds that only ever grow. */
  now: () => number
}

export interface HostStore extends Datastore {
  /** All that is kept, by its key: for looking at. */
  readonly data: Map<string, Uint8Array>
  counts(): { records: number; peers: number; others: number }
  /** A peer is connected: what is known of it stays for as long. */
  hold(peer: string): void
  /** Peers are gone: those without stake are forgotten, unless they provide something that may still be looked for. */
  release(peers: Iterable<string>): void
}

export function createHostStore({ self, isKept, recordLifetimeMs, now }: HostStoreInit): HostStore {
  const records = createProviderRecords({ self, isKept, lifetimeMs: recordLifetimeMs, now })
  const held = new Set<string>()
  const entries = createPeerEntries({ self, isKept: (peer) => held.has(peer) || isKept(peer) })
  const others = new Map<string, Uint8Array>()

  const get = (key: Key): Uint8Array | undefined => {
    const name = key.toString()
    const named = providerIn(name)
    if (named != null) {
      return records.get(named.content, named.provider)?.value
    }
    const peer = peerIn(name)
    return peer == null ? others.get(name) : entries.get(peer)
  }

  const putOther = (name: string, value: Uint8Array) => {
    if (value.length <= PEER_STORE_LIMITS.entryBytes && !name.startsWith(VALUES)) {
      others.delete(name)
      others.set(name, new Uint8Array(value))
      if (others.size > PEER_STORE_LIMITS.otherEntries) {
        others.delete(others.keys().next().value as string)
      }
    }
  }

  const put = (key: Key, value: Uint8Array) => {
    const name = key.toString()
    const named = providerIn(name)
    const peer = peerIn(name)
    if (named != null) {
      records.put(named.content, named.provider, value)
    } else if (peer != null) {
      entries.put(peer, value)
    } else {
      putOther(name, value)
    }
    return key
  }

  const remove = (key: Key) => {
    const name = key.toString()
    const named = providerIn(name)
    if (named != null) {
      records.delete(named.content, named.provider)
    }
    const peer = peerIn(name)
    if (peer != null) {
      entries.delete(peer)
    }
    others.delete(name)
  }

  function* matching(prefix: string): Generator<Pair> {
    if (prefix === PROVIDERS) {
      // whoever walks all records wants to expire them, or to provide its own again: that is done here, and by those who pin
      return
    }
    if (prefix.startsWith(`${PROVIDERS}/`)) {
      yield* providersOf(prefix.slice(PROVIDERS.length + 1))
    } else if (prefix.startsWith(PEERS)) {
      for (const { peer, value } of entries.all()) {
        yield { key: new Key(entryName(peer), false), value }
      }
    } else {
      for (const [name, value] of others) {
        yield { key: new Key(name, false), value }
      }
    }
  }

  function* providersOf(content: string): Generator<Pair> {
    let count = 0
    for (const { provider, value } of records.of(content)) {
      // one whose addresses are not known helps nobody, and the DHT would answer nothing for its sake
      if (provider !== self && entries.get(provider) == null) {
        continue
      }
      yield { key: new Key(`${PROVIDERS}/${content}/${provider}`, false), value }
      if (++count === DHT_LIMITS.providersPerAnswer) {
        return
      }
    }
  }

  function* query({ prefix = '', filters = [], orders = [], limit = Number.POSITIVE_INFINITY, offset = 0 }: Query): Generator<Pair> {
    let found = [...matching(prefix)].filter((pair) => pair.key.toString().startsWith(prefix))
    found = found.filter((pair) => filters.every((filter) => filter(pair)))
    for (const order of orders) {
      found.sort(order)
    }
    yield* found.slice(offset, offset + limit)
  }

  const store: Omit<HostStore, 'data'> = {
    has: (key) => get(key) != null,
    get(key) {
      const value = get(key)
      if (value == null) {
        throw new NotFoundError(`nothing is kept under ${key}`)
      }
      return value
    },
    put,
    delete: remove,
    async *putMany(source) {
      for await (const { key, value } of source) {
        yield put(key, value)
      }
    },
    async *getMany(source) {
      for await (const key of source) {
        yield { key, value: await store.get(key) }
      }
    },
    async *deleteMany(source) {
      for await (const key of source) {
        remove(key)
        yield key
      }
    },
    batch(): Batch {
      const steps: Array<() => void> = []
      return {
        put: (key, value) => steps.push(() => put(key, value)),
        delete: (key) => steps.push(() => remove(key)),
        commit() {
          for (const step of steps.splice(0)) {
            step()
          }
        }
      }
    },
    query,
    *queryKeys({ prefix, filters = [], orders = [], limit = Number.POSITIVE_INFINITY, offset = 0 }: KeyQuery) {
      let keys = [...query({ ...(prefix == null ? {} : { prefix }) })].map(({ key }) => key)
      keys = keys.filter((key) => filters.every((filter) => filter(key)))
      for (const order of orders) {
        keys.sort(order)
      }
      yield* keys.slice(offset, offset + limit)
    },
    counts: () => ({ records: records.size, peers: entries.size, others: others.size }),
    hold(peer) {
      held.add(peer)
      entries.classify(peer)
    },
    release(peers) {
      for (const peer of peers) {
        held.delete(peer)
      }
      entries.sweep((peer) => records.countOf(peer) > 0)
    }
  }
  return Object.defineProperty(store, 'data', {
    get: () =>
      new Map([
        ...[...records.all()].map(({ content, provider, value }) => [`${PROVIDERS}/${content}/${provider}`, value] as const),
        ...[...entries.all()].map(({ peer, value }) => [entryName(peer), value] as const),
        ...others
      ])
  }) as HostStore
}

function providerIn(name: string): { content: string; provider: string } | undefined {
  if (!name.startsWith(`${PROVIDERS}/`)) {
    return undefined
  }
  const [content = '', provider = ''] = name.slice(PROVIDERS.length + 1).split('/')
  return { content, provider }
}

function peerIn(name: string): string | undefined {
  if (!name.startsWith(`${PEERS}/`)) {
    return undefined
  }
  try {
    return peerIdFromCID(CID.parse(name.slice(PEERS.length + 1))).toString()
  } catch {
    return undefined
  }
}

function entryName(peer: string): string {
  return `${PEERS}/${peerIdFromString(peer).toCID()}`
}
