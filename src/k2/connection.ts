import { Connection } from '@solana/web3.js'
import { K2ArgumentError, K2UnreachableError, messageOf } from './errors.ts'

export interface ConnectionInit {
  /** JSON-RPC endpoint. */
  url: string
  /** How long one request may take. */
  timeoutMs?: number
}

/** web3.js asks without a deadline: an endpoint that hangs would hang the node. */
const REQUEST_TIMEOUT_MS = 10_000

/**
 * A web3.js connection whose every request ends. 429 comes back as an error, for our own backoff to handle.
 *
 * @throws K2ArgumentError
 */
export function connect({ url, timeoutMs = REQUEST_TIMEOUT_MS }: ConnectionInit): Connection {
  if (!/^https?:\/\/[^\s/]/.test(url) || !URL.canParse(url)) {
    throw new K2ArgumentError(`"${url}" is not the URL of a K2: give one such as http://127.0.0.1:8899 with --k2`)
  }
  const connection = new Connection(url, {
    commitment: 'confirmed',
    disableRetryOnRateLimit: true,
    fetch: ((input: string, init?: RequestInit) => fetch(input, { ...init, signal: AbortSignal.timeout(timeoutMs) })) as never
  })
  const inside = insideOf(connection)
  inside._rpcWebSocket.on('close', (code) => {
    // after a polite close (1000) web3.js dials again and takes its old subscriptions for live ones, which they never are
    if (code === 1000) {
      for (const [hash, subscription] of Object.entries(inside._subscriptionsByHash)) {
        inside._subscriptionsByHash[hash] = { ...subscription, state: 'pending' }
      }
    }
  })
  return connection
}

/**
 * Ends the subscriptions and the WebSocket. web3.js has no way to: it dials a lost endpoint for ever, and to remove a
 * listener asks for ever, in a busy loop, when the endpoint came back and does not know the subscription.
 */
export function disconnect(connection: Connection): void {
  const inside = insideOf(connection)
  inside._subscriptionsByHash = {}
  inside._rpcWebSocket.setAutoReconnect(false)
  inside._rpcWebSocket.close()
}

/** The private parts of a web3.js connection that the two above need; the lockfile pins the version. */
interface Inside {
  _rpcWebSocket: { on(event: 'close', listener: (code: number) => void): void; setAutoReconnect(on: boolean): void; close(): void }
  _subscriptionsByHash: Record<string, { state: string }>
}

function insideOf(connection: Connection): Inside {
  return connection as unknown as Inside
}

/**
 * Runs a request and turns a dead endpoint into one clear error; what the endpoint itself says is passed on.
 *
 * @throws K2UnreachableError
 */
export async function ask<T>(url: string, request: () => Promise<T>): Promise<T> {
  try {
    return await request()
  } catch (err) {
    // web3.js puts the name of the inner error into some of its messages
    const message = messageOf(err).replaceAll('TypeError: ', '')
    if (/fetch failed|ECONNREFUSED|ENOTFOUND|ECONNRESET|EAI_AGAIN|timed? ?out|aborted|socket|bad port/i.test(message)) {
      throw new K2UnreachableError(
        `K2 at ${url} does not answer (${message}): check the URL given with --k2, or start a local one with: koii-mesh k2`
      )
    }
    // how web3.js says that an answer is JSON, and not of a Solana node
    if (/^Expected the value to satisfy/.test(message)) {
      throw new K2UnreachableError(`${url} answered, but not as a K2 JSON-RPC endpoint: check the URL given with --k2`)
    }
    if (/Unexpected token|not valid JSON|40[0-9]|50[0-9]/.test(message)) {
      throw new K2UnreachableError(
        `${url} answered, but not as a K2 JSON-RPC endpoint (${message.slice(0, 200)}): check the URL given with --k2`
      )
    }
    throw err
  }
}
