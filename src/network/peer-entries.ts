/**
 * What libp2p's peer store keeps, bounded: entries of peers with stake stay, those of strangers push each other out. What a
 * peer, or others in its name, can put into an entry is cut to what an honest one needs.
 */
import { PEER_STORE_LIMITS } from './limits.ts'

export interface PeerEntries {
  /** Keeps an entry, a copy of it. One that is none, is too large, or says nothing of a stranger is not kept: false. */
  put(peer: string, value: Uint8Array): boolean
  get(peer: string): Uint8Array | undefined
  delete(peer: string): void
  /** Looks again at who is kept: an entry moves between those that stay and those that push each other out. */
  classify(peer: string): void
  /** Looks again at all that stay, and drops those that need not any more unless `spare` wants them. */
  sweep(spare: (peer: string) => boolean): void
  all(): Generator<{ peer: string; value: Uint8Array }>
  readonly size: number
}

export interface PeerEntriesInit {
  /** This node, whose own entry is as it wants it. */
  self: string
  /** Whether a peer's entry stays: it has proven or claimed stake, or is connected. */
  isKept: (peer: string) => boolean
  limits?: Partial<typeof PEER_STORE_LIMITS>
}

export function createPeerEntries({ self, isKept: stays, limits }: PeerEntriesInit): PeerEntries {
  const bounds = { ...PEER_STORE_LIMITS, ...limits }
  const isKept = (peer: string) => peer === self || stays(peer)
  // both oldest first
  const kept = new Map<string, Uint8Array>()
  const strangers = new Map<string, Uint8Array>()

  const remove = (peer: string) => {
    kept.delete(peer)
    strangers.delete(peer)
  }

  const place = (peer: string, value: Uint8Array) => {
    remove(peer)
    const [shelf, most] = isKept(peer) ? [kept, bounds.keptEntries] : [strangers, bounds.strangerEntries]
    shelf.set(peer, value)
    if (shelf.size > most) {
      shelf.delete(shelf.keys().next().value as string)
    }
  }

  return {
    put(peer, value) {
      const trimmed = peer === self ? new Uint8Array(value) : trimEntry(value, bounds)
      if (trimmed == null) {
        return false
      }
      if (!isKept(peer) && !leadsAnywhere(trimmed)) {
        // kad-dht tags peers that have gone long ago
        remove(peer)
        return false
      }
      place(peer, trimmed)
      return true
    },
    get: (peer) => kept.get(peer) ?? strangers.get(peer),
    delete: remove,
    classify(peer) {
      const value = kept.get(peer) ?? strangers.get(peer)
      if (value != null && kept.has(peer) !== isKept(peer)) {
        place(peer, value)
      }
    },
    sweep(spare) {
      for (const [peer, value] of [...kept]) {
        if (!isKept(peer)) {
          spare(peer) ? place(peer, value) : remove(peer)
        }
      }
    },
    *all() {
      for (const shelf of [kept, strangers]) {
        for (const [peer, value] of shelf) {
          yield { peer, value }
        }
      }
    },
    get size() {
      return kept.size + strangers.size
    }
  }
}

/** Fields of @libp2p/peer-store's Peer. */
const FIELD = { addresses: 1, protocols: 2, envelope: 5, metadata: 6, tags: 7 }
/** Fields of its Address. */
const ADDRESS_FIELD = { multiaddr: 1, certified: 2, observed: 3 }
const WIRE = { varint: 0, bytes: 2 }

interface Field {
  number: number
  /** The whole field with its tag, and what is in it. */
  whole: Uint8Array
  content: Uint8Array
  /** Of a varint; near enough for times. */
  value: number
}

/**
 * An entry with no more than an honest peer needs, copied, so that it holds nothing but itself in memory: it comes as a
 * slice of a larger buffer. Of addresses, those that their peer has signed stay first, then the latest seen.
 *
 * @returns undefined when it cannot be read, or is still too large
 */
export function trimEntry(bytes: Uint8Array, limits: typeof PEER_STORE_LIMITS): Uint8Array | undefined {
  let fields: Field[]
  let addresses: Array<Field & { rank: number }>
  try {
    fields = [...fieldsOf(bytes)]
    addresses = fields
      .filter(({ number, content }) => number === FIELD.addresses && content.length <= limits.addressBytes)
      .map((field) => ({ ...field, rank: rankOf(field.content) }))
  } catch {
    return undefined
  }
  const best = new Set(
    addresses
      .sort((a, b) => b.rank - a.rank)
      .slice(0, limits.addresses)
      .map(({ whole }) => whole)
  )
  const counts = new Map<number, number>()
  const parts = fields.filter(({ number, whole, content }) => {
    const count = (counts.get(number) ?? 0) + 1
    counts.set(number, count)
    switch (number) {
      case FIELD.addresses:
        return best.has(whole)
      case FIELD.protocols:
        return count <= limits.protocols && content.length <= limits.textBytes
      case FIELD.metadata:
      case FIELD.tags:
        return count <= limits.facts && content.length <= limits.textBytes
      case FIELD.envelope:
        return content.length <= limits.envelopeBytes
      default:
        return true
    }
  })
  const lengthBytes = parts.reduce((sum, { whole }) => sum + whole.length, 0)
  if (lengthBytes > limits.entryBytes) {
    return undefined
  }
  const copy = new Uint8Array(lengthBytes)
  let at = 0
  for (const { whole } of parts) {
    copy.set(whole, at)
    at += whole.length
  }
  return copy
}

/** Whether an entry says where its peer is, or what it speaks. */
function leadsAnywhere(entry: Uint8Array): boolean {
  for (const { number } of fieldsOf(entry)) {
    if (number === FIELD.addresses || number === FIELD.protocols) {
      return true
    }
  }
  return false
}

/** Signed ones before all others, later ones before earlier ones. */
function rankOf(address: Uint8Array): number {
  let rank = 0
  for (const { number, value } of fieldsOf(address)) {
    rank += number === ADDRESS_FIELD.certified && value > 0 ? 2 ** 52 : 0
    rank += number === ADDRESS_FIELD.observed ? Math.min(value, 2 ** 51) : 0
  }
  return rank
}

/** @throws RangeError when the bytes are no protobuf of the kinds of fields that an entry has */
function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  let at = 0
  const varint = () => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++]
      if (byte == null || scale > 2 ** 63) {
        throw new RangeError('the entry ends within a field')
      }
      value += (byte & 127) * scale
      if (byte < 128) {
        return value
      }
    }
  }
  while (at < bytes.length) {
    const start = at
    const tag = varint()
    const number = Math.floor(tag / 8)
    const value = varint()
    if (tag % 8 === WIRE.bytes) {
      const from = at
      at += value
      if (at > bytes.length) {
        throw new RangeError('the entry ends within a field')
      }
      yield { number, whole: bytes.subarray(start, at), content: bytes.subarray(from, at), value: 0 }
    } else if (tag % 8 === WIRE.varint) {
      yield { number, whole: bytes.subarray(start, at), content: bytes.subarray(at, at), value }
    } else {
      throw new RangeError('the entry has a field of a kind that none has')
    }
  }
}
