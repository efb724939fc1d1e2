import { join } from 'node:path'
import { bytesOf } from '../../config/index.ts'
import { recordLifetimeMs } from '../../network/index.ts'
import { createProofs } from '../../proofs/index.ts'
import type { RecordArchive } from '../../store/index.ts'
import { createDiskCare } from '../disk-care.ts'
import type { HostBase, HostChain, HostKeeping, HostMesh } from '../rooms.ts'

/** @param roundSlots - of the tasks that there are before any of them is furnished */
export async function openHostKeeping(
  base: HostBase,
  chain: HostChain,
  { host, roster }: HostMesh,
  roundSlots: number[]
): Promise<HostKeeping> {
  const { config, parts, store, watch, rooms, log } = base
  const all = () => [...rooms.values()]
  // as often as the task with the shortest rounds needs it
  const shortest = () => Math.min(...roundSlots, ...all().map(({ chain: { timing } }) => timing.roundSlots))
  const own = await createProofs(
    {
      libp2p: host.libp2p,
      store: store.keyValue('pins'),
      archive: archiveOfAll(() => all().map(({ keeping }) => keeping.archive)),
      onWriteFailed: (err) => watch.failed('proofs', err)
    },
    {
      blocksDir: join(config.dataDir, 'blocks'),
      isStaked: roster.isStaked,
      reprovideIntervalMs: () => recordLifetimeMs(shortest()) / 2,
      dialOncePerCycle: true,
      unstakedBytesPerS: bytesOf(config).serveUnstaked,
      ...(parts().serve === false ? { mayServe: () => false } : {})
    }
  )
  const proofs = chain.paced?.proofs(own) ?? own
  const clearAway = () => {
    for (const { keeping } of all()) {
      keeping.clearAway()
    }
  }
  const disk = createDiskCare({ watch, events: chain.events, log, hasReserve: store.hasReserve, clearAway })
  return { proofs, disk }
}

/** Records of all tasks are served, whichever file they are in. */
function archiveOfAll(archives: () => RecordArchive[]): Pick<RecordArchive, 'get' | 'has'> {
  return {
    get: (digest) => {
      for (const archive of archives()) {
        const found = archive.get(digest)
        if (found != null) {
          return found
        }
      }
      return undefined
    },
    has: (digest) => archives().some((archive) => archive.has(digest))
  }
}
