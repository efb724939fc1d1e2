import type { HostBase, Shared } from '../rooms.ts'
import { openHostChain } from './chain.ts'
import { openHostKeeping } from './keeping.ts'
import { openHostMesh } from './mesh.ts'
import type { Tasks } from './tasks.ts'

/**
 * Opens what the tasks share, from the keys outwards, and furnishes the tasks in it.
 *
 * @throws what is wrong with the only task, or with the last one that was left; what libp2p and K2 say
 */
export async function openShared(base: HostBase, tasks: Tasks): Promise<Shared> {
  await tasks.open()
  const [first] = tasks.all().flatMap((entry) => (entry.base == null ? [] : [entry.base.self]))
  const chain = await openHostChain(base, first!)
  await tasks.beginAll(chain)
  const roundSlots = tasks.all().flatMap(({ begun }) => (begun == null ? [] : [begun.chain.timing.roundSlots]))
  const mesh = await openHostMesh(base, chain, roundSlots)
  const shared = { base, chain, mesh, keeping: await openHostKeeping(base, chain, mesh, roundSlots) }
  await tasks.furnishAll(shared)
  return shared
}
