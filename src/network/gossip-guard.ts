import type { GossipSub } from '@libp2p/gossipsub'
import type { PeerId } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import type { GossipInside, Rpc } from './gossip-inside.ts'
import { GOSSIP_FRAME_BYTES } from './limits.ts'
import type { MessageIds } from './message-ids.ts'
import type { Charge, Meter } from './meter.ts'
import { countRpc, type RpcCount } from './rpc.ts'
import type { TaskTopics } from './task-topics.ts'

/** Of the last messages of each peer so many are known again, of so many peers: 16 KiB each. */
const KNOWN_MESSAGES = 4_096
const KNOWN_PEERS = 512

/** Messages in one RPC: others decode no more than 256, and the frame has to have room for control messages too. */
const SENT_MESSAGES = 128
const SENT_BYTES = GOSSIP_FRAME_BYTES / 2

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

/** What a peer says once for each topic: with several at a time they are one. */
const BY_TOPIC = new Set<Charge>(['subscriptions', 'grafts and prunes'])

export interface GuardInit {
  meter: Meter
  /** Who may speak about what, and what it is told. */
  topics: TaskTopics
  ids: Pick<MessageIds, 'outward'>
}

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
 * write to it. That alone is taken from it (of topics that it may speak about), and changes nothing while the score is bad: it is in no
 * mesh then, and sent nothing.
 *
 * And of what it has said gossipsub gets what it may say, and it is told what it may hear: see task-topics.ts.
 *
 * All of them replace a method of the object that the library has made. Where a later version of it has none of that name, it is
 * left as it is, and test/network/gossip-guard.spec.ts says so.
 */
export function guardGossip(gossip: GossipSub, { meter, topics, ids }: GuardInit): GossipSub {
  const inside = gossip as unknown as GossipInside
  const known = new Map<string, Uint32Array>()

  const read = inside.pipePeerReadStream?.bind(gossip)
  if (read != null) {
    inside.pipePeerReadStream = (peerId, frames) => read(peerId, counted(peerId.toString(), frames))
  }
  const send = inside.sendRpc?.bind(gossip)
  if (send != null) {
    inside.sendRpc = (peerId, rpc) => {
      let sent = true
      for (const part of parts(topics.told(peerId, rpc))) {
        sent = send(peerId, part) && sent
      }
      return sent
    }
  }
  const push = inside.pushGossip?.bind(gossip)
  if (push != null) {
    inside.pushGossip = (peerId, ihave) => push(peerId, { ...ihave, messageIDs: (ihave.messageIDs ?? []).map(ids.outward) })
  }
  const receive = inside.handleReceivedRpc?.bind(gossip)
  const hear = (peerId: PeerId, rpc: Rpc): Promise<void> => {
    // what it takes of them it has taken before it waits for anything
    const done = receive?.(peerId, rpc)
    for (const [topic, subscribe] of new Map((rpc.subscriptions ?? []).map((one) => [one.topic, one.subscribe === true]))) {
      if (topic != null && (inside.topics?.get(topic)?.has(peerId.toString()) ?? false) !== subscribe) {
        inside.handleReceivedSubscription?.(peerId, topic, subscribe)
      }
    }
    return done ?? Promise.resolve()
  }
  if (receive != null) {
    inside.handleReceivedRpc = (peerId, rpc) => hear(peerId, topics.heard(peerId.toString(), rpc))
  }
  topics.attach(inside, hear)
  const handle = inside.handleReceivedMessage?.bind(gossip)
  if (handle != null) {
    // a number it refuses, and counts against who sent it
    inside.handleReceivedMessage = (peerId, message) =>
      handle(peerId, message.from == null ? message : { ...message, seqno: message.seqno ?? new Uint8Array(0) })
  }
  const remove = inside.removePeer?.bind(gossip)
  if (remove != null) {
    inside.removePeer = (peerId) => {
      topics.forget(peerId.toString())
      remove(peerId)
    }
  }
  const { score } = inside
  const begin = score?.addPeer?.bind(score)
  if (score != null && begin != null) {
    score.addPeer = (id) => {
      score.scoreCache?.delete(id)
      const kept = score.peerStats?.get(id)
      kept == null ? begin(id) : Object.assign(kept, { connected: true, expire: 0 })
      topics.restore(id)
    }
  }
  const mark = score?.markInvalidMessageDelivery?.bind(score)
  if (score != null && mark != null) {
    // the message that cost a peer its task is reported after it has
    score.markInvalidMessageDelivery = (from, topic) => {
      topics.isElsewhere(from, topic) || mark(from, topic)
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
    const count = countRpc(bytes, topics.bytes())
    if (count == null) {
      meter.charge(peerId, 'broken frames')
      return false
    }
    for (const [part, what] of CHARGED) {
      const all = count[part] as number
      const number = BY_TOPIC.has(what) ? Math.ceil(all / Math.max(1, topics.bytes().length)) : all
      if (number > 0 && meter.charge(peerId, what, number)) {
        return false
      }
    }
    for (const [place, signed] of countBy(count.signedIn)) {
      topics.trafficAt(place)?.onSigned?.(peerId, signed)
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

function countBy(places: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>()
  for (const place of places) {
    counts.set(place, (counts.get(place) ?? 0) + 1)
  }
  return counts
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
