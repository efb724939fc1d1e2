import { messageOf } from '../k2/index.ts'
import type { Logger } from '../observe/index.ts'

type Close = () => void | Promise<void>

/** What has to be let go at an end: what was opened last comes first, and what fails keeps nothing else from it. */
export function createClosers(log: Logger): { onClose(close: Close): void; close(): Promise<void> } {
  const closers: Close[] = []
  return {
    onClose: (one) => void closers.push(one),
    async close() {
      await inTurn(log, ...closers.splice(0).reverse())
    }
  }
}

/** One after the other: what fails keeps nothing that comes after it from being done. */
export async function inTurn(log: Logger, ...steps: Array<() => unknown>): Promise<void> {
  for (const step of steps) {
    try {
      await step()
    } catch (err) {
      log.error({ reason: messageOf(err) }, 'a part of the node could not be stopped: the others are')
    }
  }
}
