import { type Pauses, pauseMs } from './choose.ts'
import { messageOf, toldBy } from './errors.ts'
import { createSocket, SILENCE_MS, type SocketInit } from './socket.ts'

/**
 * Subscriptions at one endpoint's WebSocket. What web3.js v1 has for this throws out of its own event handlers at a malformed
 * notice, dials for ever and cannot be closed, so a node that must outlive any endpoint has its own.
 *
 * What is wrong with one subscription is no other one's loss: one that the endpoint refuses is let be or asked for again by itself,
 * and the connection is given up only when nothing at all comes from it.
 */
export interface Feed {
  /**
   * Calls `listener` with what `read` makes of each notice's result. What `read` throws is the endpoint's fault; what `listener`
   * throws is ours. Dials when there is somebody to tell.
   */
  on<T = unknown>(method: string, params: unknown[], listener: (told: T) => void, read?: (result: unknown) => T): Subscription
  /** Subscriptions by `method` seem dead: they are made again, at most every some seconds, and later each time in vain. */
  renew(reason: string, method?: string): void
  /** The connection is dialled again at once: its network is gone. */
  reset(reason: string): void
  close(): void
}

/** Call it to end it. */
export interface Subscription {
  (): void
  /** Whether the endpoint has taken it, and its connection gives signs of life: else its news has to be asked for. */
  live(): boolean
}

export interface FeedInit extends Omit<SocketInit, 'onOpen' | 'onText' | 'onGone'> {
  /** Called each time when the WebSocket has been dialled. */
  onConnected?: () => void
}

/** An endpoint that says nothing at all for so long after it was asked to subscribe is dead, pongs or not; the next time it gets twice that. */
const ANSWER_MS = 8000
/** What an endpoint does not serve it may serve after an update. */
const UNSUPPORTED_MS = 10 * 60_000
/** Subscriptions that are refused or dead are asked for again after this, and after twice that each time in vain. */
const RENEWALS: Pauses = { firstPauseMs: 2000, longestPauseMs: 120_000 }
/** So many in vain, and nobody else on the connection: a new one may do better. */
const RENEWALS_IN_VAIN = 2
const MAX_TOLD_CHARACTERS = 200

interface Wanted {
  method: string
  params: unknown[]
  listener: (told: never) => unknown
  read: (result: unknown) => unknown
  /** What the endpoint calls it, on the present connection. */
  id: string | number | undefined
  /** The request that waits for an answer. */
  request: number | undefined
  /** Waits for that answer, or until the next try. */
  timer: NodeJS.Timeout | undefined
  /** Refusals and renewals since it was told something last. */
  inVain: number
  renewableMs: number
  unsupportedUntilMs: number
}

interface Message {
  id?: unknown
  method?: unknown
  result?: unknown
  error?: { code?: unknown; message?: unknown } | null
  params?: { subscription?: unknown; result?: unknown } | null
}

export function createFeed({ url, name, log, nowMs, random, pauses, onConnected }: FeedInit): Feed {
  const wanted = new Set<Wanted>()
  /** Ended while they waited for the endpoint's number: by request, what is to be unsubscribed then. */
  const leaving = new Map<unknown, string>()
  let requests = 0
  /** When it said something last, other than pongs. */
  let saidMs = 0
  let unanswered = 0
  const socket = createSocket({
    url,
    name,
    log,
    nowMs,
    random,
    pauses,
    onText: take,
    onOpen() {
      onConnected?.()
      for (const one of wanted) {
        subscribe(one)
      }
    },
    onGone() {
      for (const one of wanted) {
        forget(one)
      }
      leaving.clear()
    }
  })

  function forget(one: Wanted): void {
    clearTimeout(one.timer)
    one.id = undefined
    one.request = undefined
  }

  function unsubscribe(method: string, id: unknown): void {
    socket.say({ id: ++requests, method: method.replace(/Subscribe$/, 'Unsubscribe'), params: [id] })
  }

  function subscribe(one: Wanted): void {
    if (!socket.isOpen() || !wanted.has(one) || nowMs() < one.unsupportedUntilMs) {
      return
    }
    if (one.id != null) {
      unsubscribe(one.method, one.id)
    }
    forget(one)
    one.request = ++requests
    const askedMs = nowMs()
    socket.say({ id: one.request, method: one.method, params: one.params })
    const patienceMs = ANSWER_MS * 2 ** Math.min(unanswered, 3)
    one.timer = setTimeout(() => {
      if (saidMs < askedMs) {
        unanswered++
        socket.redial('it does not answer a subscription')
      } else {
        // the others are served
        subscribeLater(one)
      }
    }, patienceMs)
    one.timer.unref()
  }

  function subscribeLater(one: Wanted): void {
    forget(one)
    one.timer = setTimeout(() => subscribe(one), pauseMs(++one.inVain, undefined, random(), RENEWALS))
    one.timer.unref()
  }

  function take(text: string): void {
    saidMs = nowMs()
    let message: Message | null
    try {
      message = JSON.parse(text) as typeof message
    } catch {
      message = null
    }
    if (typeof message !== 'object' || message == null) {
      log.debug({ endpoint: name }, 'a notice of K2 that is not JSON')
    } else if (message.params?.subscription != null) {
      tell(message.params.subscription, message.params.result, message.method)
    } else if (message.id != null) {
      answered(message)
    }
  }

  function answered({ id, result, error }: Message): void {
    unanswered = 0
    const former = leaving.get(id)
    if (former != null && result != null) {
      unsubscribe(former, result)
    }
    leaving.delete(id)
    const one = [...wanted].find(({ request }) => request === id)
    if (one == null) {
      return
    }
    forget(one)
    if (typeof result === 'number' || typeof result === 'string') {
      one.id = result
      one.renewableMs = Math.max(one.renewableMs, nowMs() + RENEWALS.firstPauseMs)
      return
    }
    const reason = toldBy(error?.message, 'no subscription in the answer').slice(0, MAX_TOLD_CHARACTERS)
    if (error?.code === -32601 || /unsupported|not (supported|available|found)|disabled/i.test(reason)) {
      one.unsupportedUntilMs = nowMs() + UNSUPPORTED_MS
      log.info({ endpoint: name, method: one.method, reason }, 'a K2 endpoint does not serve this subscription: it is asked instead')
      return
    }
    log.debug({ endpoint: name, method: one.method, reason }, 'a K2 endpoint refused a subscription; it is asked for again')
    subscribeLater(one)
  }

  function tell(subscription: unknown, result: unknown, kind: unknown): void {
    for (const one of wanted) {
      // an endpoint that gives one number twice is not to hand slots to who waits for accounts
      const fits = typeof kind !== 'string' || !kind.endsWith('Notification') || kind === one.method.replace(/Subscribe$/, 'Notification')
      if (one.id == null || one.id !== subscription || !fits) {
        continue
      }
      hand(one, result, { log, name })
    }
  }

  return {
    on<T>(method: string, params: unknown[], listener: (told: T) => void, read: (result: unknown) => T = (result) => result as T) {
      const one = wantedOf(method, params, listener, read)
      wanted.add(one)
      socket.want()
      subscribe(one)
      const end = () => {
        const { id, request } = one
        if (!wanted.delete(one)) {
          return
        }
        forget(one)
        if (wanted.size === 0) {
          socket.rest()
        } else if (id != null) {
          unsubscribe(method, id)
        } else if (request != null) {
          leaving.set(request, method)
        }
      }
      return Object.assign(end, { live: () => one.id != null && nowMs() - socket.heardMs() <= SILENCE_MS })
    },
    renew(reason, method = 'slotSubscribe') {
      for (const one of wanted) {
        // what is being asked for, refused or not served has its own time
        if (one.method !== method || one.id == null || nowMs() < one.renewableMs) {
          continue
        }
        one.inVain++
        one.renewableMs = nowMs() + pauseMs(one.inVain, undefined, random(), RENEWALS)
        if (one.inVain > RENEWALS_IN_VAIN && [...wanted].every((other) => other.method === method)) {
          socket.redial(reason)
          return
        }
        log.debug({ endpoint: name, method, reason }, 'a subscription at K2 is made again')
        subscribe(one)
      }
    },
    reset: socket.reset,
    close() {
      for (const one of wanted) {
        forget(one)
      }
      wanted.clear()
      socket.close()
    }
  }
}

function wantedOf(method: string, params: unknown[], listener: Wanted['listener'], read: Wanted['read']): Wanted {
  return {
    method,
    params,
    listener,
    read,
    id: undefined,
    request: undefined,
    timer: undefined,
    inVain: 0,
    renewableMs: 0,
    unsupportedUntilMs: 0
  }
}

/** Gives a notice to who waits for it. What cannot be read is the endpoint's fault; what the listener throws is ours. */
function hand(one: Wanted, result: unknown, { log, name }: Pick<FeedInit, 'log' | 'name'>): void {
  let told: unknown
  try {
    told = one.read(result)
  } catch (err) {
    log.debug({ endpoint: name, method: one.method, reason: messageOf(err) }, 'a notice of K2 that makes no sense')
    return
  }
  one.inVain = 0
  const failed = (err: unknown) => log.error({ endpoint: name, method: one.method, err }, 'what this node does with a notice of K2 failed')
  try {
    Promise.resolve(one.listener(told as never)).catch(failed)
  } catch (err) {
    failed(err)
  }
}
