/**
 * # gossip
 *
 * One topic for each task: from gossipsub to the task's door, and from our own messages to gossipsub. Spec: protocols/gossip/README.md.
 *
 * @example
 * ```ts
 * const gossip = createGossip({ pubsub: libp2p.services.pubsub, network, peers, traffic, meter, door })
 * gossip.start()
 * const message = await seal(body, network, signer)
 * door.admit(message)
 * await gossip.send(message)
 * ```
 */
export { createGossip, type Gossip, type GossipCounters, type GossipInit } from './gossip.ts'
