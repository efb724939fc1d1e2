/**
 * Where text leaves the process. All of it goes through here: `koii-mesh` puts this before both of its outputs when it starts, so that
 * whatever writes to them, ours or a library's, says nothing that a terminal acts on.
 */
import { asciiJson, asciiText, shownLines, shownText, wrapped } from './shown-text.ts'

/** Of a line that is shown, others' text in it and all. */
export const MAX_LINE = 4000

/** Lines that belong together, each safe to show as it is. */
export interface Shown {
  lines: string
}

type Env = Record<string, string | undefined>
type Stream = NodeJS.WriteStream

/** Whether those who look see UTF-8: what the locale says, as the first of its variables that says something. */
export function showsUtf8(env: Env = process.env, platform: string = process.platform): boolean {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || ''
  return platform === 'win32' || /utf-?8/i.test(locale)
}

/** Whether a picture can be drawn over the one before it: on a terminal that moves its cursor. */
export function isLive(stream: Stream, env: Env = process.env): boolean {
  return stream.isTTY === true && env.TERM !== 'dumb'
}

/** Whether colours are wanted: `NO_COLOR` and `FORCE_COLOR` as Node reads them, on terminals alone. */
export function isColourful(stream: Stream, env: Env = process.env): boolean {
  return isLive(stream, env) && (env.NO_COLOR ?? '') === '' && stream.hasColors?.(env) === true
}

/** What the terminal can show of a text that is safe. */
export function printable(text: string, env: Env = process.env): string {
  return showsUtf8(env) ? text : asciiText(text)
}

/** JSON that the terminal can show. */
export function printableJson(json: string, env: Env = process.env): string {
  return showsUtf8(env) ? json : asciiJson(json)
}

/** A library hides the cursor while a picture is drawn, and shows it again when the process ends, whatever ended it. */
const CURSOR = new Set(['\x1b[?25h', '\x1b[?25l'])
const unguarded = new WeakMap<Stream, Stream>()

/** From now on nothing that is written to the stream acts on a terminal, but for pictures (`rawStream`). */
export function guardStream(stream: Stream): void {
  if (unguarded.has(stream)) {
    return
  }
  const write = stream.write.bind(stream) as (chunk: unknown, ...rest: unknown[]) => boolean
  unguarded.set(stream, Object.create(stream, { write: { value: write } }) as Stream)
  stream.write = ((chunk: unknown, ...rest: unknown[]) => {
    const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk as Uint8Array).toString()
    return write(CURSOR.has(text) ? text : printable(shownLines(text)), ...rest)
  }) as Stream['write']
}

/** For what moves the cursor: whoever writes there has made its text safe. */
export function rawStream(stream: Stream): Stream {
  return unguarded.get(stream) ?? stream
}

const COMMAND = /^ {2}\S/

/** Lines for people on standard output, each one line whatever others put into it. */
export function sayLines(lines: ReadonlyArray<string | Shown>): void {
  const { isTTY, columns } = process.stdout
  const shown = (line: string) => {
    const safe = printable(shownText(line, MAX_LINE))
    // a command is to be copied
    return isTTY && columns > 0 && !COMMAND.test(safe) ? wrapped(safe, columns) : safe
  }
  process.stdout.write(`${lines.map((line) => (typeof line === 'string' ? shown(line) : line.lines)).join('\n')}\n`)
}

/** One line of JSON, as `toLine` makes it, on standard output. */
export function sayJson(json: string): void {
  process.stdout.write(`${printableJson(json)}\n`)
}

/** One line on standard error about what is wrong, or goes on. */
export function complain(text: string): void {
  const { isTTY, columns } = process.stderr
  const line = printable(`koii-mesh: ${shownText(text, MAX_LINE)}`)
  process.stderr.write(`${isTTY && columns > 0 ? wrapped(line, columns) : line}\n`)
}

/** Where an error came from: a line for each frame, without its message, which may hold lines that look like frames. */
export function framesOf(error: Error): string[] {
  const { stack = '', message } = error
  const from = message === '' ? 0 : stack.indexOf(message) + message.length
  return stack
    .slice(Math.max(0, from))
    .split('\n')
    .filter((line) => line.startsWith('    at '))
    .slice(0, 20)
    .map((line) => shownText(line, 300))
}

/** The stack of an error on standard error. */
export function complainStack(error: Error): void {
  process.stderr.write(
    framesOf(error)
      .map((line) => `${line}\n`)
      .join('')
  )
}

/** Resolves when all that was said before is out. */
export function saidAll(): Promise<void> {
  return new Promise((resolve) => process.stdout.write('', () => resolve()))
}
