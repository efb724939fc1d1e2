/**
 * # observe
 *
 * What a node tells: a log for people (pino), and typed events for machines, one JSON object a line.
 *
 * @example
 * ```ts
 * const events = createEvents({ slot: () => clock.slot(), node: staker })
 * events.on((event) => process.stdout.write(`${toLine(event)}\n`))
 * events.of({ task, node: staker }).emit('vote-lost', { cycle: 3, reason: 'its window has closed' })
 * ```
 */
import { type Logger, pino } from 'pino'
import type { EventDetail, EventInit, EventName, NodeEvent } from './events.ts'
import { createLineWriter, type LineWriter } from './line-writer.ts'
import { logText } from './log-text.ts'
import { printableJson } from './output.ts'
import { quietRepeats } from './repeats.ts'
import { shownJson } from './shown-text.ts'
import { counted } from './words.ts'

export type { Logger } from 'pino'
// the schemas themselves are in events.ts, as most who tell events need no zod
export type { EventDetail, EventInit, EventName, EventOf, NodeEvent, Stats } from './events.ts'
export { complain, sayJson, sayLines } from './output.ts'
export { shownJson, shownText } from './shown-text.ts'
export { counted, duration, timeOfDay } from './words.ts'

/** One who tells: the node itself, or one of its tasks. */
export interface Events {
  /** Tells an event by its name; what goes with it is in `eventSchemas`. */
  emit<Name extends EventName>(event: Name, ...detail: object extends EventDetail<Name> ? [] : [EventDetail<Name>]): void
  /** The same for one that is made elsewhere. */
  tell(told: EventInit): void
  /** What it tells itself, and the node all that its tasks tell. Returns the function that ends the subscription. */
  on(listener: (event: NodeEvent) => void): () => void
}

/** Of the node itself. */
export interface NodeEvents extends Events {
  /** Those about one task, told by the key that is staked in it. */
  of(teller: { task: string; node: string }): Events
}

export interface EventsInit {
  slot: () => number | undefined
  /** The staking key of the node that tells: that of its first task where these differ. */
  node: string
  /** Wall clock, ms since 1970. */
  now?: () => number
}

type Listeners = Set<(event: NodeEvent) => void>

export function createEvents({ slot, node, now = Date.now }: EventsInit): NodeEvents {
  const ofNode: Listeners = new Set()
  /** @param heard - who hears it, the first before the others */
  const teller = (who: { task: string | null; node: string }, own: Listeners, heard: readonly Listeners[]): Events => {
    const tell = ({ event, cycle, ...detail }: EventInit) => {
      // the types of what is emitted are those of the schemas, less what is added here
      const added = { time: new Date(now()).toISOString(), slot: slot() ?? null, cycle: cycle ?? null, node: who.node, task: who.task }
      const full = { event, ...added, ...detail } as NodeEvent
      for (const listeners of heard) {
        for (const listener of listeners) {
          listener(full)
        }
      }
    }
    return {
      emit: (event, ...[detail]) => tell({ event, ...detail } as EventInit),
      tell,
      on(listener) {
        own.add(listener)
        return () => {
          own.delete(listener)
        }
      }
    }
  }
  return {
    ...teller({ task: null, node }, ofNode, [ofNode]),
    // who listens to a task goes with it, and hears nothing of another
    of(who) {
      const own: Listeners = new Set()
      return teller(who, own, [own, ofNode])
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
