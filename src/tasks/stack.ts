/**
 * Where in a bundle an error came from. A stack is text that the task may have made up, and that its proofs' makers may have a say in: what
 * is read of it is bounded, and nothing is kept but places in the bundle and the names of its functions. Frames of ours and of Node, with
 * the paths of this machine in them, are cut away.
 */
import type { Outcome, StackFrame } from './api.ts'
import { oneLine } from './output.ts'

/** What a child sends of a stack at most, in characters. */
export const STACK_CHARACTERS = 8192
/** Innermost first: what is further out is the way that every call takes. */
const FRAMES = 16
const NAME_BYTES = 80
const LINE_BYTES = 160

const FRAME = /^ *at (?:(async )?(.{1,400}?) \()?koii-task:main\.mjs:(\d{1,7}):(\d{1,7})\)?$/
/** As Node begins a report: for a module that it cannot parse there is nothing else. */
const UNPARSED = /^koii-task:main\.mjs:(\d{1,7})$/

/** The places in the bundle that a stack of V8 or of the interpreter names, innermost first; none for what is no stack. */
export function framesOf(stack: string | undefined): StackFrame[] {
  const frames: StackFrame[] = []
  let unparsed: StackFrame | undefined
  for (const text of (stack ?? '').slice(0, STACK_CHARACTERS).split('\n')) {
    const [, async, name = '', line, column] = FRAME.exec(text) ?? []
    if (line != null) {
      frames.push({
        // exports are called as those of an object, which is ours
        name: name === '<anonymous>' ? '' : oneLine(`${async ?? ''}${name.replace(/^Object\./, '')}`, NAME_BYTES),
        line: Number(line),
        column: Number(column)
      })
      if (frames.length === FRAMES) {
        break
      }
    } else {
      const [, at] = UNPARSED.exec(text) ?? []
      unparsed ??= at == null ? undefined : { name: '', line: Number(at), column: 0 }
    }
  }
  return frames.length > 0 || unparsed == null ? frames : [unparsed]
}

/** `main.mjs:12:5`. @param file - what the bundle is called where it is told */
export function placeOf({ line, column }: StackFrame, file: string): string {
  return `${file}:${line}${column === 0 ? '' : `:${column}`}`
}

/** `; at check (main.mjs:20:3); at audit (main.mjs:12:5)`, behind what went wrong. */
export function stackText(frames: StackFrame[] = [], file: string): string {
  return frames.map((frame) => `; at ${frame.name === '' ? placeOf(frame, file) : `${frame.name} (${placeOf(frame, file)})`}`).join('')
}

type Failure = Extract<Outcome<never>, { ok: false }>

/**
 * A failure with the place in the bundle that it came from.
 *
 * @param source - to show the line of, too
 */
export function placed<F extends Failure>(failure: F, file: string, source?: string): F {
  const [frame] = failure.frames ?? []
  // what has its place already is passed on
  if (frame == null || failure.at != null) {
    return failure
  }
  const line = source == null ? '' : sourceLine(source, frame)
  return { ...failure, at: `${placeOf(frame, file)}${line === '' ? '' : `: ${line}`}` }
}

/** A failure on one line: `threw: ReferenceError: x is not defined (main.mjs:12:5)`. */
export function whyFailed({ reason, detail, at }: Pick<Failure, 'reason' | 'detail' | 'at'>): string {
  return `${reason}: ${detailAt({ detail, at })}`
}

export function detailAt({ detail, at }: { detail: string; at?: string | undefined }): string {
  return at == null ? detail : `${detail} (${at})`
}

/** The line of the source that a frame is on, as far as it fits around the column; empty where there is none. */
export function sourceLine(source: string, { line, column }: StackFrame): string {
  const text = source.split('\n', line)[line - 1] ?? ''
  const from = Math.max(0, Math.min(column - 1, text.length) - LINE_BYTES / 2)
  return oneLine(text.slice(from), LINE_BYTES).trim()
}
