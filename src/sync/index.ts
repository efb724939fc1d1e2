/**
 * # sync
 *
 * What gossip forgot: two-way comparison of the live cycles with random staked peers. Spec: protocols/sync/README.md.
 *
 * @example
 * ```ts
 * const sync = createSync({ libp2p, network, pool, peers, timing, slot, receive: (bytes, from) => gossip.receive(bytes, from, 'sync') })
 * await sync.start()
 * await sync.now(3) // just joined
 * ```
 */
export type { SyncResult } from './client.ts'
export { SYNC_LIMITS, SYNC_PROTOCOL, SyncFrameError, syncProtocol } from './protocol.ts'
export { createSync, type Sync, type SyncCounters, type SyncInit } from './sync.ts'
