import { messageOf } from '../../k2/index.ts'
import type { Logger } from '../../observe/index.ts'
import type { Proofs } from '../../proofs/index.ts'
import type { Store } from '../../store/index.ts'

/** A cycle is judged for three rounds after its own; so long the proofs of a task that was left are served. */
const SERVED_ROUNDS = 5

/** The proofs of tasks that the node has left: others audit them for some rounds more, and then they go. */
export interface Leftovers {
  /** The task is left in `slot`; undefined where K2 has not told one. */
  left(task: string, slot: number | undefined, roundSlots: number): Promise<void>
  /** It is here again. */
  back(task: string): Promise<void>
  /** Lets go what nobody asks for any more. Never throws. */
  look(slot: number): Promise<void>
}

export interface LeftoversInit {
  store: Pick<Store, 'keyValue'>
  proofs: Pick<Proofs, 'pins' | 'unpin' | 'collect'>
  /** Whether the node has the task. */
  isHere: (task: string) => boolean
  log: Logger
}

export function createLeftovers({ store, proofs, isHere, log }: LeftoversInit): Leftovers {
  const kept = store.keyValue('left-tasks', undefined, true)
  let looking = false

  /** Without a slot it is served from the first one that K2 tells. */
  const put = (task: string, slot: number | undefined, servedSlots: number) => kept.put(task, Buffer.from(`${slot ?? ''}+${servedSlots}`))

  const letGo = async (task: string) => {
    for (const name of [task, `bundles-${task}`]) {
      for (const { cid, cycle } of await proofs.pins(name)) {
        await proofs.unpin(cid, { task: name, cycle })
      }
    }
    await proofs.collect({ task, finalizedCycle: 0 })
    await kept.delete(task)
  }

  return {
    left: (task, slot, roundSlots) => put(task, slot, SERVED_ROUNDS * roundSlots),
    back: (task) => kept.delete(task),
    async look(slot) {
      if (looking) {
        return
      }
      looking = true
      try {
        for (const task of await kept.list()) {
          const left = await kept.get(task)
          if (left == null || isHere(task)) {
            continue
          }
          const [since, servedSlots] = Buffer.from(left).toString().split('+') as [string, string]
          if (since === '') {
            await put(task, slot, Number(servedSlots))
          } else if (slot >= Number(since) + Number(servedSlots)) {
            await letGo(task)
          }
        }
      } catch (err) {
        log.warn({ reason: messageOf(err) }, 'the proofs of a task that was left stay on the disk until the next try')
      } finally {
        looking = false
      }
    }
  }
}
