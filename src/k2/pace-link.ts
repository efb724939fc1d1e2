import { WebSocket } from 'ws'
import type { Logger } from '../observe/index.ts'
import { PAUSES, type Pauses, pauseMs } from './choose.ts'
import { webSocketUrl } from './connection.ts'
import { messageOf, toldBy } from './errors.ts'

/** Asks whether a slot has been taken in and nothing that is due is under way; `turn` counts how often in this slot. */
export interface PaceQuestion {
  slot: number
  turn: number
}

/** The way to a local K2 whose slots wait for those who follow them. */
export interface PaceLink {
  done(question: PaceQuestion, moves: number): void
  busy(): void
  /** Dials again at once: the network of the connection is gone. */
  renew(): void
  close(): void
}

export interface PaceLinkInit {
  url: string
  /** By which K2 tells whom it waited for; at most 64 characters. */
  name: string
  onQuestion: (question: PaceQuestion) => void
  log: Logger
  random?: () => number
  pauses?: Pauses
}

/** A local K2 answers at once; one that does not is none that waits for us. */
const ASK_TIMEOUT_MS = 10_000
const MAX_ANSWER_BYTES = 64 * 1024

/**
 * Whether the K2 at `url` lets its slots wait for its followers. Where that cannot be told it does not: only our own local K2 does, and
 * says so in an answer that every K2 gives.
 */
export async function askPace(url: string): Promise<'auto' | 'strict'> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'getVersion', params: [] }),
      signal: AbortSignal.timeout(ASK_TIMEOUT_MS)
    })
    const length = Number(response.headers.get('content-length') ?? Number.POSITIVE_INFINITY)
    if (!response.ok || length > MAX_ANSWER_BYTES) {
      await response.body?.cancel()
      return 'strict'
    }
    const answer = (await response.json()) as { result?: Record<string, unknown> | null } | null
    return answer?.result?.['koii-mesh-pace'] === 'auto' ? 'auto' : 'strict'
  } catch {
    return 'strict'
  }
}

/** A connection of its own, dialled again when it ends: K2 waits for nobody whose connection is gone. */
export function createPaceLink({ url, name, onQuestion, log, random = Math.random, pauses = PAUSES }: PaceLinkInit): PaceLink {
  let socket: WebSocket | undefined
  let id: number | undefined
  let failures = 0
  let again: NodeJS.Timeout | undefined
  let closed = false

  const say = (method: string, params: unknown[], requestId?: number) => {
    if (socket?.readyState === WebSocket.OPEN) {
      socket.send(JSON.stringify({ jsonrpc: '2.0', method, params, ...(requestId == null ? {} : { id: requestId }) }), () => {})
    }
  }
  const dial = () => {
    id = undefined
    const dialled = new WebSocket(webSocketUrl(url), { maxPayload: MAX_ANSWER_BYTES, perMessageDeflate: false })
    socket = dialled
    dialled.on('open', () => say('paceSubscribe', [{ name: name.slice(0, 64) }], 1))
    dialled.on('message', (data) => {
      const told = read(data.toString())
      if (told?.id === 1 && typeof told.result === 'number') {
        id = told.result
        failures = 0
      } else if (told?.id === 1) {
        log[failures === 0 ? 'warn' : 'debug'](
          { reason: toldBy(told.error?.message, 'no number in the answer') },
          'the slots of K2 do not wait for this node yet; asking again'
        )
        dialled.terminate()
      }
      const { slot, turn } = told?.params?.result ?? {}
      if (told?.method === 'paceNotification' && Number.isSafeInteger(slot) && Number.isSafeInteger(turn)) {
        onQuestion({ slot: slot as number, turn: turn as number })
      }
    })
    // an 'error' is followed by a 'close'
    dialled.on('error', (err) => log.debug({ reason: messageOf(err) }, 'the way to K2 by which it waits for us failed'))
    dialled.on('close', () => {
      if (!closed && socket === dialled) {
        again = setTimeout(dial, pauseMs(++failures, undefined, random(), pauses))
        again.unref()
      }
    })
  }
  dial()

  return {
    done({ slot, turn }, moves) {
      if (id != null) {
        say('paceDone', [id, slot, turn, moves])
      }
    },
    busy() {
      if (id != null) {
        say('paceBusy', [id])
      }
    },
    renew() {
      clearTimeout(again)
      const former = socket
      dial()
      former?.terminate()
    },
    close() {
      closed = true
      clearTimeout(again)
      socket?.terminate()
    }
  }
}

interface Told {
  id?: unknown
  method?: unknown
  result?: unknown
  error?: { message?: unknown } | null
  params?: { result?: { slot?: unknown; turn?: unknown } | null } | null
}

function read(text: string): Told | undefined {
  try {
    return (JSON.parse(text) as Told | null) ?? undefined
  } catch {
    return undefined
  }
}
