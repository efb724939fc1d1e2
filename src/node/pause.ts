import { commandLine } from '../command/index.ts'
import { NotNowError, type Paused } from '../control/index.ts'
import { messageOf } from '../k2/index.ts'
import type { Events } from '../observe/index.ts'
import type { TaskHost } from '../participant/index.ts'
import type { KeyValue } from '../store/index.ts'
import { createTurns } from './turns.ts'

/** Why there is no work, and no finding. */
export const PAUSED = 'paused by the operator'

export interface PauseInit {
  task: string
  dataDir: string
  /** Where it survives a restart. */
  store: Pick<KeyValue, 'get' | 'put' | 'delete'>
  /** The cycle whose work is under way; undefined while K2 has not told its slot. */
  cycle: () => number | undefined
  events: Pick<Events, 'emit'>
  /** Wall clock, ms since 1970. */
  now?: () => number
}

/** The operator's word that a task is to rest: no work and no audits in the cycles to come. The node serves and votes as ever. */
export interface Pause {
  paused(): Paused | null
  /** From the next cycle on; resolves when it survives a restart. What is paused already stays as it is. @throws NotNowError */
  pause(): Promise<Paused>
  /** From the next cycle on whose work has not begun. @throws NotNowError */
  resume(): Promise<void>
  /** Who works and audits in a cycle: one that only says that it is paused, in its place. */
  host(cycle: number, host: TaskHost | undefined): TaskHost | undefined
  /** One line for the operator, when there is something to know. */
  notice(): string | null
}

/** What stands for the task: said at once, and not tried again. */
const RESTING: TaskHost = {
  idle: true,
  work: async () => ({ ok: false, reason: PAUSED }),
  audit: async () => ({ finding: 'abstained', reason: PAUSED })
}

/** What could not be written down is not done. */
async function kept(write: Promise<void>): Promise<void> {
  try {
    await write
  } catch (err) {
    throw new NotNowError(
      `it could not be written to the data directory, and would not survive a restart (${messageOf(err)}): make room, and try it again`
    )
  }
}

export async function createPause({ task, dataDir, store, cycle, events, now = Date.now }: PauseInit): Promise<Pause> {
  const before = await store.get(task)
  let paused = before == null ? null : (JSON.parse(Buffer.from(before).toString('utf8')) as Paused)
  const inTurn = createTurns()
  return {
    paused: () => paused,
    pause: () =>
      inTurn(async () => {
        const current = cycle()
        if (current == null && paused == null) {
          throw new NotNowError(
            'K2 has not told its slot yet, so which cycle is the next one is not known: try it again when status shows a slot'
          )
        }
        const from = current == null ? Number.POSITIVE_INFINITY : Math.max(0, current + 1)
        // one that begins later was said while the clock was ahead
        if (paused != null && paused.from <= from) {
          return paused
        }
        const next: Paused = { from, since: new Date(now()).toISOString() }
        await kept(store.put(task, Buffer.from(JSON.stringify(next))))
        paused = next
        events.emit('task-paused', { from })
        return next
      }),
    resume: () =>
      inTurn(async () => {
        if (paused != null) {
          await kept(store.delete(task))
          paused = null
          events.emit('task-resumed')
        }
      }),
    host: (of, host) => (paused != null && of >= paused.from ? RESTING : host),
    notice: () =>
      paused == null
        ? null
        : `the operator has paused the task from cycle ${paused.from} on: no work and no audits, and no pay for those cycles. It goes on with ${commandLine(['task', 'resume', task], { dataDir })}`
  }
}
