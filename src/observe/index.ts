/**
 * # observe
 *
 * What a node tells: a log for people (pino), and typed events for machines, one JSON object a line.
 *
 * @example
 * ```ts
 * const events = createEvents({ slot: () => clock.slot(), node: staker })
 * events.on((event) => process.stdout.write(`${toLine(event)}\n`))
 * events.emit('finalized', { cycle: 3, root })
 * ```
 */
import { type Logger, pino } from 'pino'
import { createLineWriter, type LineWriter } from './line-writer.ts'
import { logText } from './log-text.ts'
import { printableJson } from './output.ts'
import { quietRepeats } from './repeats.ts'
import { shownJson } from './shown-text.ts'
import { counted } from './words.ts'

export type { Logger } from 'pino'
export { complain, sayJson, sayLines } from './output.ts'
export { shownJson, shownText } from './shown-text.ts'
export { counted, duration, timeOfDay } from './words.ts'

/** One thing that happened. Amounts are decimal strings of ROE. */
export interface NodeEvent {
  event: string
  /** When it happened, by the machine's clock: ISO 8601, UTC. */
  time: string
  slot: number | null
  cycle: number | null
  /** The staking key of the node that tells. */
  node: string
  [detail: string]: unknown
}

export interface Events {
  emit(event: string, detail?: Record<string, unknown> & { cycle?: number }): void
  /** Returns the function that ends the subscription. */
  on(listener: (event: NodeEvent) => void): () => void
}

export interface EventsInit {
  slot: () => number | undefined
  /** The staking key of the node that tells. */
  node: string
  /** Wall clock, ms since 1970. */
  now?: () => number
}

export function createEvents({ slot, node, now = Date.now }: EventsInit): Events {
  const listeners = new Set<(event: NodeEvent) => void>()
  return {
    emit(event, { cycle, ...detail } = {}) {
      const full: NodeEvent = { event, time: new Date(now()).toISOString(), slot: slot() ?? null, cycle: cycle ?? null, node, ...detail }
      for (const listener of listeners) {
        listener(full)
      }
    },
    on(listener) {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    }
  }
}

/** JSON with bigint as decimal text; a terminal that shows it acts on nothing that it holds. */
export function toLine(value: unknown): string {
  return shownJson(JSON.stringify(value, (_key, inner) => (typeof inner === 'bigint' ? inner.toString() : inner)))
}

const troubles = new WeakMap<Logger, LineWriter['trouble']>()

export interface LogInit {
  level: string
  name?: string
  /** Whether lines are for people, and not JSON. */
  isText?: boolean
  /** For people alone: whether they read the events on the same page, so that a line with an `event` of that name tells nothing new. */
  besideEvents?: boolean
}

/** The log, on standard error: standard output is for what a command answers. What cannot be written stops nobody. */
export function createLog({ level, name, isText = false, besideEvents = false }: LogInit): Logger {
  const shown = (line: string) => (isText ? logText(line, process.stderr.columns, besideEvents) : printableJson(shownJson(line)))
  const lines = createLineWriter({
    fd: 2,
    afterLoss: (lost, reason) =>
      shown(`${toLine({ level: 40, time: new Date().toISOString(), lost, reason, msg: 'lines of this log could not be written' })}\n`)
  })
  const log = pino(
    { level, base: name == null ? {} : { name }, timestamp: pino.stdTimeFunctions.isoTime, hooks: { logMethod: quietRepeats() } },
    {
      write(line) {
        const text = shown(line)
        if (text !== '') {
          lines.write(text)
        }
      }
    }
  )
  troubles.set(log, lines.trouble)
  return log
}

/** One line for the operator while the log cannot be written. */
export function logTrouble(log: Logger): string | null {
  const trouble = troubles.get(log)?.()
  return trouble == null
    ? null
    : `the log on standard error cannot be written (${trouble.reason}), and ${counted(trouble.lost, 'line')} of it ${trouble.lost === 1 ? 'is' : 'are'} lost: see where it goes`
}
