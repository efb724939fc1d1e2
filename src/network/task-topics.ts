import { bounded } from './bounded.ts'
import { HostError } from './errors.ts'
import type { Control, GossipInside, Ids, Rpc, Subscription, TopicStats } from './gossip-inside.ts'
import type { MessageIds, Traffic } from './message-ids.ts'
import type { Peers } from './peers.ts'
import { TOPIC_SCORE } from './score.ts'
import { isTaskTopic } from './topic.ts'

/** Topics of tasks that are not ours, of one peer: a node has no more tasks. */
const OTHER_TOPICS = 32

type Hear = (peerId: NonNullable<ReturnType<NonNullable<GossipInside['peers']>['get']>>, rpc: Rpc) => unknown

export interface TaskTopics {
  /** The library's object, once it is made, and how it takes what a peer has said. */
  attach(inside: GossipInside, hear: Hear): void
  /**
   * Takes up the topic of a task, with those whom the task lets in. `leave` ends it.
   *
   * @throws HostError when it was taken up already
   */
  join(topic: string, peers: Pick<Peers, 'isStaked' | 'staked' | 'onChange'>): { traffic: Traffic; leave(): void }
  /** Of an RPC, what its sender may say: all that is about topics of tasks that have let it in. */
  heard(peerId: string, rpc: Rpc): Rpc
  /** Of an RPC of ours, what the peer may be told, as it is on the wire. */
  told(peerId: string, rpc: Rpc): Rpc
  /** Whether the peer is out of that task, and in another. */
  isElsewhere(peerId: string, topic: string): boolean
  /** The peer is there again: what it has done in topics that it was let out of meanwhile counts on. */
  restore(peerId: string): void
  /** All that a peer has said of itself ends with its stream. */
  forget(peerId: string): void
  /** Our topics, as bytes. */
  bytes(): readonly Uint8Array[]
  /** Of the topic that is at that place among them. */
  trafficAt(place: number): Traffic | undefined
}

interface Joined {
  topic: string
  bytes: Uint8Array
  peers: Pick<Peers, 'isStaked' | 'staked'>
  traffic: Traffic
  /** Of peers that were let out of this task and stay in another. */
  aside: Map<string, TopicStats>
}

/**
 * The topics of our tasks in the one gossipsub, and who may speak about which.
 *
 * Gossipsub knows peers, and not what they may speak about. So an RPC is cut to what its sender may say before gossipsub has
 * seen any of it: a message of a peer that is not in its task would put its id into the cache of seen ones, and shut out the same
 * message from one that is. What a peer is subscribed to it says once, at the beginning of its stream. That is kept, of tasks that are
 * not ours, too, and heard when its task lets it in, or is joined.
 *
 * What a peer has done in a topic (its score there) goes with it when the task lets it out, so that it is as good as it is in the others,
 * and is there again when it comes back.
 *
 * @param isLetIn whether any task has let a peer in
 */
export function createTaskTopics({ ids, isLetIn }: { ids: MessageIds; isLetIn: (peerId: string) => boolean }): TaskTopics {
  const joined = new Map<string, Joined>()
  /** By peer: the topics that it says it is subscribed to. */
  const said = new Map<string, Set<string>>()
  let list: Joined[] = []
  let topicBytes: Uint8Array[] = []
  let inside: GossipInside = {}
  let hear: Hear = () => {}

  const isIn = (topic: string | undefined, peerId: string): boolean => (topic != null && joined.get(topic)?.peers.isStaked(peerId)) === true

  const note = (peerId: string, subscriptions: Subscription[]) => {
    const topics = said.get(peerId) ?? new Set()
    for (const { topic, subscribe } of subscriptions) {
      if (topic == null || subscribe !== true) {
        topic != null && topics.delete(topic)
      } else if (joined.has(topic) || (isTaskTopic(topic) && topics.size < joined.size + OTHER_TOPICS)) {
        topics.add(topic)
      }
    }
    topics.size === 0 ? said.delete(peerId) : bounded(said, peerId, topics)
  }

  const inward = createInward(ids, (id) => inside.mcache?.msgs?.has(id) === true)

  const heardControl = (peerId: string, control: Control): Control => {
    const { ihave = [], iwant = [], graft = [], prune = [], idontwant = [] } = control
    const marked = list.filter(({ topic, peers }) => ids.isMarked(topic) && peers.isStaked(peerId)).map(({ topic }) => topic)
    const may = ({ topicID }: { topicID?: string }) => isIn(topicID, peerId)
    return {
      ihave: ihave
        .filter(may)
        .map((one) =>
          ids.isMarked(one.topicID) ? { ...one, messageIDs: (one.messageIDs ?? []).map((id) => ids.inward(one.topicID!, id)) } : one
        ),
      iwant: inward(iwant, marked, false),
      graft: graft.filter(may),
      prune: prune.filter(may),
      idontwant: inward(idontwant, marked, true)
    }
  }

  const heardMessages = (peerId: string, messages: Rpc['messages']): Rpc['messages'] => {
    const kept = messages.filter(({ topic }) => isIn(topic, peerId))
    if (kept.length < messages.length) {
      const outside = new Map<string, number>()
      for (const { topic = '' } of messages) {
        isIn(topic, peerId) || outside.set(topic, (outside.get(topic) ?? 0) + 1)
      }
      for (const [topic, count] of outside) {
        joined.get(topic)?.traffic.onOutside?.(peerId, count)
      }
    }
    return kept
  }

  const letIn = (one: Joined, peerId: string) => {
    restoreIn(inside, one, peerId)
    const peer = inside.peers?.get(peerId)
    if (peer != null && said.get(peerId)?.has(one.topic) === true) {
      // as if it had just been said
      hear(peer, { subscriptions: [{ topic: one.topic, subscribe: true }], messages: [] })
    }
  }

  const letOut = (one: Joined, peerId: string) => {
    const peer = inside.peers?.get(peerId)
    if (peer == null) {
      return
    }
    // no PRUNE: with it the peer would keep us out for a minute when it is let in again
    inside.mesh?.get(one.topic)?.delete(peerId)
    inside.handleReceivedSubscription?.(peer, one.topic, false)
    if (isLetIn(peerId)) {
      setAside(inside, one, peerId)
    }
  }

  const relist = () => {
    list = [...joined.values()]
    topicBytes = list.map(({ bytes }) => bytes)
  }

  const allow = (topic: string) => {
    inside.allowedTopics?.add(topic)
    // it stays when the topic goes: what peers have done there is reckoned by it
    const scored = inside.opts?.scoreParams?.topics
    if (scored != null) {
      scored[topic] = TOPIC_SCORE
    }
  }

  return {
    attach(given, how) {
      inside = given
      hear = how
      list.forEach(({ topic }) => {
        allow(topic)
      })
    },
    join(topic, peers) {
      if (joined.has(topic)) {
        throw new HostError(`the topic ${topic} was joined before: leave it first`)
      }
      const one: Joined = { topic, bytes: Buffer.from(topic), peers, traffic: ids.add(topic), aside: new Map() }
      joined.set(topic, one)
      relist()
      allow(topic)
      const stop = peers.onChange(({ peerId, admitted }) => (admitted ? letIn(one, peerId) : letOut(one, peerId)))
      for (const { peerId } of peers.staked()) {
        letIn(one, peerId)
      }
      return {
        traffic: one.traffic,
        leave() {
          if (joined.get(topic) !== one) {
            return
          }
          stop()
          for (const peerId of [...(inside.topics?.get(topic) ?? [])]) {
            letOut(one, peerId)
          }
          joined.delete(topic)
          relist()
          ids.remove(topic)
          inside.allowedTopics?.delete(topic)
        }
      }
    },
    heard(peerId, rpc) {
      const { subscriptions = [], messages = [], control } = rpc
      if (subscriptions.length > 0) {
        note(peerId, subscriptions)
      }
      const isAll =
        subscriptions.every(({ topic }) => isIn(topic, peerId)) && messages.every(({ topic }) => isIn(topic, peerId)) && control == null
      return isAll
        ? rpc
        : {
            ...rpc,
            subscriptions: subscriptions.filter(({ topic }) => isIn(topic, peerId)),
            messages: heardMessages(peerId, messages),
            ...(control == null ? {} : { control: heardControl(peerId, control) })
          }
    },
    told(peerId, rpc) {
      const isAll = rpc.messages.every(({ topic }) => isIn(topic, peerId))
      const iwant = rpc.control?.iwant ?? []
      if (isAll && (iwant.length === 0 || !ids.isMarked())) {
        return rpc
      }
      return {
        ...rpc,
        messages: isAll ? rpc.messages : rpc.messages.filter(({ topic }) => isIn(topic, peerId)),
        ...(rpc.control == null
          ? {}
          : { control: { ...rpc.control, iwant: iwant.map(({ messageIDs = [] }) => ({ messageIDs: messageIDs.map(ids.outward) })) } })
      }
    },
    isElsewhere: (peerId, topic) => !isIn(topic, peerId) && isLetIn(peerId),
    restore(peerId) {
      for (const one of list) {
        restoreIn(inside, one, peerId)
      }
    },
    forget: (peerId) => void said.delete(peerId),
    bytes: () => topicBytes,
    trafficAt: (place) => list[place]?.traffic
  }
}

/** Ids on the wire that name no topic, as they are here, for the topics that their sender may speak about. */
function createInward(ids: MessageIds, isHere: (id: string) => boolean) {
  return (lists: Ids[], marked: string[], all: boolean): Ids[] => {
    const of = (id: Uint8Array) => {
      const others = marked.map((topic) => ids.inward(topic, id))
      // an IWANT means a message that we have; an IDONTWANT may come before its message, and means whichever it will be
      return all ? [id, ...others] : [others.find((one) => isHere(Buffer.from(one).toString('latin1'))) ?? id]
    }
    return marked.length === 0 ? lists : lists.map(({ messageIDs = [] }) => ({ messageIDs: messageIDs.flatMap(of) }))
  }
}

const statsOf = (inside: GossipInside, peerId: string) => inside.score?.peerStats?.get(peerId)?.topics

function restoreIn(inside: GossipInside, { topic, aside, peers }: Joined, peerId: string): void {
  const kept = aside.get(peerId)
  const topics = statsOf(inside, peerId)
  if (kept != null && topics != null && peers.isStaked(peerId)) {
    topics[topic] = { ...kept, inMesh: topics[topic]?.inMesh === true }
    aside.delete(peerId)
    inside.score?.scoreCache?.delete(peerId)
  }
}

function setAside(inside: GossipInside, { topic, aside }: Joined, peerId: string): void {
  const topics = statsOf(inside, peerId)
  const stats = topics?.[topic]
  if (topics != null && stats != null) {
    delete topics[topic]
    inside.score?.scoreCache?.delete(peerId)
    if (stats.invalidMessageDeliveries > 0) {
      bounded(aside, peerId, { ...stats, inMesh: false, meshMessageDeliveriesActive: false, firstMessageDeliveries: 0 })
    }
  }
}
