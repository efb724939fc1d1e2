/**
 * The serving half: wants come in, blocks and "don't have" go out, one frame in memory per peer whatever it asks for, and to peers
 * without stake within a budget for all of them.
 */
import type { PeerId } from '@libp2p/interface'
import { CID } from 'multiformats/cid'
import { keyOf, profileFault } from '../cid-profile.ts'
import { LIMITS } from '../limits.ts'
import type { FrameWriter } from './frames.ts'
import { BLOCK_OVERHEAD_BYTES, type BlockEntry, encodeMessage, type PresenceEntry, varintBytes, type WantEntry } from './message.ts'
import type { Turn, Uplink } from './uplink.ts'

interface ServeComponents {
  blocks: {
    /** The verified bytes, or undefined when the block is not here. */
    read(cid: CID): Promise<Uint8Array | undefined>
    has(cid: CID): Promise<boolean>
  }
  /** Who may send next. */
  uplink: Pick<Uplink, 'turn' | 'forget'>
  log: (format: string, ...args: unknown[]) => void
}

interface Want {
  cid: CID
  have: boolean
  sendDontHave: boolean
}

interface Queue {
  wants: Map<string, Want>
  serving: boolean
}

export class BlockServer {
  readonly #components: ServeComponents
  readonly #queues = new Map<string, Queue>()
  readonly stats = { blocks: 0, bytes: 0, refused: 0 }

  constructor(components: ServeComponents) {
    this.#components = components
  }

  /** @param full - these are all of its wants, in place of those that wait */
  onWants(peerId: PeerId, entries: WantEntry[], writer: FrameWriter, full = false): void {
    const peer = peerId.toString()
    let queue = this.#queues.get(peer)
    if (queue == null) {
      this.#queues.set(peer, (queue = { wants: new Map(), serving: false }))
    }
    if (full) {
      queue.wants.clear()
    }
    const refused: PresenceEntry[] = []
    for (const entry of entries) {
      const cid = decodeCid(entry.cid)
      if (cid == null || queue.wants.size >= LIMITS.wantsKeptPerPeer) {
        this.stats.refused++
        if (entry.cancel !== true && entry.sendDontHave === true) {
          refused.push({ cid: entry.cid, have: false })
        }
        continue
      }
      const key = keyOf(cid)
      if (entry.cancel === true) {
        queue.wants.delete(key)
      } else {
        const earlier = queue.wants.get(key)
        queue.wants.set(key, {
          cid,
          have: entry.have === true && earlier?.have !== false,
          sendDontHave: entry.sendDontHave === true
        })
      }
    }
    void this.#serve(peer, queue, writer, refused)
  }

  forget(peer: string): void {
    this.#queues.delete(peer)
    this.#components.uplink.forget(peer)
  }

  async #serve(peer: string, queue: Queue, writer: FrameWriter, presences: PresenceEntry[]): Promise<void> {
    if (queue.serving) {
      if (presences.length > 0) {
        await writer.write(encodeMessage({ wants: [], blocks: [], presences })).catch(() => {})
      }
      return
    }
    queue.serving = true
    let blocks: BlockEntry[] = []
    let bytes = 0
    let going: Promise<void> = Promise.resolve()
    let turn: Turn | undefined
    /** Sends what is collected while the next is read, once what was sent before is gone. */
    const flush = async () => {
      const frame = encodeMessage({ wants: [], blocks, presences })
      const sent = { blocks: blocks.length, bytes: blocks.reduce((sum, { data }) => sum + data.length, 0) }
      presences = []
      blocks = []
      bytes = 0
      await going
      const { sent: gone } = turn ?? (await this.#components.uplink.turn(peer))
      turn = undefined
      going = writer
        .write(frame)
        .then(() => {
          this.stats.blocks += sent.blocks
          this.stats.bytes += sent.bytes
        })
        .finally(() => gone(frame.byteLength))
      going.catch(() => {}) // seen at the next flush
    }
    try {
      while (queue.wants.size + blocks.length + presences.length > 0) {
        if (queue.wants.size === 0) {
          // all is read: the rest goes out, and more may be wanted by then
          await flush()
          await going
          continue
        }
        // before anything is read: what is cancelled while it waits costs nothing
        turn ??= await this.#components.uplink.turn(peer)
        const batch: Array<[string, Want]> = []
        for (const entry of queue.wants) {
          if (batch.push(entry) === LIMITS.serveReadAhead) {
            break
          }
        }
        const found = await Promise.all(
          batch.map(([, want]) => (want.have ? this.#components.blocks.has(want.cid) : this.#components.blocks.read(want.cid)))
        )
        for (const [index, [key, want]] of batch.entries()) {
          if (queue.wants.get(key) !== want) {
            continue // cancelled, or asked for in another way, while it was read
          }
          queue.wants.delete(key)
          const block = found[index]
          if (block instanceof Uint8Array) {
            const size = block.length + BLOCK_OVERHEAD_BYTES
            if (bytes + size + presences.length * 48 > LIMITS.frameBytes || blocks.length * 3 > LIMITS.frameElements / 2) {
              await flush()
            }
            blocks.push({ prefix: prefixOf(want.cid), data: block })
            bytes += size
          } else if (block === true || want.sendDontHave) {
            if (presences.length * 3 > LIMITS.frameElements / 4) {
              await flush()
            }
            presences.push({ cid: want.cid.bytes, have: block === true })
          }
        }
      }
    } catch (err) {
      // a peer that left, or that takes nothing: what it wanted is forgotten, it asks again when it can
      queue.wants.clear()
      this.#components.log('stopped serving %s - %s', peer, (err as Error).message)
    } finally {
      turn?.sent(0)
      queue.serving = false
    }
  }
}

function prefixOf(cid: CID): Uint8Array {
  return Uint8Array.from([
    ...varintBytes(cid.version),
    ...varintBytes(cid.code),
    ...varintBytes(cid.multihash.code),
    ...varintBytes(cid.multihash.digest.length)
  ])
}

function decodeCid(bytes: Uint8Array): CID | undefined {
  try {
    const cid = CID.decode(bytes)
    return profileFault(cid) == null ? cid : undefined
  } catch {
    return undefined
  }
}
