import { hash } from 'node:crypto'

/** What passes the gossip router about one task, counted where every copy passes anyway. */
export interface Traffic {
  /** Copies of messages that arrived, the first one of each included. */
  copies: number
  /** Bytes of those copies. */
  bytes: number
  /** Told of messages that the router refuses by itself, as they carry its author or signature: who sent them, how many. */
  onSigned?: (peerId: string, count: number) => void
  /** Told of messages of a peer that the task has not let in, dropped before the router has seen them. */
  onOutside?: (peerId: string, count: number) => void
}

/** The ids that gossipsub tells messages apart by. */
export interface MessageIds {
  fastMsgIdFn(message: { topic?: string; data?: Uint8Array }): string
  msgIdFn(message: { topic?: string; data: Uint8Array }): Uint8Array
  /** Takes up a topic. */
  add(topic: string): Traffic
  remove(topic: string): void
  /** Whether the ids of a topic, or with none named of any, are other ones here than on the wire. */
  isMarked(topic?: string): boolean
  /** An id on the wire as it is here. */
  inward(topic: string, id: Uint8Array): Uint8Array
  /** And back. */
  outward(id: Uint8Array): Uint8Array
}

/** Half a SHA-256: nobody finds a second message for a given id, and IHAVE lists stay short. */
const ID_BYTES = 16

/** What the ids of each topic but the first end with, here and not on the wire. */
const MARK_BYTES = 4

interface Kept {
  traffic: Traffic
  mark: Buffer
  markText: string
}

/**
 * The router's id of a message is a hash of all its bytes, signature included, while the house tells messages apart by
 * network, signer and body (wire `messageId`). Were the two the same, whoever relayed a copy with a broken signature
 * first would fill the router's cache of seen ids, and IDONTWANT, with the id of the good message, and shut it out.
 * The judge knows a re-wrapped copy of a known message by its wire id, for the price of a look-up.
 *
 * On the wire an id says nothing of its topic. Here it does, but for the first topic that there was: else whoever says a message
 * of task A first under task B, where it means nothing, would make us deaf to it in A.
 */
export function createMessageIds(): MessageIds {
  // the same bytes are asked for twice, by both functions, with other messages in between
  const digests = new WeakMap<Uint8Array, Buffer>()
  const topics = new Map<string, Kept>()
  let made = 0
  const digest = (data: Uint8Array): Buffer => {
    let found = digests.get(data)
    if (found == null) {
      found = hash('sha256', data, 'buffer').subarray(0, ID_BYTES)
      digests.set(data, found)
    }
    return found
  }
  const inward = (topic: string, id: Uint8Array): Uint8Array => {
    const mark = topics.get(topic)?.mark
    return mark == null || mark.length === 0 || id.length !== ID_BYTES ? id : Buffer.concat([id, mark])
  }
  return {
    fastMsgIdFn({ topic = '', data }) {
      const bytes = data ?? new Uint8Array(0)
      const kept = topics.get(topic)
      if (kept == null) {
        return digest(bytes).toString('latin1')
      }
      kept.traffic.copies++
      kept.traffic.bytes += bytes.length
      return digest(bytes).toString('latin1') + kept.markText
    },
    msgIdFn: ({ topic = '', data }) => inward(topic, digest(data)),
    add(topic) {
      const mark = Buffer.alloc(made === 0 ? 0 : MARK_BYTES)
      made > 0 && mark.writeUInt32BE(made >>> 0)
      made++
      const traffic: Traffic = { copies: 0, bytes: 0 }
      topics.set(topic, { traffic, mark, markText: mark.toString('latin1') })
      return traffic
    },
    remove: (topic) => void topics.delete(topic),
    isMarked: (topic) => (topic == null ? [...topics.values()] : [topics.get(topic)]).some((kept) => (kept?.mark.length ?? 0) > 0),
    inward,
    outward: (id) => (id.length === ID_BYTES + MARK_BYTES ? id.subarray(0, ID_BYTES) : id)
  }
}
