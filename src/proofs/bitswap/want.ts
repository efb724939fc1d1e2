/**
 * The wanting half: asks a named peer for named blocks, a bounded number at a time, and hands on what hashes to something
 * that was asked for. Who is asked next, and when, is the walk's affair (../fetch-walk.ts).
 */
import { createHash, hash } from 'node:crypto'
import type { PeerId } from '@libp2p/interface'
import { CID } from 'multiformats/cid'
import type { Uint8ArrayList } from 'uint8arraylist'
import { keyOf } from '../cid-profile.ts'
import { LIMITS } from '../limits.ts'
import type { FrameWriter } from './frames.ts'
import { type BlockEntry, encodeMessage, type PresenceEntry, type WantEntry } from './message.ts'

/** A large block comes in the pieces in which it was read. */
export type BlockBytes = Uint8Array | Uint8ArrayList

/** Someone who waits for blocks. A block that two wait for is asked for once. */
export interface BlockSink {
  /** A block that was asked for, its hash checked. More is read from the peer when the promise settles. */
  onBlock(key: string, bytes: BlockBytes, from: PeerId): Promise<void>
  onDontHave(key: string, from: PeerId): void
  /** The peer left, or could not be asked: these will not come from it. */
  onLost(keys: string[], from: PeerId, reason: string): void
  /** A block that was asked for is larger than any of a proof may be, whoever gives it. */
  onOversize(key: string, bytes: number, from: PeerId): void
  /** What the peer sent broke the rules of the wire, and its stream was reset: what was on it is lost. */
  onFault(from: PeerId, reason: string): void
  /** Blocks came, so that a peer may be asked for more; once for each whenRoom. */
  onRoom(): void
}

interface Peer {
  peerId: PeerId
  writer: FrameWriter
  asked: Map<string, { cid: CID; sinks: Set<BlockSink> }>
  /** What is to be said of a block, by its digest: one message says no more than one thing of it. */
  outbox: Map<string, { cid: Uint8Array; cancel: boolean; want: boolean }>
  flushing: boolean
  fresh: boolean
  /** Bytes that came from it, of any kind. */
  bytes: number
}

export class BlockClient {
  readonly #peers = new Map<string, Peer>()
  readonly #sinks = new Map<string, Set<BlockSink>>()
  readonly #waiting = new Set<BlockSink>()
  readonly #writerFor: (peerId: PeerId) => FrameWriter
  readonly stats = { blocks: 0, bytes: 0, unwanted: 0 }

  constructor(writerFor: (peerId: PeerId) => FrameWriter) {
    this.#writerFor = writerFor
  }

  /** How many more blocks `peerId` may be asked for. */
  room(peerId: PeerId): number {
    return LIMITS.wantsInFlightPerPeer - (this.#peers.get(peerId.toString())?.asked.size ?? 0)
  }

  /** Calls the sink when there may be room again. */
  whenRoom(sink: BlockSink): void {
    this.#waiting.add(sink)
  }

  isAsked(peerId: PeerId, key: string): boolean {
    return this.#peers.get(peerId.toString())?.asked.has(key) === true
  }

  bytesFrom(peerId: PeerId): number {
    return this.#peers.get(peerId.toString())?.bytes ?? 0
  }

  countBytes(peerId: PeerId, count: number): void {
    const peer = this.#peers.get(peerId.toString())
    if (peer != null) {
      peer.bytes += count
    }
  }

  /** Asks; `again` repeats what may have been lost on the way, on a new stream. */
  ask(peerId: PeerId, cid: CID, sink: BlockSink, { again = false } = {}): void {
    const key = keyOf(cid)
    const name = peerId.toString()
    let peer = this.#peers.get(name)
    if (peer == null) {
      peer = { peerId, writer: this.#writerFor(peerId), asked: new Map(), outbox: new Map(), flushing: false, fresh: false, bytes: 0 }
      this.#peers.set(name, peer)
    }
    let sinks = this.#sinks.get(key)
    if (sinks == null) {
      this.#sinks.set(key, (sinks = new Set()))
    }
    sinks.add(sink)
    const earlier = peer.asked.get(key)
    if (earlier != null) {
      earlier.sinks.add(sink)
      if (!again) {
        return
      }
    } else {
      peer.asked.set(key, { cid, sinks: new Set([sink]) })
    }
    // Helia's server takes a repeated want for one that it has answered, unless it was cancelled in between
    peer.fresh ||= again
    const said = peer.outbox.get(key)
    peer.outbox.set(key, { cid: cid.bytes, cancel: again || said?.cancel === true, want: true })
    this.#flush(peer)
  }

  /** `sink` no longer waits for these: what nobody else waits for is cancelled. */
  release(sink: BlockSink, keys: Iterable<string>): void {
    this.#waiting.delete(sink)
    for (const key of keys) {
      const sinks = this.#sinks.get(key)
      sinks?.delete(sink)
      if (sinks?.size === 0) {
        this.#sinks.delete(key)
      }
      for (const peer of this.#peers.values()) {
        const asked = peer.asked.get(key)
        asked?.sinks.delete(sink)
        if (asked?.sinks.size === 0) {
          peer.asked.delete(key)
          this.#cancel(peer, key, asked.cid)
        }
      }
    }
    this.#makeRoom()
  }

  /** Resolves when all of them have been taken in. */
  onBlocks(from: PeerId, blocks: BlockEntry[]): Promise<unknown> | undefined {
    const peer = this.#peers.get(from.toString())
    if (peer == null || peer.asked.size === 0) {
      // nothing is awaited from it, so its blocks are not worth hashing
      this.stats.unwanted += blocks.length
      return
    }
    const delivered: Promise<void>[] = []
    for (const { data } of blocks) {
      const key = hashOf(data)
      const sinks = this.#sinks.get(key)
      if (sinks == null) {
        this.stats.unwanted++
        continue
      }
      this.stats.blocks++
      this.stats.bytes += data.byteLength
      this.#sinks.delete(key)
      for (const other of this.#peers.values()) {
        const asked = other.asked.get(key)
        if (asked != null) {
          other.asked.delete(key)
          if (other !== peer) {
            this.#cancel(other, key, asked.cid)
          }
        }
      }
      for (const sink of sinks) {
        delivered.push(sink.onBlock(key, data, from))
      }
    }
    this.#makeRoom()
    return Promise.all(delivered)
  }

  onPresences(from: PeerId, presences: PresenceEntry[]): void {
    const peer = this.#peers.get(from.toString())
    for (const { cid: bytes, have } of presences) {
      if (have || peer == null) {
        continue // a block was asked for, not a promise of one
      }
      let key: string
      try {
        key = keyOf(CID.decode(bytes))
      } catch {
        continue
      }
      const asked = peer.asked.get(key)
      if (asked != null) {
        peer.asked.delete(key)
        for (const sink of asked.sinks) {
          sink.onDontHave(key, from)
        }
      }
    }
    if (presences.length > 0) {
      this.#makeRoom()
    }
  }

  /** A block too large for a proof came, and was hashed and let go. */
  onOversize(from: PeerId, { key, bytes }: { key: string; bytes: number }): undefined {
    if (this.isAsked(from, key)) {
      for (const sink of this.#sinks.get(key) ?? []) {
        sink.onOversize(key, bytes, from)
      }
    }
  }

  /** Says why nothing may come of what a peer was asked for. */
  onFault(from: PeerId, reason: string): void {
    const asked = this.#peers.get(from.toString())?.asked.values() ?? []
    for (const sink of new Set([...asked].flatMap(({ sinks }) => [...sinks]))) {
      sink.onFault(from, reason)
    }
  }

  /** The peer is gone, or cannot be written to. */
  lose(peerId: PeerId, reason: string): void {
    const name = peerId.toString()
    const peer = this.#peers.get(name)
    if (peer == null) {
      return
    }
    this.#peers.delete(name)
    const lost = new Map<BlockSink, string[]>()
    for (const [key, { sinks }] of peer.asked) {
      for (const sink of sinks) {
        const keys = lost.get(sink)
        keys == null ? lost.set(sink, [key]) : keys.push(key)
      }
    }
    for (const [sink, keys] of lost) {
      sink.onLost(keys, peerId, reason)
    }
  }

  #cancel(peer: Peer, key: string, cid: CID): void {
    peer.outbox.set(key, { cid: cid.bytes, cancel: true, want: false })
    this.#flush(peer)
  }

  #makeRoom(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const sink of waiting) {
      sink.onRoom()
    }
  }

  /** Collects what is asked for in one turn of the event loop into few messages. */
  #flush(peer: Peer): void {
    if (peer.flushing) {
      return
    }
    peer.flushing = true
    setImmediate(async () => {
      try {
        while (peer.outbox.size > 0) {
          const said = [...peer.outbox.values()]
          peer.outbox.clear()
          // in messages of their own, and before: boxo makes a cancel and a want in one message a cancel
          const cancels = said.flatMap(({ cid, cancel }): WantEntry[] => (cancel ? [{ cid, cancel }] : []))
          const wants = said.flatMap(({ cid, want }): WantEntry[] => (want ? [{ cid, sendDontHave: true }] : []))
          for (const entries of [...inParts(cancels), ...inParts(wants)]) {
            const fresh = peer.fresh
            peer.fresh = false
            await peer.writer.write(encodeMessage({ wants: entries, blocks: [], presences: [] }), { fresh })
          }
        }
        peer.flushing = false
      } catch (err) {
        peer.flushing = false
        peer.outbox.clear()
        this.lose(peer.peerId, (err as Error).message)
      }
    })
  }
}

function* inParts(entries: WantEntry[]): Generator<WantEntry[]> {
  for (let at = 0; at < entries.length; at += LIMITS.wantsInFlightPerPeer) {
    yield entries.slice(at, at + LIMITS.wantsInFlightPerPeer)
  }
}

function hashOf(data: BlockBytes): string {
  if (data instanceof Uint8Array) {
    return hash('sha256', data, 'hex')
  }
  const sum = createHash('sha256')
  for (const part of data) {
    sum.update(part)
  }
  return sum.digest('hex')
}
