import { type GossipSub, type GossipsubMessage, TopicValidatorResult } from '@libp2p/gossipsub'
import type { Door, DoorCounters, Reason, Verdict, Via } from '../judge/index.ts'
import { type Log, type Meter, type Peers, silentLog, type Traffic, topicOf } from '../network/index.ts'
import type { Message, Network } from '../wire/index.ts'

export interface GossipCounters extends DoorCounters {
  /** Copies that gossipsub received, first ones included. */
  copies: number
  /** Copies of a message that the router had already. */
  duplicates: number
}

export interface GossipInit {
  pubsub: GossipSub
  network: Network
  peers: Peers
  traffic: Traffic
  /** Charged for what is ignored. */
  meter?: Pick<Meter, 'charge'>
  /** What every message goes through, whichever way it came. */
  door: Door
  log?: Log
}

export interface Gossip {
  start(): void
  /**
   * @param leaves - whether peers are told that the topic is left: they then graft us no more for a while, which a node that stops and is
   *   back soon would lose. @default true
   */
  stop(leaves?: boolean): void
  /** Sends a message of our own, which its task's door has let in. Again is harmless. */
  send(message: Message): Promise<{ recipients: number }>
  /** Gives a message to these peers and nobody else, past the mesh: what they make of it is theirs. */
  sendTo(message: Message, peerIds: string[]): void
  /** The door for bytes that a peer brought by other ways than gossip: sync. */
  receive(bytes: Uint8Array, from: string, via: Via): Verdict
  counters(): GossipCounters
  /** PeerIds that we forward to. */
  meshPeers(): string[]
  /** PeerIds that gossip the topic with us. */
  topicPeers(): string[]
  scoreOf(peerId: string): number
}

/** What gossipsub's class has and its interface leaves out. */
interface Router {
  reportMessageValidationResult(msgId: string, propagationSource: string, acceptance: TopicValidatorResult): void
  getMeshPeers(topic: string): string[]
  sendRpc(peerId: string, rpc: { subscriptions: []; messages: Array<{ topic: string; data: Uint8Array }> }): boolean
  getScore(peerId: string): number
}

/** Refusals that no honest peer causes, whatever its clock and its view of K2: enough of them cut it. */
const DISHONEST = new Set<Reason>(['too-large', 'malformed', 'bad-signature', 'meaningless'])

/** Refusals that cost us work for nothing. Our clock or our view of K2 may be at fault, so only a flood of them is held against a peer. */
const WASTED = new Set<Reason>(['future', 'old', 'wrong-window', 'unstaked', 'over-quota', 'unknown-subject'])

/** Peers that were named in the log for signing by the router: more have no stake at one time. */
const NAMED_PEERS = 4_096

/** The one table between our verdicts and gossipsub's. */
const TO_ROUTER = { accept: TopicValidatorResult.Accept, ignore: TopicValidatorResult.Ignore, reject: TopicValidatorResult.Reject } as const

/** The gossip of one task: a topic, and the way to its door. */
export function createGossip({ pubsub, network, peers, traffic, meter, door, log = silentLog }: GossipInit): Gossip {
  const router = pubsub as unknown as Router
  const topic = topicOf(network)
  let unique = 0
  let started = false

  /** Where a staker's node is. */
  const learn = (message: Message) => {
    if (message.body.announcement != null) {
      peers.claim(message)
    }
  }

  const receive = (bytes: Uint8Array, from: string, via: Via): Verdict => {
    const verdict = door.receive(bytes, from, via)
    if (verdict.result === 'accept') {
      learn(verdict.message)
      return verdict
    }
    if (DISHONEST.has(verdict.reason)) {
      peers.strike(from)
    }
    if (via === 'gossip' && WASTED.has(verdict.reason)) {
      meter?.charge(from, 'ignored messages')
    }
    return verdict
  }

  const named = new Set<string>()
  const onSigned = (from: string, count: number) => {
    const reason: Reason = peers.isBanned(from) || !peers.isStaked(from) ? 'not-admitted' : 'signed-by-router'
    door.refused(reason, from, count)
    if (reason === 'not-admitted' || named.has(from)) {
      return
    }
    if (named.size >= NAMED_PEERS) {
      named.delete(named.values().next().value as string)
    }
    named.add(from)
    log.warn(
      { from, staker: peers.stakerOf(from) },
      "a peer's gossip messages carry from, seqno, signature or key, so nobody takes them: whoever runs it has to turn signing off (in go-libp2p StrictNoSign and WithNoAuthor(), see protocols/gossip)"
    )
  }

  const onOutside = (from: string, count: number) => door.refused('not-admitted', from, count)

  const onRouted = ({ detail: { propagationSource, msgId, msg } }: CustomEvent<GossipsubMessage>) => {
    if (msg.topic !== topic) {
      return
    }
    unique++
    const from = propagationSource.toString()
    const { result } = receive(msg.data, from, 'gossip')
    router.reportMessageValidationResult(msgId, from, TO_ROUTER[result])
  }

  const onHeartbeat = () => {
    peers.refresh()
    door.prune()
  }

  return {
    start() {
      if (started) {
        return
      }
      started = true
      traffic.onSigned = onSigned
      traffic.onOutside = onOutside
      pubsub.addEventListener('gossipsub:message', onRouted)
      pubsub.addEventListener('gossipsub:heartbeat', onHeartbeat)
      pubsub.subscribe(topic)
    },
    stop(leaves = true) {
      if (!started) {
        return
      }
      started = false
      delete traffic.onSigned
      delete traffic.onOutside
      pubsub.removeEventListener('gossipsub:message', onRouted)
      pubsub.removeEventListener('gossipsub:heartbeat', onHeartbeat)
      if (!leaves) {
        return
      }
      try {
        pubsub.unsubscribe(topic)
      } catch {
        // libp2p was stopped before: its subscriptions are gone with it
      }
    },
    async send(message) {
      learn(message)
      const { recipients } = await pubsub.publish(topic, message.bytes)
      return { recipients: recipients.length }
    },
    sendTo(message, peerIds) {
      for (const peerId of peerIds) {
        router.sendRpc(peerId, { subscriptions: [], messages: [{ topic, data: message.bytes }] })
      }
    },
    receive,
    counters: () => ({ ...door.counters(), copies: traffic.copies, duplicates: Math.max(0, traffic.copies - unique) }),
    meshPeers: () => router.getMeshPeers(topic),
    topicPeers: () => pubsub.getSubscribers(topic).map(String),
    scoreOf: (peerId) => router.getScore(peerId)
  }
}
