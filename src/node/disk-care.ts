/** The disk of the data directory: what is said of it, and what is done while it is at fault. */
import type { DiskTrouble, DiskWatch } from '../disk/index.ts'
import type { Events, Logger } from '../observe/index.ts'

export interface DiskCareInit {
  watch: DiskWatch
  events: Events
  log: Logger
  /** Whether what is signed has room of its own. */
  hasReserve: () => boolean
  /** Makes room, where that is ours to make. */
  clearAway: () => void
}

export interface DiskCare {
  /** One line for the operator while there is trouble. */
  notice(): string | null
  /** Whether it takes what is written, be it slowly. */
  works(): boolean
  /** Runs what the disk may not take now, and again when the disk takes it. @throws what is not the disk's fault */
  patiently<T>(what: string, run: () => Promise<T>, signal: AbortSignal): Promise<T>
}

export function createDiskCare({ watch, events, log, hasReserve, clearAway }: DiskCareInit): DiskCare {
  const waiting = new Set<() => void>()
  const toldOf = (trouble: DiskTrouble) => {
    log.error({ event: 'disk-trouble', disk: trouble.kind, what: trouble.what }, trouble.advice)
    events.emit('disk-trouble', { kind: trouble.kind, what: trouble.what, reason: trouble.advice })
    if (trouble.kind === 'full') {
      clearAway()
    }
  }
  watch.onTrouble(toldOf)
  watch.onOver(({ kind, what }) => {
    log.warn({ event: 'disk-well', disk: kind, what }, 'the disk takes what is written again')
    events.emit('disk-well', { kind })
    for (const go of [...waiting]) {
      go()
    }
  })
  const former = watch.trouble()
  if (former != null) {
    // when the one who makes this is made
    queueMicrotask(() => toldOf(former))
  }
  return {
    works: () => [undefined, 'slow'].includes(watch.trouble()?.kind),
    notice() {
      const trouble = watch.trouble()
      if (trouble?.kind === 'slow') {
        return trouble.advice
      }
      return trouble == null
        ? null
        : `${trouble.advice}. The node tries again by itself. Until then it ${hasReserve() ? 'signs what there is a reserve for' : 'has no reserve left to sign with'}, and may miss work and audits`
    },
    async patiently(what, run, signal) {
      for (;;) {
        try {
          return await run()
        } catch (err) {
          if (signal.aborted || !watch.failed(what, err)) {
            throw err
          }
          events.emit('waiting', { for: 'disk', reason: watch.trouble()!.advice })
          await new Promise<void>((resolve) => {
            const go = () => {
              waiting.delete(go)
              signal.removeEventListener('abort', go)
              resolve()
            }
            waiting.add(go)
            signal.addEventListener('abort', go)
          })
          signal.throwIfAborted()
        }
      }
    }
  }
}
