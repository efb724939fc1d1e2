import type { Logger } from 'pino'

/** Lines of a log that come again and again, as whoever asks again tells each time why: the same is told once in a while. */
export interface Repeated {
  /** Tells `message` with `fields`, unless it was told with the same `reason` lately: then it is for the debug log. */
  warn(fields: { reason: string; [field: string]: unknown }, message: string): void
}

export interface RepeatedInit {
  log: Pick<Logger, 'warn' | 'debug'>
  /** The same is told again after this, default a minute. */
  pauseMs?: number
  /** Milliseconds of a monotonic clock. */
  nowMs?: () => number
}

const PAUSE_MS = 60_000
/** So many different ones are kept in mind; who makes up more is told of more often. */
const MAX_KNOWN = 64

/** Figures in a reason, such as a time or a slot, make no other one of it. */
const kindOf = (reason: string, message: string) => `${message}: ${reason.replaceAll(/\d+/g, '#')}`

export function createRepeated({ log, pauseMs = PAUSE_MS, nowMs = () => performance.now() }: RepeatedInit): Repeated {
  const known = new Map<string, { toldMs: number; untold: number }>()
  return {
    warn(fields, message) {
      const kind = kindOf(fields.reason, message)
      const former = known.get(kind)
      const now = nowMs()
      if (former != null && now - former.toldMs < pauseMs) {
        former.untold++
        log.debug(fields, message)
        return
      }
      known.delete(kind)
      known.set(kind, { toldMs: now, untold: 0 })
      if (known.size > MAX_KNOWN) {
        known.delete(known.keys().next().value!)
      }
      log.warn(former == null || former.untold === 0 ? fields : { ...fields, repeated: former.untold }, message)
    }
  }
}
