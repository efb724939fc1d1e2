/**
 * # gossip
 *
 * One topic per task, a judge at its door, and the pool of what it let in. Spec: protocols/gossip/README.md.
 *
 * @example
 * ```ts
 * const pool = createPool()
 * const gossip = createGossip({
 *   pubsub: libp2p.services.pubsub, network, timing, slot, stakes, peers, pool, traffic,
 *   verify: verifyEd25519,
 *   onMessage: (message) => rounds.take(message)
 * })
 * gossip.start()
 * await gossip.publish(await seal(body, network, signer))
 * ```
 */
export { PublishRefusedError } from './errors.ts'
export { createGossip, type Gossip, type GossipCounters, type GossipInit, type Via } from './gossip.ts'
export { createJudge, type Judge, type JudgeInit, LIVE_CYCLES, TOLERANCE_SLOTS, takenCycles, type Verdict } from './judge.ts'
export { createPool, type Pool } from './pool.ts'
export { REASON_NAMES, REASONS, type Reason } from './reasons.ts'
