import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { KeyValue } from '../store/index.ts'
import { withoutPeer } from './addresses.ts'
import type { Log } from './seams.ts'

/** Where peers were when they were good, kept over restarts. */
export interface PeerCache {
  /** Those that are remembered, the last good first. */
  list(): Promise<Array<{ peer: string; addresses: Multiaddr[] }>>
  /** It answered there, and may speak: this is where it is now. */
  good(peer: string, address: Multiaddr): Promise<void>
  /**
   * It answered at none of its addresses, wherever these are from.
   *
   * @param weight - how much this says of it: little while we reach nobody at all, nothing where we know of no other way
   */
  failed(peer: string, weight: number): Promise<void>
}

export interface PeerCacheInit {
  store: KeyValue | undefined
  log: Log
  /** Those that are connected now are not pushed out. */
  isConnected: (peer: string) => boolean
}

const PREFIX = 'peer/'
const MAX_PEERS = 64
/** What a store may hold that another version, or somebody else, has filled. */
const MAX_READ = 1_024
const MAX_ADDRESSES = 8
/** A peer is forgotten when its failures weigh this much. */
const FORGET_AT = 24

interface Entry {
  addresses: Multiaddr[]
  /** Counts up with each peer that was good. Not a time: clocks go wrong. */
  order: number
  failed: number
}

/** At most 64 peers. Which of them goes when another comes: one that failed, then the one that was good the longest ago. */
export function createPeerCache({ store, log, isConnected }: PeerCacheInit): PeerCache {
  const entries = new Map<string, Entry>()
  let loaded: Promise<void> | undefined

  const attempt = async (what: string, run: () => Promise<unknown> | undefined) => {
    try {
      await run()
    } catch (err) {
      log.debug({ err }, what)
    }
  }

  const forget = async (peer: string) => {
    entries.delete(peer)
    await attempt('a peer stays remembered', () => store?.delete(`${PREFIX}${peer}`))
  }

  const trim = async () => {
    const worst = [...entries].sort(
      ([a, one], [b, other]) =>
        Number(isConnected(a)) - Number(isConnected(b)) || Number(other.failed > 0) - Number(one.failed > 0) || one.order - other.order
    )
    for (const [peer] of worst.slice(0, Math.max(0, entries.size - MAX_PEERS))) {
      await forget(peer)
    }
  }

  const load = async () => {
    const keys = (await store?.list(PREFIX)) ?? []
    for (const key of keys.slice(0, MAX_READ)) {
      const peer = key.slice(PREFIX.length)
      const entry = read(await store?.get(key))
      if (entry == null) {
        await forget(peer)
      } else if (!entries.has(peer)) {
        entries.set(peer, entry)
      }
    }
    await trim()
  }

  /** Read once; where that fails, again at the next turn. */
  const ready = () => {
    loaded ??= load().catch((err) => {
      loaded = undefined
      log.debug({ err }, 'no peers are remembered')
    })
    return loaded
  }

  return {
    async list() {
      await ready()
      return [...entries].sort(([, a], [, b]) => b.order - a.order).map(([peer, { addresses }]) => ({ peer, addresses }))
    },
    async good(peer, address) {
      await ready()
      const order = Math.max(0, ...[...entries.values()].map((one) => one.order)) + 1
      const bare = withoutPeer(address)
      entries.set(peer, { addresses: [bare], order, failed: 0 })
      await attempt('peer not remembered', () =>
        store?.put(`${PREFIX}${peer}`, Buffer.from(JSON.stringify({ addresses: [bare.toString()], order })))
      )
      await trim()
    },
    async failed(peer, weight) {
      const entry = entries.get(peer)
      if (entry == null || weight <= 0) {
        return
      }
      entry.failed += weight
      if (entry.failed >= FORGET_AT) {
        await forget(peer)
      }
    }
  }
}

/** An entry as it was written, or as versions before wrote it: a list of addresses alone. undefined where it is neither. */
function read(bytes: Uint8Array | undefined): Entry | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes as Uint8Array).toString())
    const { addresses, order } = (Array.isArray(value) ? { addresses: value, order: 0 } : value) as { addresses: string[]; order: unknown }
    const known = addresses.slice(0, MAX_ADDRESSES).map((text) => multiaddr(text))
    const isCount = typeof order === 'number' && Number.isSafeInteger(order) && order >= 0 && order < Number.MAX_SAFE_INTEGER / 2
    return known.length === 0 ? undefined : { addresses: known, order: isCount ? order : 0, failed: 0 }
  } catch {
    return undefined
  }
}
