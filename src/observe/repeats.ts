import type { LoggerOptions } from 'pino'

export interface RepeatsInit {
  /** Clock in ms. */
  now?: () => number
  everyMs?: number
}

const WARN = 40
const EVERY_MS = 10 * 60_000
const MAX_TEXTS = 256
const MAX_LENGTH = 4_096

type LogMethod = NonNullable<NonNullable<LoggerOptions['hooks']>['logMethod']>

/**
 * A hook for pino: what is tried again every second and fails for the same reason is one warning in ten minutes, with how often it was
 * said meanwhile, and not a log that fills the disk. What a task says is the task's affair.
 */
export function quietRepeats({ now = () => performance.now(), everyMs = EVERY_MS }: RepeatsInit = {}): LogMethod {
  const said = new Map<string, { sinceMs: number; again: number }>()
  return function (args, method, level) {
    const text = level < WARN ? undefined : textOf(args)
    if (text == null) {
      return method.apply(this, args)
    }
    const before = said.get(text)
    const nowMs = now()
    if (before != null && nowMs - before.sinceMs < everyMs) {
      before.again++
      return
    }
    said.delete(text)
    said.set(text, { sinceMs: nowMs, again: 0 })
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
 * attempt, nor those in a reason. Undefined for what is always written.
 */
function textOf(args: unknown[]): string | undefined {
  const [first] = args
  if (typeof first === 'object' && first != null && 'source' in first) {
    return undefined
  }
  try {
    return JSON.stringify(args, (key, value) => {
      const told = value instanceof Error ? `${value.name}: ${value.message}` : value
      const isReason = value instanceof Error || key === 'reason'
      return typeof told === 'number' || typeof told === 'bigint' ? 0 : isReason ? String(told).replaceAll(/\d+/g, '#') : told
    }).slice(0, MAX_LENGTH)
  } catch {
    return undefined
  }
}
