import { WebSocket } from 'ws'
import type { Logger } from '../observe/index.ts'
import { type Pauses, pauseMs } from './choose.ts'
import { messageOf } from './errors.ts'

/** A WebSocket that is dialled again for as long as it is wanted, each time later than the last. */
export interface Socket {
  /** Dials now, unless that is under way or due. */
  want(): void
  /** Sends JSON; what is said while there is no connection is lost. */
  say(value: object): void
  isOpen(): boolean
  /** When something came from the other side last, by `nowMs`; a connection counts as something. */
  heardMs(): number
  /** Lets go of the connection, which is of no use, and dials again after a pause. Does nothing while it is being dialled. */
  redial(reason: string): void
  /** The same at once, whatever the connection is at. */
  reset(reason: string): void
  /** Lets go of the connection until it is wanted again. */
  rest(): void
  close(): void
}

export interface SocketInit {
  url: string
  name: string
  log: Logger
  nowMs: () => number
  random: () => number
  pauses: Pauses
  onOpen: () => void
  onText: (text: string) => void
  /** The connection that was open is no more. */
  onGone: () => void
}

/** A notice of an account of ours is 3 KiB. */
const MAX_NOTICE_BYTES = 1024 * 1024
/** A busy endpoint behind a proxy takes seconds; who waits meanwhile asks by HTTP. */
const HANDSHAKE_TIMEOUT_MS = 30_000
const PING_MS = 10_000
/** Without a sign of life for so long the other side is gone, whatever TCP thinks. */
export const SILENCE_MS = 25_000

export function createSocket({ url, name, log, nowMs, random, pauses, onOpen, onText, onGone }: SocketInit): Socket {
  let socket: WebSocket | undefined
  let failures = 0
  let openedMs: number | undefined
  let heardMs = 0
  let again: NodeJS.Timeout | undefined
  let pinging: NodeJS.Timeout | undefined
  let wanted = false
  let closed = false

  const hangUp = () => {
    clearInterval(pinging)
    const former = socket
    socket = undefined
    former?.terminate()
    if (openedMs != null) {
      // one that closes as soon as it has answered is no better than one that does not answer
      failures = nowMs() - openedMs > pauses.longestPauseMs ? 0 : failures
      openedMs = undefined
      onGone()
    }
  }
  const dialLater = () => {
    clearTimeout(again)
    if (!closed && wanted) {
      again = setTimeout(dial, pauseMs(++failures, undefined, random(), pauses))
      again.unref()
    }
  }
  const dial = () => {
    again = undefined
    if (closed || socket != null) {
      return
    }
    let dialled: WebSocket
    try {
      dialled = new WebSocket(url, { handshakeTimeout: HANDSHAKE_TIMEOUT_MS, maxPayload: MAX_NOTICE_BYTES, perMessageDeflate: false })
    } catch (err) {
      log.debug({ endpoint: name, reason: messageOf(err) }, 'the WebSocket of K2 cannot be dialled')
      dialLater()
      return
    }
    socket = dialled
    const alive = () => {
      heardMs = nowMs()
    }
    dialled.on('open', () => {
      if (socket !== dialled) {
        return
      }
      alive()
      openedMs = nowMs()
      pinging = setInterval(() => {
        if (nowMs() - heardMs > SILENCE_MS) {
          redial('it is silent')
        } else {
          dialled.ping(() => {})
        }
      }, PING_MS)
      pinging.unref()
      onOpen()
    })
    dialled.on('pong', alive)
    dialled.on('message', (data, isBinary) => {
      if (socket === dialled) {
        alive()
        if (!isBinary) {
          onText(data.toString())
        }
      }
    })
    // an 'error' is followed by a 'close'
    dialled.on('error', (err) => log.debug({ endpoint: name, reason: err.message }, 'the WebSocket of K2 failed'))
    dialled.on('close', () => {
      if (socket === dialled) {
        hangUp()
        dialLater()
      }
    })
  }
  const redial = (reason: string) => {
    if (socket?.readyState === WebSocket.OPEN) {
      log.debug({ endpoint: name, reason }, 'the WebSocket of K2 is dialled again')
      hangUp()
      dialLater()
    }
  }

  return {
    want() {
      wanted = true
      if (socket == null && again == null) {
        dial()
      }
    },
    say(value) {
      if (socket?.readyState === WebSocket.OPEN) {
        socket.send(JSON.stringify({ jsonrpc: '2.0', ...value }), () => {})
      }
    },
    isOpen: () => socket?.readyState === WebSocket.OPEN,
    heardMs: () => heardMs,
    redial,
    reset(reason) {
      if (wanted && !closed) {
        log.debug({ endpoint: name, reason }, 'the WebSocket of K2 is dialled again')
        failures = 0
        clearTimeout(again)
        again = undefined
        hangUp()
        dial()
      }
    },
    rest() {
      wanted = false
      clearTimeout(again)
      again = undefined
      hangUp()
    },
    close() {
      closed = true
      clearTimeout(again)
      hangUp()
    }
  }
}
