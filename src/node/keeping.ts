import { join } from 'node:path'
import { messageOf } from '../k2/index.ts'
import { createProofs } from '../proofs/index.ts'
import { createDiskCare } from './disk-care.ts'
import { endingProofs } from './ending-proofs.ts'
import { createHistory, openArchive } from './history.ts'
import type { Base, ChainSide, Keeping, MeshSide } from './rooms.ts'

export async function openKeeping(base: Base, chain: ChainSide, mesh: MeshSide): Promise<Keeping> {
  const { config, log, parts, sizes, store, watch, stopping, late } = base
  const { host, peers, providers, recordsMs } = mesh
  const archive = openArchive({ config, watch, log })
  base.onClose(archive.close)
  const own = await createProofs(
    { libp2p: host.libp2p, store: store.keyValue('pins'), archive, onWriteFailed: (err) => watch.failed('proofs', err) },
    {
      blocksDir: join(config.dataDir, 'blocks'),
      isStaked: peers.isStaked,
      reprovideIntervalMs: recordsMs / 2,
      dialOncePerCycle: true,
      unstakedBytesPerS: sizes.serveUnstaked,
      ...(parts.serve === false ? { mayServe: () => false } : {})
    }
  )
  const ending = endingProofs(own, stopping.signal)
  const proofs = chain.paced?.proofs(ending) ?? ending
  const history = createHistory({
    ...{ archive, providers, log, proofs: own },
    network: chain.genesisHash,
    task: config.task,
    keepRecords: config.keepRecords,
    onWriteFailed: (err) => watch.failed('records', err)
  })
  const clearAway = () => {
    proofs
      .collect({
        task: config.task,
        finalizedCycle: Math.max(0, late.participant.follow.finalizedCycle()),
        keepCycles: config.keepCycles,
        quotaBytes: sizes.quota - history.status().bytes
      })
      .catch((err) => log.warn({ reason: messageOf(err) }, 'could not clear old proofs away'))
  }
  const disk = createDiskCare({ watch, events: chain.nodeEvents, log, hasReserve: store.hasReserve, clearAway })
  return { archive, proofs, history, disk, clearAway }
}
