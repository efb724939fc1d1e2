/** The control API from the other side: what the commands that speak with a running node use. */
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { z } from 'zod'
import { commandLine } from '../command/index.ts'
// by their files, as a command that asks a node loads nothing else
import { readSmallFile, UnreadableFileError } from '../disk/files.ts'
import { type NodeEvent, nodeEventSchema } from '../observe/events.ts'
import { shownText } from '../observe/shown-text.ts'
import { API_FILE, fitsSocket, TOKEN_FILE } from './files.ts'
import { LIMITS } from './limits.ts'
import { errorSchema } from './schemas.ts'

/** A node could not be asked, or does not do what it was asked; the message says what to do. */
export class ControlError extends Error {
  override name = 'ControlError'
  /** The API's own code, where it answered. */
  readonly code: string | undefined

  constructor(message: string, code?: string) {
    super(message)
    this.code = code
  }
}

/** A running node, and what it takes to be answered. */
export interface NodeDoor {
  url: string
  /** Path of its socket. */
  socket?: string
  /** Without one only what is for everybody of the machine is answered. */
  token?: string
  /** How a person finds it again. */
  named: string
}

/** A node on this machine answers at once. */
const TIMEOUT_MS = 5_000
const MAX_FILE_BYTES = 4_096
const MAX_ANSWER_BYTES = 8 * 1024 * 1024
const MAX_FRAME_BYTES = 1024 * 1024

const start = () => commandLine(['start'], { help: true })
const apiFile = z.object({ url: z.url(), pid: z.int().optional(), socket: z.literal('api.sock').optional() })

const isDenied = (err: unknown) => err instanceof UnreadableFileError && (err.code === 'EACCES' || err.code === 'EPERM')

/** @throws ControlError */
function readOwn(dir: string, name: string): string {
  try {
    return readSmallFile(join(dir, name), MAX_FILE_BYTES).toString('utf8')
  } catch (err) {
    if (isDenied(err)) {
      throw new ControlError(
        `${join(dir, name)} cannot be read: the data directory is another user's. Run this command as the user that runs the node (sudo -u USER ...), or name your own with --data-dir`
      )
    }
    throw new ControlError(
      `no node runs with the data directory ${dir}${err instanceof UnreadableFileError && err.code === 'ENOENT' ? '' : ` (${name}: ${(err as Error).message})`}: start one (${start()}), or name its directory with --data-dir`
    )
  }
}

/** The token in a file. @throws ControlError */
export function tokenAt(file: string): string {
  try {
    return readSmallFile(file, MAX_FILE_BYTES).toString('utf8').trim()
  } catch (err) {
    throw new ControlError(
      isDenied(err)
        ? `the token in ${file} cannot be read: it is another user's. Run this command as the user that runs the node (sudo -u USER ...)`
        : `there is no token in ${file} (${(err as Error).message}): name the file with --token-file, or the data directory of the node with --data-dir`
    )
  }
}

/** The node that runs with a data directory. @throws ControlError */
export function doorOf(dir: string): NodeDoor {
  const text = readOwn(dir, API_FILE)
  let said: z.infer<typeof apiFile>
  try {
    said = apiFile.parse(JSON.parse(text))
  } catch {
    throw new ControlError(
      `${join(dir, API_FILE)} is not what a node writes: start the node again (${start()}), or name another directory with --data-dir`
    )
  }
  const socket = join(dir, said.socket ?? '')
  return {
    url: said.url,
    token: readOwn(dir, TOKEN_FILE).trim(),
    named: said.url,
    ...(said.socket != null && fitsSocket(socket) ? { socket } : {})
  }
}

interface Ask {
  method?: 'GET' | 'POST' | 'DELETE'
  headers?: Record<string, string>
  /** JSON. */
  body?: string
  signal?: AbortSignal
  /** How long the answer may take to begin. */
  answerMs?: number
}

/** @throws ControlError when it does not answer, or refuses */
function call(
  door: NodeDoor,
  path: string,
  { method = 'GET', headers = {}, body, signal, answerMs = TIMEOUT_MS }: Ask
): Promise<IncomingMessage> {
  const { hostname, port, host } = new URL(door.url)
  const where = door.socket == null ? { hostname: hostname.replace(/^\[(.*)\]$/, '$1'), port } : { socketPath: door.socket }
  return new Promise((resolve, reject) => {
    const asked = request({
      ...where,
      ...{ path, method, signal, agent: false, timeout: answerMs },
      headers: {
        ...headers,
        ...(body == null ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
        host: door.socket == null ? host : 'localhost',
        ...(door.token == null ? {} : { authorization: `Bearer ${door.token}` })
      }
    })
    asked.on('timeout', () => asked.destroy(new Error('it says nothing')))
    // whatever it says meanwhile is no answer
    const late = setTimeout(() => asked.destroy(new Error('its answer does not begin')), answerMs)
    asked.on('close', () => clearTimeout(late))
    asked.on('error', (err) => {
      const gone = `the node at ${door.named} does not answer (${err.message}): it may have been killed${answerMs > TIMEOUT_MS ? ', or be at it still (status tells)' : ''}`
      reject(
        signal?.aborted === true
          ? err
          : new ControlError(`${gone}: start it again (${start()}), or name the data directory of the node you mean with --data-dir`)
      )
    })
    asked.on('response', (answer) => {
      clearTimeout(late)
      // what follows may take its time, as events do
      asked.setTimeout(0)
      resolve(answer)
    })
    asked.end(body)
  })
}

async function textOf(answer: IncomingMessage, door: NodeDoor): Promise<string> {
  const parts: Buffer[] = []
  let bytes = 0
  const late = setTimeout(() => answer.destroy(new Error('its answer does not end')), TIMEOUT_MS)
  try {
    for await (const part of answer as AsyncIterable<Buffer>) {
      parts.push(part)
      bytes += part.length
      if (bytes > MAX_ANSWER_BYTES) {
        throw new Error(`its answer has more than ${MAX_ANSWER_BYTES} bytes`)
      }
    }
  } catch (err) {
    throw new ControlError(`what the node at ${door.named} answers cannot be read (${(err as Error).message}): try it again`)
  } finally {
    clearTimeout(late)
  }
  return Buffer.concat(parts).toString('utf8')
}

function refusalOf(status: number, text: string, door: NodeDoor): ControlError {
  let told: ReturnType<typeof errorSchema.safeParse> | undefined
  try {
    told = errorSchema.safeParse(JSON.parse(text))
  } catch {
    // no JSON
  }
  if (told?.success !== true) {
    return new ControlError(
      `the node at ${door.named} answers with status ${status}: it runs another version than this command, or something else has its port`
    )
  }
  const { code, message } = told.data.error
  if (code === 'token-missing') {
    return new ControlError(
      `the node at ${door.named} wants its token for that: name the file that has it with --token-file, or the node's data directory with --data-dir`,
      code
    )
  }
  return code === 'token-wrong'
    ? new ControlError(
        `the node at ${door.named} does not take the token: it was started again, or it is another node's. Try it again`,
        code
      )
    : new ControlError(`the node at ${door.named} says: ${shownText(message, 500)}`, code)
}

/**
 * What the API answers at `path`, as `schema` has it.
 *
 * @throws ControlError
 */
export async function ask<T extends z.ZodType>(
  door: NodeDoor,
  schema: T,
  path: string,
  how: Pick<Ask, 'method' | 'body' | 'answerMs'> = {}
): Promise<z.infer<T>> {
  const answer = await call(door, path, how)
  const text = await textOf(answer, door)
  if (answer.statusCode !== 200) {
    throw refusalOf(answer.statusCode ?? 0, text, door)
  }
  let read: z.ZodSafeParseResult<z.infer<T>>
  try {
    read = schema.safeParse(JSON.parse(text))
  } catch {
    throw new ControlError(`what the node at ${door.named} answers is no JSON: something else may have its port`)
  }
  if (!read.success) {
    const { path: at, message } = read.error.issues[0]!
    throw new ControlError(
      `the node at ${door.named} answers otherwise than this command expects (${at.join('.')}: ${message}): start it again with this version of koii-mesh`
    )
  }
  return read.data
}

/** How long a node may take to start or to end a task. */
export const CHANGE_MS = LIMITS.changeMs

/** `lost`: so many events before the next one are gone; null where that is not known. */
export type Streamed = { event: NodeEvent; id: string } | { lost: number | null }

export interface EventsAsk {
  from: 'oldest' | 'now'
  follow: boolean
  lastEventId?: string
  signal: AbortSignal
}

/** A node that follows says something each 15 s. */
const SILENT_MS = 60_000

/** The events of a node, until it stops, or `signal` ends it. @throws ControlError */
export async function* eventsOf(door: NodeDoor, { from, follow, lastEventId, signal }: EventsAsk): AsyncGenerator<Streamed> {
  const answer = await call(door, `/v1/events?from=${from}&follow=${follow}`, {
    signal,
    headers: { accept: 'text/event-stream', ...(lastEventId == null ? {} : { 'last-event-id': lastEventId }) }
  })
  if (answer.statusCode !== 200) {
    throw refusalOf(answer.statusCode ?? 0, await textOf(answer, door), door)
  }
  answer.setEncoding('utf8')
  answer.setTimeout(SILENT_MS, () => answer.destroy(new Error('it says nothing any more')))
  let rest = ''
  try {
    for await (const part of answer as AsyncIterable<string>) {
      rest += part
      const frames = rest.split('\n\n')
      rest = frames.pop()!
      for (const frame of frames) {
        const read = readFrame(frame)
        if (read != null) {
          yield read
        }
      }
      if (rest.length > MAX_FRAME_BYTES) {
        throw new Error('an event is too large')
      }
    }
  } catch (err) {
    if (signal.aborted) {
      return
    }
    throw new ControlError(
      `the events of the node at ${door.named} have ended (${(err as Error).message}): see whether it runs, and begin again`
    )
  } finally {
    answer.destroy()
  }
}

const gapSchema = z.object({ lost: z.number().nullable() })

/** undefined for what is no event that this version knows. */
function readFrame(frame: string): Streamed | undefined {
  const fields = new Map(
    frame.split('\n').flatMap((line) => {
      const [, name, value] = /^(\w+): (.*)$/.exec(line) ?? []
      return name == null ? [] : [[name, value!] as const]
    })
  )
  let data: unknown
  try {
    data = JSON.parse(fields.get('data') ?? 'null')
  } catch {
    return undefined
  }
  if (fields.get('event') === 'gap') {
    return gapSchema.safeParse(data).data
  }
  const read = nodeEventSchema.safeParse(data)
  return read.success ? { event: read.data, id: fields.get('id') ?? '' } : undefined
}
