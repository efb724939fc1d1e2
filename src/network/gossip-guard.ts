import type { GossipSub } from '@libp2p/gossipsub'
import type { PeerId } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import { GOSSIP_FRAME_BYTES } from './limits.ts'
import type { Traffic } from './message-ids.ts'
import type { Charge, Meter } from './meter.ts'
import { countRpc, type RpcCount } from './rpc.ts'

/** Of the last messages of each peer so many are known again, of so many peers: 16 KiB each. */
const KNOWN_MESSAGES = 4_096
const KNOWN_PEERS = 512

/** Messages in one RPC: others decode no more than 256, and the frame has to have room for control messages too. */
const SENT_MESSAGES = 128
const SENT_BYTES = GOSSIP_FRAME_BYTES / 2

interface RoutedMessage {
  from?: Uint8Array
  data?: Uint8Array
  seqno?: Uint8Array
}

interface Rpc {
  messages: RoutedMessage[]
}

interface ReceivedRpc {
  subscriptions?: Array<{ topic?: string; subscribe?: boolean }>
}

/** What gossipsub's class has and its interface leaves out. */
interface Inside {
  pipePeerReadStream?: (peerId: PeerId, frames: AsyncIterable<Uint8ArrayList>) => Promise<void>
  sendRpc?: (peerId: string, rpc: Rpc) => boolean
  handleReceivedRpc?: (peerId: PeerId, rpc: ReceivedRpc) => Promise<void>
  handleReceivedSubscription?: (peerId: PeerId, topic: string, subscribe: boolean) => boolean
  topics?: Map<string, Set<string>>
  handleReceivedMessage?: (peerId: PeerId, message: RoutedMessage) => Promise<void>
  score?: Scores
}

interface Scores {
  addPeer?: (id: string) => void
  peerStats?: Map<string, { connected: boolean; expire: number }>
  scoreCache?: Map<string, unknown>
}

const CHARGED: Array<[keyof RpcCount, Charge]> = [
  ['subscriptions', 'subscriptions'],
  ['foreign', 'entries about other topics'],
  ['messages', 'messages'],
  ['empty', 'empty messages'],
  ['entries', 'control entries'],
  ['ids', 'message ids'],
  ['grafts', 'grafts and prunes'],
  ['infos', 'peer infos'],
  ['unknown', 'unknown fields'],
  ['waste', 'wasted bytes']
]

/**
 * Gossipsub whose frames are counted before they are decoded: what they hold is taken from the budget of the peer that sent
 * them, and one that has sent too much is cut. A frame is its sender's alone: connections are authenticated, and nobody
 * passes frames of others on.
 *
 * It also sends no RPC that others would refuse: gossipsub answers an IWANT with all that was asked for in one. And it takes no
 * message with `from`, which gossipsub under StrictNoSign lets pass where the other three fields of an author are absent, and
 * relays as it came: libp2p in Go and Rust would hold it against us.
 *
 * And a peer that comes back is judged by what it is now and by what it has done. Gossipsub keeps a score for a heartbeat, so that one
 * who was let go for want of stake, and is admitted again right afterwards, would have its first words dropped: its subscriptions,
 * which it says once, so that nobody who missed them would write to it. And gossipsub keeps what a peer has done after its end, and
 * begins anew all the same when it is back: whoever resets its stream would be as good as new.
 *
 * Nor is a peer with a bad score heard when it says what it is subscribed to, which it does once: as its score recovers, nobody would
 * write to it. That alone is taken from it (of our topic), and changes nothing while the score is bad: it is in no mesh then, and sent nothing.
 *
 * All of them replace a method of the object that the library has made. Where a later version of it has none of that name, it is
 * left as it is, and test/network/gossip-guard.spec.ts says so.
 */
export function guardGossip(gossip: GossipSub, meter: Meter, topic: string, traffic?: Pick<Traffic, 'onSigned'>): GossipSub {
  const inside = gossip as unknown as Inside
  const topicBytes = Buffer.from(topic)
  const known = new Map<string, Uint32Array>()

  const read = inside.pipePeerReadStream?.bind(gossip)
  if (read != null) {
    inside.pipePeerReadStream = (peerId, frames) => read(peerId, counted(peerId.toString(), frames))
  }
  const send = inside.sendRpc?.bind(gossip)
  if (send != null) {
    inside.sendRpc = (peerId, rpc) => {
      let sent = true
      for (const part of parts(rpc)) {
        sent = send(peerId, part) && sent
      }
      return sent
    }
  }
  const receive = inside.handleReceivedRpc?.bind(gossip)
  if (receive != null) {
    inside.handleReceivedRpc = (peerId, rpc) => {
      // what it takes of them it has taken before it waits for anything
      const done = receive(peerId, rpc)
      const said = rpc.subscriptions?.findLast((one) => one.topic === topic)
      if (said != null && (inside.topics?.get(topic)?.has(peerId.toString()) ?? false) !== (said.subscribe === true)) {
        inside.handleReceivedSubscription?.(peerId, topic, said.subscribe === true)
      }
      return done
    }
  }
  const handle = inside.handleReceivedMessage?.bind(gossip)
  if (handle != null) {
    // a number it refuses, and counts against who sent it
    inside.handleReceivedMessage = (peerId, message) =>
      handle(peerId, message.from == null ? message : { ...message, seqno: message.seqno ?? new Uint8Array(0) })
  }
  const { score } = inside
  const begin = score?.addPeer?.bind(score)
  if (score != null && begin != null) {
    score.addPeer = (id) => {
      score.scoreCache?.delete(id)
      const kept = score.peerStats?.get(id)
      kept == null ? begin(id) : Object.assign(kept, { connected: true, expire: 0 })
    }
  }
  return gossip

  /** No generator: it would cost as much again as the count. */
  function counted(peerId: string, frames: AsyncIterable<Uint8ArrayList>): AsyncIterable<Uint8ArrayList> {
    return {
      [Symbol.asyncIterator]() {
        const inner = frames[Symbol.asyncIterator]()
        const next = (): Promise<IteratorResult<Uint8ArrayList>> => inner.next().then(take, fail)
        const take = (result: IteratorResult<Uint8ArrayList>): IteratorResult<Uint8ArrayList> | Promise<IteratorResult<Uint8ArrayList>> => {
          if (result.done === true) {
            return result
          }
          // in one piece from here on: gossipsub would join it once more
          const bytes = result.value.subarray()
          return isWithin(peerId, bytes) ? { done: false, value: new Uint8ArrayList(bytes) } : next()
        }
        const fail = (err: unknown) => {
          if (err instanceof Error && err.name.startsWith('InvalidDataLength')) {
            meter.charge(peerId, 'oversized frames')
          }
          throw err
        }
        return { next, return: async (value) => (await inner.return?.(value)) ?? { done: true, value } }
      }
    }
  }

  function isWithin(peerId: string, bytes: Uint8Array): boolean {
    if (meter.charge(peerId, 'frames') || meter.charge(peerId, 'bytes', bytes.length)) {
      return false
    }
    const count = countRpc(bytes, topicBytes)
    if (count == null) {
      meter.charge(peerId, 'broken frames')
      return false
    }
    for (const [part, what] of CHARGED) {
      const number = count[part] as number
      if (number > 0 && meter.charge(peerId, what, number)) {
        return false
      }
    }
    if (count.signed > 0) {
      traffic?.onSigned?.(peerId, count.signed)
    }
    const copies = count.fingerprints.length === 0 ? 0 : countKnown(peerId, count.fingerprints)
    return copies === 0 || !meter.charge(peerId, 'copies', copies)
  }

  /** How many of these the peer has said lately; they are known from now on. The older of two in one place is forgotten. */
  function countKnown(peerId: string, fingerprints: number[]): number {
    let table = known.get(peerId)
    if (table == null) {
      table = new Uint32Array(KNOWN_MESSAGES)
      known.set(peerId, table)
      if (known.size > KNOWN_PEERS) {
        known.delete(known.keys().next().value as string)
      }
    }
    let count = 0
    for (const one of fingerprints) {
      const at = one % KNOWN_MESSAGES
      count += table[at] === one ? 1 : 0
      table[at] = one
    }
    return count
  }
}

/** An RPC in pieces that others take. What is not messages goes with the first. */
function* parts(rpc: Rpc): Generator<Rpc> {
  let bytes = 0
  let from = 0
  const { messages } = rpc
  const whole = messages.length <= SENT_MESSAGES && messages.reduce((sum, { data }) => sum + (data?.length ?? 0), 0) <= SENT_BYTES
  if (whole) {
    yield rpc
    return
  }
  for (let at = 0; at <= messages.length; at++) {
    const more = messages[at]?.data?.length ?? 0
    if (at === messages.length || at - from === SENT_MESSAGES || (at > from && bytes + more > SENT_BYTES)) {
      const some = messages.slice(from, at)
      yield from === 0 ? Object.assign(rpc, { messages: some }) : ({ subscriptions: [], messages: some } as Rpc)
      from = at
      bytes = 0
    }
    bytes += more
  }
}
