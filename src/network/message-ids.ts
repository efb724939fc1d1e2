import { hash } from 'node:crypto'

/** What passes the gossip router, counted where every copy passes anyway. */
export interface Traffic {
  /** Copies of messages that arrived, the first one of each included. */
  copies: number
  /** Bytes of those copies. */
  bytes: number
  /** Told of messages that the router refuses by itself, as they carry its author or signature: who sent them, how many. */
  onSigned?: (peerId: string, count: number) => void
}

/** The ids that gossipsub tells messages apart by. */
export interface MessageIds {
  fastMsgIdFn(message: { data?: Uint8Array }): string
  msgIdFn(message: { data: Uint8Array }): Uint8Array
  traffic: Traffic
}

/** Half a SHA-256: nobody finds a second message for a given id, and IHAVE lists stay short. */
const ID_BYTES = 16

/**
 * The router's id of a message is a hash of all its bytes, signature included, while the house tells messages apart by
 * network, signer and body (wire `messageId`). Were the two the same, whoever relayed a copy with a broken signature
 * first would fill the router's cache of seen ids, and IDONTWANT, with the id of the good message, and shut it out.
 * The judge knows a re-wrapped copy of a known message by its wire id, for the price of a look-up.
 */
export function createMessageIds(): MessageIds {
  // the same bytes are asked for twice, by both functions, with other messages in between
  const digests = new WeakMap<Uint8Array, Buffer>()
  const digest = (data: Uint8Array): Buffer => {
    let found = digests.get(data)
    if (found == null) {
      found = hash('sha256', data, 'buffer').subarray(0, ID_BYTES)
      digests.set(data, found)
    }
    return found
  }
  const traffic: Traffic = { copies: 0, bytes: 0 }
  return {
    traffic,
    fastMsgIdFn({ data }) {
      const bytes = data ?? new Uint8Array(0)
      traffic.copies++
      traffic.bytes += bytes.length
      return digest(bytes).toString('latin1')
    },
    msgIdFn: ({ data }) => digest(data)
  }
}
