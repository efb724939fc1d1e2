import { WebSocket } from 'ws'
import type { Logger } from '../observe/index.ts'
import { type Pauses, pauseMs } from './choose.ts'
import { messageOf } from './errors.ts'

/**
 * Subscriptions at one endpoint's WebSocket. What web3.js v1 has for this throws out of its own event handlers at a malformed
 * notice, dials for ever and cannot be closed, so a node that must outlive any endpoint has its own.
 */
export interface Feed {
  /** Calls `listener` with the result of each notice. Returns the function that ends it. Dials when there is somebody to tell. */
  on(method: string, params: unknown[], listener: (result: unknown) => void): () => void
  /** Lets go of the connection and dials again: it may be half open. */
  renew(reason: string): void
  close(): void
}

export interface FeedInit {
  url: string
  name: string
  log: Logger
  nowMs: () => number
  random: () => number
  pauses: Pauses
}

/** A notice of an account of ours is 3 KiB. */
const MAX_NOTICE_BYTES = 1024 * 1024
const HANDSHAKE_TIMEOUT_MS = 10_000
const PING_MS = 10_000
/** Without a sign of life for so long the other side is gone, whatever TCP thinks. */
const SILENCE_MS = 25_000

interface Wanted {
  method: string
  params: unknown[]
  listener: (result: unknown) => void
  /** What the endpoint calls it, on the present connection. */
  id: unknown
  request: number
}

export function createFeed({ url, name, log, nowMs, random, pauses }: FeedInit): Feed {
  const wanted = new Set<Wanted>()
  let socket: WebSocket | undefined
  let requests = 0
  let failures = 0
  let heardMs = 0
  let again: NodeJS.Timeout | undefined
  let pinging: NodeJS.Timeout | undefined
  let closed = false

  const say = (to: WebSocket, value: object) => {
    if (to.readyState === WebSocket.OPEN) {
      to.send(JSON.stringify({ jsonrpc: '2.0', ...value }), () => {})
    }
  }
  const subscribe = (to: WebSocket, one: Wanted) => {
    one.request = ++requests
    one.id = undefined
    say(to, { id: one.request, method: one.method, params: one.params })
  }
  const take = (text: string) => {
    let message: { id?: unknown; result?: unknown; params?: { subscription?: unknown; result?: unknown } } | null
    try {
      message = JSON.parse(text) as typeof message
    } catch {
      message = null
    }
    if (typeof message !== 'object' || message == null) {
      log.debug({ endpoint: name }, 'a notice of K2 that is not JSON')
      return
    }
    failures = 0
    for (const one of wanted) {
      if (message.id != null && message.id === one.request && message.result != null) {
        one.id = message.result
      } else if (one.id != null && message.params?.subscription === one.id) {
        try {
          one.listener(message.params.result)
        } catch (err) {
          log.debug({ endpoint: name, reason: messageOf(err) }, 'a notice of K2 that makes no sense')
        }
      }
    }
  }
  const hangUp = () => {
    clearInterval(pinging)
    const former = socket
    socket = undefined
    former?.terminate()
  }
  const dialAgain = () => {
    if (closed || wanted.size === 0) {
      return
    }
    clearTimeout(again)
    again = setTimeout(dial, pauseMs(++failures, undefined, random(), pauses))
    again.unref()
  }
  const dial = () => {
    clearTimeout(again)
    hangUp()
    let dialled: WebSocket
    try {
      dialled = new WebSocket(url, { handshakeTimeout: HANDSHAKE_TIMEOUT_MS, maxPayload: MAX_NOTICE_BYTES, perMessageDeflate: false })
    } catch (err) {
      log.debug({ endpoint: name, reason: messageOf(err) }, 'the WebSocket of K2 cannot be dialled')
      dialAgain()
      return
    }
    socket = dialled
    heardMs = nowMs()
    const alive = () => {
      heardMs = nowMs()
    }
    dialled.on('open', () => {
      alive()
      for (const one of wanted) {
        subscribe(dialled, one)
      }
      pinging = setInterval(() => {
        if (nowMs() - heardMs > SILENCE_MS) {
          log.debug({ endpoint: name }, 'the WebSocket of K2 is silent')
          dial()
        } else {
          dialled.ping(() => {})
        }
      }, PING_MS)
      pinging.unref()
    })
    dialled.on('pong', alive)
    dialled.on('message', (data, isBinary) => {
      if (socket !== dialled) {
        return
      }
      alive()
      if (!isBinary) {
        take(data.toString())
      }
    })
    // an 'error' is followed by a 'close'
    dialled.on('error', (err) => log.debug({ endpoint: name, reason: err.message }, 'the WebSocket of K2 failed'))
    dialled.on('close', () => {
      if (socket === dialled) {
        clearInterval(pinging)
        socket = undefined
        dialAgain()
      }
    })
  }

  return {
    on(method, params, listener) {
      const one: Wanted = { method, params, listener, id: undefined, request: 0 }
      wanted.add(one)
      if (socket == null) {
        if (!closed && wanted.size === 1) {
          dial()
        }
      } else {
        subscribe(socket, one)
      }
      return () => {
        wanted.delete(one)
        if (wanted.size === 0) {
          clearTimeout(again)
          hangUp()
        } else if (socket != null && one.id != null) {
          say(socket, { id: ++requests, method: one.method.replace('Subscribe', 'Unsubscribe'), params: [one.id] })
        }
      }
    },
    renew(reason) {
      if (socket != null && !closed) {
        log.debug({ endpoint: name, reason }, 'the WebSocket of K2 is dialled again')
        dial()
      }
    },
    close() {
      closed = true
      clearTimeout(again)
      wanted.clear()
      hangUp()
    }
  }
}
