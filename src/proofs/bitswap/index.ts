/**
 * # bitswap
 *
 * Bitswap 1.2 as a Helia block broker, on a libp2p node that it is lent. It speaks with Helia's and Kubo's Bitswap; it is
 * our own because Helia's cannot be directed at one peer without loss (TARGETS D1, D2), holds all that a peer asks for in
 * memory at once, and decodes frames before it bounds them (B2). protocols/proofs/README.md "Bitswap" has the figures.
 *
 * @example
 * ```ts
 * const exchange = createExchange({ libp2p, blocks, timers, log }, { mayServe: (peerId) => isStaked(peerId) })
 * await exchange.start()
 * exchange.client.ask(peerId, cid, sink)
 * await exchange.stop()
 * ```
 */
import type { Connection, Libp2p, PeerId, Stream } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import { LIMITS } from '../limits.ts'
import type { Timers } from '../timers.ts'
import { BITSWAP_PROTOCOL, FrameWriter, readFrames } from './frames.ts'
import { decodeMessage } from './message.ts'
import { BlockServer } from './serve.ts'
import { Uplink } from './uplink.ts'
import { BlockClient } from './want.ts'

export { BITSWAP_PROTOCOL } from './frames.ts'
export type { BlockBytes, BlockClient, BlockSink } from './want.ts'

export interface ExchangeComponents {
  libp2p: Libp2p
  blocks: { read(cid: CID): Promise<Uint8Array | undefined>; has(cid: CID): Promise<boolean> }
  timers: Timers
  log: (format: string, ...args: unknown[]) => void
}

export interface ExchangeInit {
  /** Whether a peer's wants are answered. Everyone's are, by default: an auditor need not be staked. */
  mayServe?: (peerId: PeerId) => boolean
  /** Who is served at once. Everyone is, by default. */
  isStaked?: (peer: string) => boolean
  /** What all others get together, default 1 MiB/s. */
  unstakedBytesPerS?: number
}

const UNSTAKED_BYTES_PER_S = 1024 * 1024

export interface Exchange {
  client: BlockClient
  stats(): { received: BlockClient['stats']; served: BlockServer['stats']; badFrames: number }
  start(): Promise<void>
  stop(): Promise<void>
}

export function createExchange({ libp2p, blocks, timers, log }: ExchangeComponents, init: ExchangeInit = {}): Exchange {
  // wants and blocks go out on streams of their own, so that a small want never waits behind a large block
  const wantWriters = new Map<string, FrameWriter>()
  const blockWriters = new Map<string, FrameWriter>()
  const writerIn = (writers: Map<string, FrameWriter>) => (peerId: PeerId) => {
    const name = peerId.toString()
    let writer = writers.get(name)
    if (writer == null) {
      writers.set(name, (writer = new FrameWriter(libp2p, peerId, timers)))
    }
    return writer
  }
  const blockWriterFor = writerIn(blockWriters)
  const client = new BlockClient(writerIn(wantWriters))
  const uplink = new Uplink({
    isStaked: init.isStaked ?? (() => true),
    unstakedBytesPerS: init.unstakedBytesPerS ?? UNSTAKED_BYTES_PER_S,
    timers
  })
  const server = new BlockServer({ blocks, uplink, log })
  let badFrames = 0

  const onStream = (stream: Stream, connection: Connection) => {
    const peerId = connection.remotePeer
    readFrames(stream, {
      timers,
      onBytes: (count) => client.countBytes(peerId, count),
      onPiece: (piece) => {
        if ('oversize' in piece) {
          return client.onOversize(peerId, piece.oversize)
        }
        if ('block' in piece) {
          return client.onBlocks(peerId, [piece.block])
        }
        const message = decodeMessage(piece.fields)
        // what was still read after its peer had gone would be kept for ever: nothing tells of its going again
        if (connection.status === 'open' && (message.wants.length > 0 || message.full === true) && (init.mayServe?.(peerId) ?? true)) {
          server.onWants(peerId, message.wants, blockWriterFor(peerId), message.full)
        }
        client.onPresences(peerId, message.presences)
        return message.blocks.length > 0 ? client.onBlocks(peerId, message.blocks) : undefined
      },
      onFault: (err) => {
        badFrames++
        log('reset a Bitswap stream of %s - %s', peerId, err.message)
        client.onFault(peerId, err.message)
      }
    })
  }
  const lose = (peerId: PeerId) => {
    const name = peerId.toString()
    client.lose(peerId, 'it disconnected')
    server.forget(name)
    wantWriters.delete(name)
    blockWriters.delete(name)
  }
  const onDisconnect = (event: CustomEvent<PeerId>) => {
    lose(event.detail)
    // and whoever was asked for something, or asked, when it had gone already
    for (const { peerId } of [...wantWriters.values(), ...blockWriters.values()]) {
      if (libp2p.getConnections(peerId).length === 0) {
        lose(peerId)
      }
    }
  }

  return {
    client,
    stats: () => ({ received: { ...client.stats }, served: { ...server.stats }, badFrames }),
    async start() {
      libp2p.addEventListener('peer:disconnect', onDisconnect)
      await libp2p.handle(BITSWAP_PROTOCOL, onStream, {
        maxInboundStreams: LIMITS.inboundStreams,
        maxOutboundStreams: LIMITS.inboundStreams
      })
    },
    async stop() {
      libp2p.removeEventListener('peer:disconnect', onDisconnect)
      await libp2p.unhandle(BITSWAP_PROTOCOL)
      for (const writer of [...wantWriters.values(), ...blockWriters.values()]) {
        writer.close()
      }
    }
  }
}
