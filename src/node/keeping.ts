import { messageOf } from '../k2/index.ts'
import { endingProofs } from './ending-proofs.ts'
import { createHistory, openArchive } from './history.ts'
import type { Base, ChainSide, HostKeeping, Keeping, MeshSide } from './rooms.ts'

export function openKeeping(base: Base, chain: ChainSide, mesh: MeshSide, host: HostKeeping): Keeping {
  const { config, log, sizes, watch, stopping, late } = base
  const archive = openArchive({ config, watch, log })
  base.onClose(archive.close)
  const proofs = endingProofs(host.proofs, stopping.signal)
  const history = createHistory({
    ...{ archive, proofs, log },
    providers: mesh.providers,
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
  return { archive, proofs, history, disk: host.disk, clearAway }
}
