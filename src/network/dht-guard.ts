/**
 * The DHT's door. Stock kad-dht reads messages of up to 4 MiB, as fast as they come, from anybody; so each frame is measured
 * by the length in front of it, before it is gathered, and paid for by whoever sent it.
 */
import type { Connection, Stream } from '@libp2p/interface'
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal'
import { StreamLimitError } from './errors.ts'
import { DHT_LIMITS } from './limits.ts'
import { registrarOver } from './registrar.ts'

export interface Rate {
  /** Tokens that a peer that was silent may spend at once. */
  burst: number
  perSecond: number
}

/** Tokens that fill up with time. */
interface Bucket {
  tokens: number
  atMs: number
}

export interface DhtGuard {
  /** The registrar to hand to the DHT: streams that come in are measured. */
  registrar(registrar: Registrar): Registrar
  /** The connection manager to hand to the DHT: answers on streams that it opens are bounded. */
  connectionManager(manager: ConnectionManager): ConnectionManager
  /** How many peers' tokens are remembered. */
  readonly size: number
}

export interface DhtGuardInit {
  /** Whether a peer may speak for stake: it may ask more, and is not cut for asking too much. */
  isStaked: (peer: string) => boolean
  /** Milliseconds that only ever grow. */
  now: () => number
  limits?: Partial<typeof DHT_LIMITS>
}

export function createDhtGuard({ isStaked, now, limits }: DhtGuardInit): DhtGuard {
  const bounds = { ...DHT_LIMITS, ...limits }
  const staked = new Map<string, Bucket>()
  const strangers = new Map<string, Bucket>()
  const allStrangers = fullBucket(bounds.strangers)

  function fullBucket(rate: Rate): Bucket {
    return { tokens: rate.burst, atMs: now() }
  }

  const bucketOf = (buckets: Map<string, Bucket>, peer: string, rate: Rate): Bucket => {
    const bucket = buckets.get(peer) ?? fullBucket(rate)
    buckets.delete(peer)
    buckets.set(peer, bucket)
    for (const [longest, { atMs }] of buckets) {
      // one that is full again says no more than none
      const isFull = (now() - atMs) * rate.perSecond >= rate.burst * 1_000
      if (longest === peer || (!isFull && buckets.size <= bounds.peers)) {
        break
      }
      buckets.delete(longest)
    }
    return bucket
  }

  const spend = (bucket: Bucket, rate: Rate, tokens: number): boolean => {
    const atMs = now()
    bucket.tokens = Math.min(rate.burst, bucket.tokens + ((atMs - bucket.atMs) * rate.perSecond) / 1_000)
    bucket.atMs = atMs
    if (bucket.tokens < tokens) {
      return false
    }
    bucket.tokens -= tokens
    return true
  }

  /** @throws StreamLimitError when the peer, or all strangers, asked too much; `cut` when it was the peer */
  const pay = (peer: string, tokens: number) => {
    if (isStaked(peer)) {
      if (!spend(bucketOf(staked, peer, bounds.staked), bounds.staked, tokens)) {
        throw new StreamLimitError('too many messages for the DHT')
      }
      return
    }
    if (!spend(bucketOf(strangers, peer, bounds.stranger), bounds.stranger, tokens)) {
      throw new CutError('too many messages for the DHT from a peer without stake')
    }
    if (!spend(allStrangers, bounds.strangers, tokens)) {
      throw new StreamLimitError('too many messages for the DHT from peers without stake')
    }
  }

  const measure = (stream: Stream, connection: Connection) => {
    const peer = connection.remotePeer.toString()
    const frames = createFrameMeter((lengthBytes) => {
      if (lengthBytes > bounds.requestBytes) {
        throw new StreamLimitError(`a message of ${lengthBytes} bytes for the DHT, where ${bounds.requestBytes} are enough`)
      }
      pay(peer, 1 + Math.floor(lengthBytes / bounds.tokenBytes))
    })
    // before the DHT's own listener, so that it never sees what is over a bound
    stream.addEventListener('message', (event) => {
      try {
        frames(event.data instanceof Uint8Array ? [event.data] : event.data)
      } catch (err) {
        event.stopImmediatePropagation()
        stream.abort(err as Error)
        if (err instanceof CutError) {
          connection.abort(err)
        }
      }
    })
  }

  return {
    registrar: (registrar) =>
      registrarOver(registrar, {
        handle: (protocol, handler, options) =>
          registrar.handle(
            protocol,
            (stream, connection) => {
              measure(stream, connection)
              return handler(stream, connection)
            },
            options
          )
      }),
    connectionManager: (manager) =>
      new Proxy(manager, {
        get(target, key) {
          const value: unknown = key === 'openStream' ? openStream : Reflect.get(target, key, target)
          return typeof value === 'function' ? value.bind(target) : value

          async function openStream(...args: Parameters<ConnectionManager['openStream']>): Promise<Stream> {
            const stream = await target.openStream(...args)
            let received = 0
            stream.addEventListener('message', (event) => {
              received += event.data.byteLength
              if (received > bounds.responseBytes) {
                event.stopImmediatePropagation()
                stream.abort(new StreamLimitError(`an answer of the DHT with more than ${bounds.responseBytes} bytes`))
              }
            })
            return stream
          }
        }
      }),
    get size() {
      return staked.size + strangers.size
    }
  }
}

class CutError extends StreamLimitError {}

/**
 * Reads the lengths in front of frames as bytes come in, and nothing else of them.
 *
 * @param onFrame called with the length of each frame, before the frame has come; what it throws comes out of the meter
 */
export function createFrameMeter(onFrame: (lengthBytes: number) => void): (chunks: Iterable<Uint8Array>) => void {
  let left = 0
  let length = 0
  let scale = 1
  return (chunks) => {
    for (const chunk of chunks) {
      let at = 0
      while (at < chunk.length) {
        if (left > 0) {
          const take = Math.min(left, chunk.length - at)
          left -= take
          at += take
          continue
        }
        const byte = chunk[at++] as number
        length += (byte & 127) * scale
        scale *= 128
        if (byte >= 128) {
          if (scale > 2 ** 28) {
            throw new StreamLimitError('a frame whose length has more than four bytes')
          }
          continue
        }
        onFrame(length)
        left = length
        length = 0
        scale = 1
      }
    }
  }
}
