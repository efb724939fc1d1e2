import type { Gossip } from '../../gossip/index.ts'
import type { Host, Presence } from '../../network/index.ts'
import type { Stats } from '../../observe/index.ts'
import type { Proofs } from '../../proofs/index.ts'

/** Counters since the start: the gossip and peers of some tasks together, and what all tasks share. */
export function statsOf(host: Host, proofs: Pick<Proofs, 'stats'>, tasks: Array<{ gossip: Gossip; presence: Presence }>): Stats {
  const memory = process.memoryUsage()
  const counters = tasks.map(({ gossip }) => gossip.counters())
  const sum = (pick: (of: (typeof counters)[number]) => number) => counters.reduce((total, one) => total + pick(one), 0)
  const refused: Record<string, number> = {}
  for (const [reason, count] of counters.flatMap((one) => Object.entries(one.refused))) {
    if (count > 0) {
      refused[reason] = (refused[reason] ?? 0) + count
    }
  }
  const { fetched, fetchedBytes, unavailable, invalid, servedBlocks, servedBytes, dhtQueries } = proofs.stats()
  return {
    gossip: {
      delivered: sum(({ delivered }) => delivered),
      duplicates: sum(({ duplicates }) => duplicates),
      signatureChecks: sum(({ signatureChecks }) => signatureChecks),
      published: sum(({ published }) => published),
      synced: sum(({ synced }) => synced),
      refused
    },
    proofs: { fetched, bytes: fetchedBytes, unavailable, invalid, servedBlocks, servedBytes, dhtQueries },
    peers: {
      staked: distinct(tasks.flatMap(({ presence }) => presence.staked().map(({ peerId }) => peerId))),
      connected: host.libp2p.getPeers().length,
      mesh: distinct(tasks.flatMap(({ gossip }) => gossip.meshPeers()))
    },
    door: { ...host.slots.counts(), dropped: { ...host.doorstep.dropped(), ...host.slots.dropped() }, cut: host.meter.cuts() },
    rssBytes: memory.rss,
    heapBytes: memory.heapTotal,
    externalBytes: memory.external
  }
}

const distinct = (peers: string[]) => new Set(peers).size
