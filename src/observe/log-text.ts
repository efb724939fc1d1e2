/** A line of the log as people read it: with the lines that tell events it makes one page on a terminal. */
import { framesOf, MAX_LINE, printable } from './output.ts'
import { shownText, wrapped } from './shown-text.ts'
import { timeOfDay } from './words.ts'

const LEVELS: Record<number, string> = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warning', 50: 'error', 60: 'fatal' }
const MAX_VALUE = 400

/**
 * "13:05:09  warning  what was said  key=value", and for an error of the node's own its frames, each in a line of its own.
 *
 * @param json - a line as pino writes it; what is none is shown as it is
 * @param columns - of the terminal
 * @param besideEvents - whether the events are told on the same page
 * @returns nothing for what is told there as an event: once is enough
 */
export function logText(json: string, columns = Number.POSITIVE_INFINITY, besideEvents = false): string {
  let entry: Record<string, unknown>
  try {
    entry = JSON.parse(json) as Record<string, unknown>
  } catch {
    return `${wrapped(shownText(json.trimEnd(), MAX_LINE), columns)}\n`
  }
  if (besideEvents && typeof entry.event === 'string') {
    return ''
  }
  const { level, time, msg, name, ...rest } = entry
  const facts = Object.entries(rest).map(([key, value]) => `${key}=${valueText(value)}`)
  const head = `${timeOfDay(String(time))}  ${LEVELS[Number(level)] ?? 'log'}  ${name == null ? '' : `${name}: `}${msg ?? ''}`
  const frames = Number(level) >= 50 ? framesIn(rest.err) : []
  const line = [head, ...facts].map((part) => shownText(part, MAX_LINE)).join('  ')
  return [wrapped(printable(line), columns), ...frames, ''].join('\n')
}

function valueText(value: unknown): string {
  if (isError(value)) {
    return shownText(JSON.stringify(value.message), MAX_VALUE)
  }
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return shownText(/^[^\s"=]+$/.test(text) || typeof value !== 'string' ? text : JSON.stringify(text), MAX_VALUE)
}

function framesIn(err: unknown): string[] {
  return isError(err) ? framesOf({ name: '', message: err.message, stack: String(err.stack ?? '') }) : []
}

function isError(value: unknown): value is { message: string; stack?: unknown } {
  return typeof value === 'object' && value != null && typeof (value as { message?: unknown }).message === 'string'
}
