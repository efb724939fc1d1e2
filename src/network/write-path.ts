import type { Connection, ConnectionEncrypter, MessageStream, Stream, StreamHandler, StreamMuxerFactory } from '@libp2p/interface'
import type { Registrar } from '@libp2p/interface-internal'
import { type NoiseComponents, noise } from '@libp2p/noise'
import { type YamuxMuxerInit, yamux } from '@libp2p/yamux'
import { Uint8ArrayList } from 'uint8arraylist'
import { noiseCrypto } from './noise-crypto.ts'
import { registrarOver } from './registrar.ts'

/**
 * What a gossip message costs is frames, not bytes: each is sealed, written, read, opened and taken apart for itself. Here
 * the same bytes leave in fewer of them (docs/decisions/0016). On the wire it is noise and yamux as everybody speaks them.
 *
 * Three of the changes replace a method or a field of an object that the library has made. Where a later version of it has
 * none of that name, it is left as it is, and test/network/write-path.spec.ts says so.
 */

/** A frame longer than this is bulk: copying it into one piece costs more than the writes that it saves. */
const JOIN_BYTES = 16 * 1024

/** Both ends of a yamux stream start with a window of 256 KiB: a writer that is told a quarter late never waits for it. */
const WINDOW_UPDATE_BYTES = 64 * 1024

/** A gathered write is to fit in one noise frame of 64 KiB. */
const GATHER_BYTES = 48 * 1024

const MAX_NOISE_FRAME = 0xffff
const TAG_BYTES = 16
const WINDOW_UPDATE = 1

/** Runs `run` once the events that are already here have been handled; what those send is gathered. */
export type Soon = (run: () => void) => void

const afterThisTurn: Soon = (run) => {
  setImmediate(run)
}

/** Noise with native cryptography, a frame in one write instead of two to five, and no exception for each read. */
export function leanNoise(): (components: NoiseComponents) => ConnectionEncrypter {
  const make = noise({ crypto: noiseCrypto })
  return (components) => {
    const encrypter = make(components)
    const secureInbound = encrypter.secureInbound.bind(encrypter)
    const secureOutbound = encrypter.secureOutbound.bind(encrypter)
    encrypter.secureInbound = async (connection, options) => openedInParts(patient(await secureInbound(inOneWrite(connection), options)))
    encrypter.secureOutbound = async (connection, options) => openedInParts(patient(await secureOutbound(inOneWrite(connection), options)))
    return encrypter
  }
}

/** A transport writes a list piece by piece, a system call each: a frame's length, its header, its parts, its tag. */
function inOneWrite<C extends MessageStream>(connection: C): C {
  const send = connection.send.bind(connection)
  connection.send = (data) => send(data instanceof Uint8Array || data.byteLength > JOIN_BYTES ? data : data.subarray())
  return connection
}

interface Opener {
  decrypt?: (frame: Uint8Array | Uint8ArrayList) => Uint8ArrayList
  handshake?: { decrypt?: (frame: Uint8Array | Uint8ArrayList) => Uint8Array | Uint8ArrayList }
}

/** A frame that came in two reads is opened as it is: noise would join its parts for a copy that native code does not need. */
function openedInParts<S extends { connection: MessageStream }>(secured: S): S {
  const opener = secured.connection as unknown as Opener
  const { handshake } = opener
  const decrypt = opener.decrypt?.bind(opener)
  if (decrypt != null && typeof handshake?.decrypt === 'function') {
    opener.decrypt = (frame) => {
      if (frame.byteLength <= TAG_BYTES || frame.byteLength > MAX_NOISE_FRAME) {
        return decrypt(frame)
      }
      const plain = handshake.decrypt!(frame)
      return plain instanceof Uint8Array ? new Uint8ArrayList(plain) : plain
    }
  }
  return secured
}

/** The decoder learns that it has read everything from a RangeError, whose stack trace costs more than the frame. */
function patient<S extends { connection: MessageStream }>(secured: S): S {
  const { decoder } = secured.connection as unknown as { decoder?: { lengthDecoder?: (data: Uint8Array | Uint8ArrayList) => number } }
  const read = decoder?.lengthDecoder
  if (decoder != null && typeof read === 'function') {
    // with less than a length in the buffer, the longest frame is as incomplete as any
    decoder.lengthDecoder = (data) => (data.byteLength < 2 ? MAX_NOISE_FRAME : read(data))
  }
  return secured
}

interface FrameHeader {
  type: number
  flag: number
  streamID: number
  length: number
}
type SendFrame = (header: FrameHeader, body?: Uint8ArrayList) => boolean

/** Yamux that gives a stream's window back by the quarter: `@libp2p/yamux` answers every data frame with a frame of its own. */
export function leanYamux(init: YamuxMuxerInit = {}): () => StreamMuxerFactory {
  const make = yamux(init)
  return () => {
    const factory = make()
    const createStreamMuxer = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = (connection) => {
      const muxer = createStreamMuxer(connection)
      const inside = muxer as unknown as { _newStream?: (...args: unknown[]) => { sendFrame?: SendFrame } }
      const newStream = inside._newStream?.bind(muxer)
      if (newStream != null) {
        inside._newStream = (...args) => withFewUpdates(newStream(...args))
      }
      return muxer
    }
    return factory
  }
}

function withFewUpdates<S extends { sendFrame?: SendFrame }>(stream: S): S {
  const { sendFrame } = stream
  if (typeof sendFrame !== 'function') {
    return stream
  }
  let owed = 0
  stream.sendFrame = (header, body) => {
    if (header.type !== WINDOW_UPDATE) {
      return sendFrame(header, body)
    }
    owed += header.length
    // a flag opens, accepts or ends the stream, whatever is owed
    if (header.flag === 0 && owed < WINDOW_UPDATE_BYTES) {
      return true
    }
    const length = owed
    owed = 0
    return sendFrame({ ...header, length }, body)
  }
  return stream
}

/**
 * A registrar that lends connections whose new streams gather what is sent on them within a turn of the event loop. For
 * gossipsub: the busier the node, the more messages to one peer leave in one frame, and on an idle one nothing waits.
 */
export function gatherSends(registrar: Registrar, soon: Soon = afterThisTurn): Registrar {
  const lend = (connection: Connection): Connection =>
    Object.create(connection, {
      newStream: { value: async (...args: Parameters<Connection['newStream']>) => gathered(await connection.newStream(...args), soon) }
    }) as Connection
  return registrarOver(registrar, {
    handle: (protocol, handler, options) =>
      registrar.handle(protocol, ((stream, connection) => handler(stream, lend(connection))) satisfies StreamHandler, options),
    register: (protocol, topology, options) =>
      registrar.register(
        protocol,
        { ...topology, onConnect: (peerId, connection) => topology.onConnect?.(peerId, lend(connection)) },
        options
      )
  })
}

/** The stream itself, sending once a turn. Order, back pressure and the bound of its write buffer stay as they are. */
export function gathered(stream: Stream, soon: Soon = afterThisTurn): Stream {
  const send = stream.send.bind(stream)
  const close = stream.close.bind(stream)
  let waiting = new Uint8ArrayList()
  let scheduled = false
  const flush = () => {
    if (waiting.byteLength === 0) {
      return
    }
    const data = waiting
    waiting = new Uint8ArrayList()
    try {
      send(data)
    } catch {
      // the stream ended meanwhile, or could not send and has aborted itself: either way it has said so
    }
  }
  stream.send = (data) => {
    if (stream.writeStatus !== 'writable') {
      // says why not
      return send(data)
    }
    waiting.append(data)
    if (waiting.byteLength >= GATHER_BYTES) {
      flush()
    } else if (!scheduled) {
      scheduled = true
      soon(() => {
        scheduled = false
        flush()
      })
    }
    return !stream.writableNeedsDrain
  }
  stream.close = (options) => {
    flush()
    return close(options)
  }
  return stream
}
