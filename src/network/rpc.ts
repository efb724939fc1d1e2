/** What a gossipsub RPC holds, counted without decoding it. */
export interface RpcCount {
  /** SUBSCRIBE and UNSUBSCRIBE of our topics. */
  subscriptions: number
  /** Subscriptions, messages and control entries of other topics, or of none. */
  foreign: number
  /** Messages of our topics with data. */
  messages: number
  /** Of these, the ones with an author, a number, a signature or a key of the router's own: nobody takes them. */
  signed: number
  /** And which of our topics each of these is of. */
  signedIn: number[]
  /** Messages without data. */
  empty: number
  /** Entries of IHAVE, IWANT and IDONTWANT. */
  entries: number
  /** Message ids in them. */
  ids: number
  /** GRAFT and PRUNE. */
  grafts: number
  /** Peers in PRUNE. */
  infos: number
  /** Fields that gossipsub 1.2 does not have, wherever they are. */
  unknown: number
  /** Bytes beyond what the above come to at their usual sizes. */
  waste: number
  /** A fingerprint of each message of our topics: the same bytes have the same one. */
  fingerprints: number[]
}

/** What one entry of a kind takes at most, its tags and lengths included. A topic has some 60 bytes. */
const USUAL = { subscription: 96, message: 128, entry: 96, id: 32, graft: 96, info: 512, unknown: 8 }

/** The end of a message is its signature. */
const FINGERPRINT_BYTES = 64

const VARINT = 0
const FIXED64 = 1
const LENGTH = 2
const FIXED32 = 5

/** The fields of one message, one after the other; stops with `broken` where it is not protobuf. */
class Fields {
  field = 0
  type = 0
  /** Of the value of a field with a length. */
  from = 0
  to = 0
  broken = false
  readonly #bytes: Uint8Array
  readonly #end: number
  #at: number

  constructor(bytes: Uint8Array, from: number, to: number) {
    this.#bytes = bytes
    this.#at = from
    this.#end = to
  }

  next(): boolean {
    if (this.broken || this.#at >= this.#end) {
      return false
    }
    const tag = this.#varint()
    this.field = Math.floor(tag / 8)
    this.type = tag % 8
    if (this.type === LENGTH) {
      const length = this.#varint()
      this.from = this.#at
      this.#at += length
      this.to = this.#at
    } else if (this.type === VARINT) {
      this.#varint()
    } else if (this.type === FIXED64) {
      this.#at += 8
    } else if (this.type === FIXED32) {
      this.#at += 4
    } else {
      this.broken = true
    }
    this.broken ||= this.#at > this.#end || this.field === 0
    return !this.broken
  }

  #varint(): number {
    let value = 0
    let scale = 1
    for (let count = 0; count < 10; count++) {
      const byte = this.#bytes[this.#at++]
      if (byte == null) {
        break
      }
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        return value
      }
      scale *= 128
    }
    this.broken = true
    return 0
  }
}

/**
 * Counts what an RPC holds. Takes time by its length alone, and keeps nothing of it.
 *
 * @param topics ours, as bytes
 * @returns undefined when it is not protobuf
 */
export function countRpc(bytes: Uint8Array, topics: readonly Uint8Array[]): RpcCount | undefined {
  const counter = new Counter(bytes, topics)
  return counter.rpc() ? counter.count : undefined
}

class Counter {
  readonly count: RpcCount = {
    subscriptions: 0,
    foreign: 0,
    messages: 0,
    signed: 0,
    signedIn: [],
    empty: 0,
    entries: 0,
    ids: 0,
    grafts: 0,
    infos: 0,
    unknown: 0,
    waste: 0,
    fingerprints: []
  }
  readonly #bytes: Uint8Array
  readonly #topics: readonly Uint8Array[]
  /** Bytes of messages' data. */
  #data = 0
  /** Which of our topics was named last: the next entry is most often about the same. */
  #last = 0

  constructor(bytes: Uint8Array, topics: readonly Uint8Array[]) {
    this.#bytes = bytes
    this.#topics = topics
  }

  rpc(): boolean {
    const fields = new Fields(this.#bytes, 0, this.#bytes.length)
    while (fields.next()) {
      const { field, type, from, to } = fields
      if (type !== LENGTH) {
        this.count.unknown++
      } else if (field === 1) {
        fields.broken ||= !this.#subscription(from, to)
      } else if (field === 2) {
        fields.broken ||= !this.#message(from, to)
      } else if (field === 3) {
        fields.broken ||= !this.#control(from, to)
      } else {
        this.count.unknown++
      }
    }
    const { subscriptions, foreign, messages, empty, entries, ids, grafts, infos, unknown } = this.count
    const explained =
      this.#data +
      USUAL.subscription * (subscriptions + foreign) +
      USUAL.message * (messages + empty) +
      USUAL.entry * entries +
      USUAL.id * ids +
      USUAL.graft * grafts +
      USUAL.info * infos +
      USUAL.unknown * unknown
    this.count.waste = Math.max(0, this.#bytes.length - explained)
    return !fields.broken
  }

  #subscription(from: number, to: number): boolean {
    const fields = new Fields(this.#bytes, from, to)
    let ours = false
    while (fields.next()) {
      if (fields.field === 2 && fields.type === LENGTH) {
        ours = this.#isOurs(fields.from, fields.to)
      } else if (fields.field !== 1 || fields.type !== VARINT) {
        this.count.unknown++
      }
    }
    ours ? this.count.subscriptions++ : this.count.foreign++
    return !fields.broken
  }

  #message(from: number, to: number): boolean {
    const fields = new Fields(this.#bytes, from, to)
    let ours = false
    let place = 0
    let signed = false
    let dataFrom = 0
    let dataTo = 0
    while (fields.next()) {
      // whatever is not data and topic: from, seqno, signature and key
      signed ||= fields.field !== 2 && fields.field !== 4 && fields.field <= 6
      if (fields.type !== LENGTH || fields.field > 6) {
        this.count.unknown++
      } else if (fields.field === 2) {
        dataFrom = fields.from
        dataTo = fields.to
      } else if (fields.field === 4) {
        ours = this.#isOurs(fields.from, fields.to)
        place = this.#last
      }
    }
    if (dataFrom === dataTo) {
      this.count.empty++
    } else if (ours) {
      this.count.messages++
      if (signed) {
        this.count.signed++
        this.count.signedIn.push(place)
      }
      this.#data += dataTo - dataFrom
      this.count.fingerprints.push(fingerprint(this.#bytes, Math.max(dataFrom, dataTo - FINGERPRINT_BYTES), dataTo))
    } else {
      this.count.foreign++
    }
    return !fields.broken
  }

  #control(from: number, to: number): boolean {
    const fields = new Fields(this.#bytes, from, to)
    while (fields.next()) {
      const { field, type } = fields
      if (type !== LENGTH || field > 5) {
        this.count.unknown++
      } else if (field === 3 || field === 4) {
        this.count.grafts++
        fields.broken ||= !this.#entry(fields, 'infos')
      } else {
        this.count.entries++
        fields.broken ||= !this.#entry(fields, 'ids')
      }
    }
    return !fields.broken
  }

  /** IHAVE, GRAFT and PRUNE begin with a topic; what is repeated in them is field 2, and in IWANT and IDONTWANT field 1. */
  #entry({ field: kind, from, to }: Fields, repeated: 'ids' | 'infos'): boolean {
    const fields = new Fields(this.#bytes, from, to)
    const bare = kind === 2 || kind === 5
    while (fields.next()) {
      if (fields.type !== LENGTH) {
        // the backoff of a PRUNE
        this.count.unknown += kind === 4 && fields.field === 3 ? 0 : 1
      } else if (fields.field === (bare ? 1 : 2)) {
        this.count[repeated]++
      } else if (fields.field === 1) {
        this.count.foreign += this.#isOurs(fields.from, fields.to) ? 0 : 1
      } else {
        this.count.unknown++
      }
    }
    return !fields.broken
  }

  /** Whether one of our topics is named there; which one it is, `#last` says. */
  #isOurs(from: number, to: number): boolean {
    const count = this.#topics.length
    for (let tried = 0; tried < count; tried++) {
      const at = this.#last + tried
      const place = at < count ? at : at - count
      if (this.#isTopic(this.#topics[place]!, from, to)) {
        this.#last = place
        return true
      }
    }
    return false
  }

  /** From the end on: all topics begin alike. */
  #isTopic(topic: Uint8Array, from: number, to: number): boolean {
    if (to - from !== topic.length) {
      return false
    }
    for (let at = topic.length - 1; at >= 0; at--) {
      if (this.#bytes[from + at] !== topic[at]) {
        return false
      }
    }
    return true
  }
}

/** FNV-1a, never 0. */
function fingerprint(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5
  for (let at = from; at < to; at++) {
    hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
  }
  return hash >>> 0 || 1
}
