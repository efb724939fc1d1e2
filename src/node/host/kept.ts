/** What outlives a restart of the tasks that come and go while the node runs. */

import type { AskedTask } from '../../control/index.ts'
import type { Store } from '../../store/index.ts'

/** Tasks that were added to the running node. */
export interface AddedTasks {
  list(): Promise<AskedTask[]>
  put(asked: AskedTask): Promise<void>
  delete(task: string): Promise<void>
}

export function createAddedTasks(store: Pick<Store, 'keyValue'>): AddedTasks {
  const kept = store.keyValue('added-tasks', undefined, true)
  return {
    async list() {
      const all = await Promise.all((await kept.list()).map((task) => kept.get(task)))
      return all.flatMap((bytes) => (bytes == null ? [] : [JSON.parse(Buffer.from(bytes).toString('utf8')) as AskedTask]))
    },
    put: (asked) => kept.put(asked.task, Buffer.from(JSON.stringify(asked))),
    delete: (task) => kept.delete(task)
  }
}
