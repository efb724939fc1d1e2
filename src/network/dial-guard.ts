/**
 * The last look at an address before a socket is opened: the transports themselves refuse what may not be dialled, whoever asks
 * them, and a name is resolved once, judged by what it resolves to, and dialled there.
 */
import { promises as dns, type LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'
import type { DialTransportOptions, Transport } from '@libp2p/interface'
import { type TCPComponents, tcp } from '@libp2p/tcp'
import { type WebSocketsComponents, webSockets } from '@libp2p/websockets'
import type { Multiaddr } from '@multiformats/multiaddr'
import { type ClientOptions, WebSocket, type WebSocketServer } from 'ws'
import { type DialLimits, isForbidden, isNamed, isPublicIp, withoutPeer } from './addresses.ts'
import { frameBudget } from './frame-budget.ts'
import { MUXER_FRAMES, WEBSOCKET_CONTROLS } from './limits.ts'

/** All addresses of a host. */
export type Resolve = (name: string) => Promise<LookupAddress[]>

export interface DialRules extends DialLimits {
  /** @default asks the name servers, and the system where these know nothing */
  resolve?: Resolve
}

/** The TCP transport, which dials public addresses only unless the rules say otherwise. */
export function guardedTcp(rules: DialRules): (components: TCPComponents) => Transport {
  return (components) => {
    const transport = tcp()(components)
    const dial = transport.dial.bind(transport)
    transport.dial = async (address, options) => {
      refuseForbidden(address, rules)
      return dial(address, { ...options, ...socketOptions(address, rules) })
    }
    return transport
  }
}

/**
 * The WebSocket transport, likewise. Its own way to connect hands the name, or the one in `/sni/`, to a browser's WebSocket, which
 * resolves it out of sight: the same package that listens for it connects here. Where a later version has no method of that name,
 * it is left as it is, and test/network/dial-guard.spec.ts says so.
 */
export function guardedWebSockets(rules: DialRules): (components: WebSocketsComponents) => Transport {
  return (components) => {
    const transport = webSockets()(components) as Transport
    const dial = transport.dial.bind(transport)
    transport.dial = async (address, options) => {
      refuseForbidden(address, rules)
      return dial(address, options)
    }
    const createListener = transport.createListener.bind(transport)
    transport.createListener = (options) => {
      const listener = createListener(options)
      const { wsServer } = listener as { wsServer?: WebSocketServer }
      if (wsServer != null) {
        wsServer.options.maxPayload = MAX_WEBSOCKET_MESSAGE
        const upgrade = wsServer.handleUpgrade.bind(wsServer)
        wsServer.handleUpgrade = (request, socket, head, done) =>
          upgrade(request, socket, head, (websocket, ...rest) => {
            guardWebSocket(websocket)
            done(websocket, ...rest)
          })
      }
      return listener
    }
    Object.assign(transport, { _connect: (address: Multiaddr, options: DialTransportOptions) => connectTo(address, rules, options.signal) })
    return transport
  }
}

function refuseForbidden(address: Multiaddr, rules: DialRules): void {
  if (isForbidden(address, rules)) {
    throw new Error(`${withoutPeer(address)} is not dialled: it is not a public address`)
  }
}

/** Room for a few noise frames of 64 KiB: more in one message is nobody's honest work. */
const MAX_WEBSOCKET_MESSAGE = 1024 * 1024

async function connectTo(address: Multiaddr, rules: DialRules, signal: AbortSignal): Promise<WebSocket> {
  signal.throwIfAborted()
  const parts = address.getComponents()
  const [host, port] = parts.map(({ value }) => value ?? '')
  const value = (name: string) => parts.find((part) => part.name === name)?.value
  const isSecure = parts.some(({ name }) => name === 'tls' || name === 'wss')
  const name = isSecure ? (value('sni') ?? host) : host
  const shown = (one = '') => (one.includes(':') ? `[${one}]` : one)
  const options = {
    ...socketOptions(address, rules),
    ...(name === host ? {} : { servername: name, headers: { host: `${name}:${port}` } }),
    perMessageDeflate: false,
    maxPayload: MAX_WEBSOCKET_MESSAGE
  } as ClientOptions
  const url = new URL(`${isSecure ? 'wss' : 'ws'}://${shown(host)}:${port}`)
  // set as what it is: as part of the address it could name another host
  url.pathname = decodeURIComponent(value('http-path') ?? '')
  const websocket = new WebSocket(url, options)
  websocket.binaryType = 'arraybuffer'
  guardWebSocket(websocket)
  const { promise: opened, resolve, reject } = Promise.withResolvers<void>()
  const onAbort = () => reject(signal.reason)
  websocket.once('open', resolve)
  websocket.on('error', reject)
  signal.addEventListener('abort', onAbort)
  try {
    await opened
    return websocket
  } catch (err) {
    websocket.terminate()
    throw err
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/**
 * What a WebSocket needs beside what the transport does with it: a bad frame is an 'error' that somebody has to listen to, or the process
 * ends; and its frames are counted below libp2p, where they need be neither messages nor a handshake.
 */
function guardWebSocket(websocket: WebSocket): void {
  endOnReset(websocket)
  websocket.on('error', () => websocket.terminate())
  const within = (count: () => void) => () => {
    try {
      count()
    } catch {
      websocket.terminate()
    }
  }
  const control = within(frameBudget(WEBSOCKET_CONTROLS))
  websocket.on('ping', control)
  websocket.on('pong', control)
  websocket.on('message', within(frameBudget(MUXER_FRAMES)))
  boundFragments(websocket)
  websocket.once('open', () => boundFragments(websocket))
}

/** What a message may be cut into: go-libp2p's side sends pieces of 4 KiB, and ours whole ones. */
const FEW_FRAGMENTS = 16
const FRAGMENT_BYTES = 1024

interface Receiver {
  dataMessage?: (done: (err?: Error) => void) => void
  _numFragments?: number
  _messageLength?: number
}

/**
 * A message is told of when it is whole, and may come in as many fragments of nothing as the sender likes. Where a later version of the
 * library has none of these fields, its own bound of 16,384 fragments is what is left, and test/network/dial-guard.spec.ts says so.
 */
function boundFragments(websocket: WebSocket): void {
  const { _receiver: receiver } = websocket as unknown as { _receiver?: Receiver | null }
  const whole = receiver?.dataMessage?.bind(receiver)
  if (receiver == null || whole == null) {
    return
  }
  receiver.dataMessage = (done) => {
    const { _numFragments: fragments = 0, _messageLength: bytes = 0 } = receiver
    if (fragments > FEW_FRAGMENTS + bytes / FRAGMENT_BYTES) {
      websocket.terminate()
      done(new Error(`${fragments} fragments of a message of ${bytes} bytes`))
      return
    }
    whole(done)
  }
}

/** The transport resets a connection by closing it with a code that must not be sent: that throws, and leaves it open. */
function endOnReset(websocket: WebSocket): void {
  const close = websocket.close.bind(websocket)
  websocket.close = (code, reason) => (code === 1006 ? websocket.terminate() : close(code, reason))
}

/** Node's default leaves each address of a name half a second: too little for a link around the world that loses a packet. */
const NEXT_ADDRESS_MS = 1_500
/** What a name resolves to beyond these is not tried. */
const MAX_RESOLVED = 4

function socketOptions(address: Multiaddr, rules: DialRules): { lookup?: LookupFunction; family?: number } {
  const kind = address.getComponents()[0]?.name ?? ''
  if (!kind.startsWith('dns')) {
    return {}
  }
  const family = kind === 'dns4' ? 4 : kind === 'dns6' ? 6 : 0
  const common = { family, autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS }
  return rules.local || isNamed(address, rules.allowed)
    ? common
    : { ...common, lookup: publicOnly(family, rules.resolve ?? resolvePublicly) }
}

/** A `lookup` for sockets: what is judged here is what is connected to, whatever the name resolves to a moment later. */
export function publicOnly(family: 0 | 4 | 6, resolve: Resolve): LookupFunction {
  return (name, options, done) => {
    resolve(name)
      .then((all) => {
        const found = all.filter((one) => isPublicIp(one.address) && (family === 0 || one.family === family)).slice(0, MAX_RESOLVED)
        const [first] = found
        if (first == null) {
          throw new Error(`${name} is not dialled: it resolves to no public address`)
        }
        options.all === true ? done(null, found) : done(null, first.address, first.family)
      })
      .catch((err: NodeJS.ErrnoException) => done(err, []))
  }
}

const DNS_TIMEOUT_MS = 1_000
const DNS_TRIES = 2
/** No name server has such a name, or there is no name server: the system may yet have it in a file of its own. */
const NOT_THERE = new Set(['ENOTFOUND', 'ENODATA', 'ECONNREFUSED'])
const MAX_WAITING = 16

let waiting = 0
let ahead: Promise<unknown> = Promise.resolve()

/**
 * Resolves a name that a stranger told us. Name servers are asked directly: the system's own resolver has two threads for all of the
 * process, so that a few names whose servers are slow would hold up those of the K2 endpoints. It is asked for one name at a time, and
 * for those alone that no name server knows.
 */
async function resolvePublicly(name: string): Promise<LookupAddress[]> {
  const resolver = new dns.Resolver({ timeout: DNS_TIMEOUT_MS, tries: DNS_TRIES })
  const answers = await Promise.allSettled([
    resolver.resolve4(name).then((all) => all.map((address) => ({ address, family: 4 }))),
    resolver.resolve6(name).then((all) => all.map((address) => ({ address, family: 6 })))
  ])
  const found = answers.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
  const failed = answers.flatMap((one) => (one.status === 'rejected' ? [one.reason as NodeJS.ErrnoException] : []))
  if (found.length > 0) {
    return found
  }
  if (failed.some(({ code }) => !NOT_THERE.has(code ?? '')) || waiting >= MAX_WAITING) {
    throw failed[0] ?? new Error(`${name} could not be resolved`)
  }
  waiting++
  const answer = ahead.then(() => dns.lookup(name, { all: true }))
  ahead = answer
    .catch(() => {})
    .finally(() => {
      waiting--
    })
  return answer
}
