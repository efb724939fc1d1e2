import { type GossipSub, type GossipsubMessage, TopicValidatorResult } from '@libp2p/gossipsub'
import { type Log, type Meter, type Peers, silentLog, type Traffic, topicOf } from '../network/index.ts'
import { KIND_NAMES, type Kind, type Message, type Verify } from '../wire/index.ts'
import { PublishRefusedError } from './errors.ts'
import { createJudge, type JudgeInit, takenCycles, type Verdict } from './judge.ts'
import { REASON_NAMES, REASONS, type Reason } from './reasons.ts'

export type Via = 'gossip' | 'sync' | 'own'

export interface GossipCounters {
  /** Messages of others that were accepted, however they came. */
  delivered: number
  /** Of those, the ones that came by sync. */
  synced: number
  published: number
  /** Copies that gossipsub received, first ones included. */
  copies: number
  /** Copies of a message that the router had already. */
  duplicates: number
  signatureChecks: number
  byKind: Record<Kind, number>
  refused: Record<Reason, number>
}

export interface GossipInit extends Omit<JudgeInit, 'peers'> {
  pubsub: GossipSub
  peers: Peers
  traffic: Traffic
  /** Charged for what is ignored. */
  meter?: Pick<Meter, 'charge'>
  verify: Verify
  /**
   * Writes an accepted message down, others' and our own, before anybody is told of it. What it throws counts as our own fault: the
   * message is not taken in, and sync brings it back. With `false` nobody is told.
   */
  keep?: (message: Message, how: { via: Via; from: string | undefined }) => boolean | undefined
  /** Gets every accepted message once, when the pool has it. What it throws costs this message alone, and is logged. */
  onMessage: (message: Message, how: { via: Via; from: string | undefined }) => void
  onRefusal?: (refusal: { reason: Reason; via: Via; from: string | undefined; message?: Message; detail?: string }) => void
  log?: Log
}

export interface Gossip {
  start(): void
  stop(): void
  /**
   * Takes a message of our own through the same door as everybody's, and sends it. Again is harmless.
   *
   * @throws PublishRefusedError when others would refuse it
   */
  publish(message: Message): Promise<{ recipients: number }>
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

/** The gossip of one task: a topic, a judge at its door, and counters. */
export function createGossip(init: GossipInit): Gossip {
  const { pubsub, network, timing, slot, peers, pool, traffic, onMessage, onRefusal, log = silentLog } = init
  const router = pubsub as unknown as Router
  const topic = topicOf(network)
  const counts = {
    delivered: 0,
    synced: 0,
    published: 0,
    unique: 0,
    signatureChecks: 0,
    byKind: Object.fromEntries(KIND_NAMES.map((kind) => [kind, 0])) as Record<Kind, number>,
    refused: Object.fromEntries(REASON_NAMES.map((reason) => [reason, 0])) as Record<Reason, number>
  }
  const judge = createJudge({
    ...init,
    verify: (signature, bytes, publicKey) => {
      counts.signatureChecks++
      return init.verify(signature, bytes, publicKey)
    }
  })
  let started = false

  const keep = (message: Message, via: Via, from: string | undefined) => {
    const isTold = init.keep?.(message, { via, from }) !== false
    // whoever is told of it finds it there
    pool.add(message)
    if (message.body.announcement != null) {
      peers.claim(message)
    }
    try {
      isTold && onMessage(message, { via, from })
    } catch (err) {
      log.warn({ err, from, via, id: message.id }, 'a message could not be handled through our own fault')
    }
  }

  const receive = (piece: Uint8Array, from: string, via: Via): Verdict => {
    let verdict: Verdict
    try {
      // a copy: the bytes are a piece of the frame in which they came, and the pool would hold on to all of that
      verdict = judge.fromPeer(new Uint8Array(piece), from)
      if (verdict.result === 'accept') {
        keep(verdict.message, via, from)
      }
    } catch (err) {
      log.warn({ err, from, via }, 'a message could not be taken in through our own fault')
      verdict = { result: REASONS['own-fault'], reason: 'own-fault', detail: err instanceof Error ? err.message : String(err) }
    }
    if (verdict.result === 'accept') {
      counts.delivered++
      counts.synced += via === 'sync' ? 1 : 0
      counts.byKind[verdict.message.kind]++
      return verdict
    }
    const { reason, message, detail } = verdict
    counts.refused[reason]++
    if (message != null && reason === 'over-quota') {
      pool.refuse(message.body.cycle, message.id)
    }
    if (DISHONEST.has(reason)) {
      peers.strike(from)
    }
    if (via === 'gossip' && WASTED.has(reason)) {
      init.meter?.charge(from, 'ignored messages')
    }
    log.debug({ reason, from, via, kind: message?.kind, signer: message?.signer, detail }, 'message refused')
    onRefusal?.({ reason, via, from, ...(message == null ? {} : { message }), ...(detail == null ? {} : { detail }) })
    return verdict
  }

  const named = new Set<string>()
  const onSigned = (from: string, count: number) => {
    const reason: Reason = peers.isBanned(from) || !peers.isStaked(from) ? 'not-admitted' : 'signed-by-router'
    counts.refused[reason] += count
    onRefusal?.({ reason, via: 'gossip', from })
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

  const onRouted = ({ detail: { propagationSource, msgId, msg } }: CustomEvent<GossipsubMessage>) => {
    if (msg.topic !== topic) {
      return
    }
    counts.unique++
    const from = propagationSource.toString()
    const { result } = receive(msg.data, from, 'gossip')
    router.reportMessageValidationResult(msgId, from, TO_ROUTER[result])
  }

  const onHeartbeat = () => {
    peers.refresh()
    const at = slot()
    if (at != null) {
      pool.prune(takenCycles(timing, at).from)
    }
  }

  return {
    start() {
      if (started) {
        return
      }
      started = true
      traffic.onSigned = onSigned
      pubsub.addEventListener('gossipsub:message', onRouted)
      pubsub.addEventListener('gossipsub:heartbeat', onHeartbeat)
      pubsub.subscribe(topic)
    },
    stop() {
      if (!started) {
        return
      }
      started = false
      delete traffic.onSigned
      pubsub.removeEventListener('gossipsub:message', onRouted)
      pubsub.removeEventListener('gossipsub:heartbeat', onHeartbeat)
      try {
        pubsub.unsubscribe(topic)
      } catch {
        // libp2p was stopped before: its subscriptions are gone with it
      }
    },
    async publish(message) {
      const verdict = judge.own(message)
      if (verdict.result === 'accept') {
        keep(message, 'own', undefined)
        counts.published++
      } else if (verdict.reason !== 'seen') {
        throw new PublishRefusedError(verdict.reason, `a ${message.kind} of cycle ${message.body.cycle} at slot ${message.body.slot}`)
      }
      const { recipients } = await pubsub.publish(topic, message.bytes)
      return { recipients: recipients.length }
    },
    sendTo(message, peerIds) {
      for (const peerId of peerIds) {
        router.sendRpc(peerId, { subscriptions: [], messages: [{ topic, data: message.bytes }] })
      }
    },
    receive,
    counters: () => ({
      delivered: counts.delivered,
      synced: counts.synced,
      published: counts.published,
      copies: traffic.copies,
      duplicates: Math.max(0, traffic.copies - counts.unique),
      signatureChecks: counts.signatureChecks,
      byKind: { ...counts.byKind },
      refused: { ...counts.refused }
    }),
    meshPeers: () => router.getMeshPeers(topic),
    topicPeers: () => pubsub.getSubscribers(topic).map(String),
    scoreOf: (peerId) => router.getScore(peerId)
  }
}
