/**
 * The parameters of a task (`ctx.params`): one JSON object, the same on every node.
 *
 * They have one text, whatever the order of keys and the spaces that they were typed with: the canonical JSON of RFC 8785, which is what
 * nodes compare.
 */
import { readSmallFile } from '../disk/index.ts'

export class ParamsError extends Error {
  override name = 'ParamsError'
}

/** Of the canonical text in UTF-8: a list of some hundred URLs is a tenth of it. */
export const MAX_PARAMS_BYTES = 65_536
/** Of arrays and objects, the outermost included. */
export const MAX_PARAMS_DEPTH = 32
/** Of what people type or keep in a file, spaces and all. */
const MAX_TYPED_BYTES = 4 * MAX_PARAMS_BYTES

export interface Params {
  value: Record<string, unknown>
  /** Canonical. */
  text: string
}

const A_JSON_OBJECT = 'should be a JSON object such as {"urls":["https://example.com/"]}'

/** Where the parser of JSON stopped, as far as it says. */
export function placeOf(err: unknown): string {
  const [, position, line, column] = /position (\d+)(?: \(line (\d+) column (\d+)\))?/.exec(err instanceof Error ? err.message : '') ?? []
  return position == null ? '' : line == null ? ` (at character ${Number(position) + 1})` : ` (line ${line}, column ${column})`
}

/**
 * @param value - as JSON.parse gives it
 * @throws ParamsError that says what is wrong, and where in it
 */
export function paramsOf(value: unknown): Params {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ParamsError(A_JSON_OBJECT)
  }
  const text = canonical(value, '', 1)
  const bytes = Buffer.byteLength(text)
  if (bytes > MAX_PARAMS_BYTES) {
    throw new ParamsError(`takes ${bytes} bytes as JSON without spaces; at most ${MAX_PARAMS_BYTES} are allowed`)
  }
  // of the text, so that tasks see one order of keys, too
  return { value: JSON.parse(text) as Record<string, unknown>, text }
}

/** @param at - where it is, such as `.urls[3]` */
function canonical(value: unknown, at: string, depth: number): string {
  switch (typeof value) {
    case 'string':
      return quoted(value, at)
    case 'boolean':
      return String(value)
    case 'number':
      if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
        throw new ParamsError(`has a number${whereIs(at)} that JavaScript cannot hold exactly: write it as text, in quotes`)
      }
      return JSON.stringify(value)
    case 'object': {
      if (value === null) {
        return 'null'
      }
      if (depth > MAX_PARAMS_DEPTH) {
        throw new ParamsError(`is nested in more than ${MAX_PARAMS_DEPTH} objects and arrays${whereIs(at)}`)
      }
      if (Array.isArray(value)) {
        return `[${value.map((item, i) => canonical(item, `${at}[${i}]`, depth + 1)).join(',')}]`
      }
      const object = value as Record<string, unknown>
      // by UTF-16 code units, as RFC 8785 wants it and `sort` does it
      const fields = Object.keys(object)
        .sort()
        .map((key) => {
          if (key === '__proto__') {
            throw new ParamsError(`has a key "__proto__"${whereIs(at)}, which is none: call it something else`)
          }
          return `${quoted(key, at)}:${canonical(object[key], `${at}.${key}`, depth + 1)}`
        })
      return `{${fields.join(',')}}`
    }
    default:
      throw new ParamsError(`has a ${typeof value}${whereIs(at)}, which is not JSON`)
  }
}

function quoted(text: string, at: string): string {
  if (!text.isWellFormed()) {
    throw new ParamsError(`has text${whereIs(at)} with half of a surrogate pair, which is no character`)
  }
  return JSON.stringify(text)
}

const whereIs = (at: string) => (at === '' ? '' : ` at ${at.length > 80 ? `${at.slice(0, 80)}...` : at}`)

/**
 * What people gave: JSON text, or `@FILE` for a file of it.
 *
 * @throws ParamsError
 */
export function typedParams(typed: string): Params {
  if (!typed.startsWith('@')) {
    return paramsOf(parsed(typed))
  }
  const file = typed.slice(1)
  let text: string
  try {
    text = readSmallFile(file, MAX_TYPED_BYTES).toString('utf8')
  } catch (err) {
    throw new ParamsError(`cannot be read from the file ${file} (${(err as Error).message}): give the path of a file with one JSON object`)
  }
  return paramsOf(parsed(text))
}

function parsed(text: string): unknown {
  if (text.length > MAX_TYPED_BYTES) {
    throw new ParamsError(`takes ${text.length} characters; at most ${MAX_TYPED_BYTES} are read`)
  }
  try {
    return JSON.parse(text)
  } catch (err) {
    throw new ParamsError(`is not JSON${placeOf(err)}: ${A_JSON_OBJECT}`)
  }
}

/**
 * What others gave, with a bundle: the canonical text and nothing else, so that one value has one CID.
 *
 * @throws ParamsError
 */
export function canonicalParams(bytes: Uint8Array): Params {
  if (bytes.length > MAX_PARAMS_BYTES) {
    throw new ParamsError(`takes ${bytes.length} bytes; at most ${MAX_PARAMS_BYTES} are allowed`)
  }
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new ParamsError('is not UTF-8 text')
  }
  const params = paramsOf(parsed(text))
  if (params.text !== text) {
    throw new ParamsError('is not in its canonical form (RFC 8785): keys sorted, no spaces, no key twice')
  }
  return params
}
