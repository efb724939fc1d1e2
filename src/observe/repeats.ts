import { hash } from 'node:crypto'
import type { LoggerOptions } from 'pino'

export interface RepeatsInit {
  /** Clock in ms. */
  now?: () => number
  everyMs?: number
}

const WARN = 40
const EVERY_MS = 10 * 60_000
/** What was not said for so long is over: when it comes again, it is news. */
const OVER_MS = 30_000
const MAX_TEXTS = 256
/** Figures that count or measure; those of an address tell one from another. */
const FIGURES = /(?<![\w/]|\d[.:])\d+(?![\w/]|[.:]\d)/g

type LogMethod = NonNullable<NonNullable<LoggerOptions['hooks']>['logMethod']>

/**
 * A hook for pino: what is tried again every few seconds and fails for the same reason is one warning in ten minutes, with how often it was
 * said meanwhile, and not a log that fills the disk. What a task says is the task's affair.
 */
export function quietRepeats({ now = () => performance.now(), everyMs = EVERY_MS }: RepeatsInit = {}): LogMethod {
  const said = new Map<string, { sinceMs: number; lastMs: number; again: number }>()
  return function (args, method, level) {
    // an error is told each time
    const text = level === WARN ? textOf(args) : undefined
    if (text == null) {
      return method.apply(this, args)
    }
    const before = said.get(text)
    const nowMs = now()
    if (before != null && nowMs - before.lastMs < OVER_MS && nowMs - before.sinceMs < everyMs) {
      before.lastMs = nowMs
      before.again++
      return
    }
    said.delete(text)
    said.set(text, { sinceMs: nowMs, lastMs: nowMs, again: 0 })
    if (said.size > MAX_TEXTS) {
      said.delete(said.keys().next().value as string)
    }
    const [first, ...rest] = args as unknown[]
    const isFacts = typeof first === 'object' && first != null && !(first instanceof Error)
    const full = before == null || before.again === 0 || !isFacts ? args : [{ ...first, again: before.again }, ...rest]
    return method.apply(this, full as Parameters<LogMethod>[0])
  }
}

/**
 * What makes two lines the same: the text, and what its facts say in words. Figures make no other line of it, such as a slot, a time or an
 * attempt, nor those in a reason; a cycle does. Undefined for what is always written.
 */
function textOf(args: unknown[]): string | undefined {
  const [first] = args
  if (typeof first === 'object' && first != null && 'source' in first) {
    return undefined
  }
  try {
    const whole = JSON.stringify(args, (key, value) => {
      const told = value instanceof Error ? `${value.name}: ${value.message}` : value
      const isReason = value instanceof Error || key === 'reason'
      return (typeof told === 'number' || typeof told === 'bigint') && key !== 'cycle'
        ? 0
        : isReason
          ? String(told).replaceAll(FIGURES, '#')
          : told
    })
    return hash('sha256', whole)
  } catch {
    return undefined
  }
}
