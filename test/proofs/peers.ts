/** Peers that speak raw Bitswap, for what no honest node does. */
import type { Libp2p, PeerId, Stream } from '@libp2p/interface'
import * as lp from 'it-length-prefixed'
import type { Uint8ArrayList } from 'uint8arraylist'
import { BITSWAP_PROTOCOL } from '../../src/proofs/bitswap/index.ts'
import { type BitswapMessage, decodeMessage, encodeMessage } from '../../src/proofs/bitswap/message.ts'

export interface RawPeer {
  libp2p: Libp2p
  /** CIDs asked of it, in order. */
  wanted: Uint8Array[]
  send(to: PeerId, message: Partial<BitswapMessage>): Promise<void>
  sendBytes(to: PeerId, bytes: Uint8Array | Uint8ArrayList): Promise<Stream>
}

export async function rawPeer(
  libp2p: Libp2p,
  onWant: (from: PeerId, cid: Uint8Array, peer: RawPeer) => void | Promise<void> = () => {}
): Promise<RawPeer> {
  const peer: RawPeer = {
    libp2p,
    wanted: [],
    async send(to, message) {
      await peer.sendBytes(to, encodeMessage({ wants: [], blocks: [], presences: [], ...message }))
    },
    async sendBytes(to, bytes) {
      const stream = await libp2p.dialProtocol(to, BITSWAP_PROTOCOL)
      stream.send(bytes)
      return stream
    }
  }
  await libp2p.handle(BITSWAP_PROTOCOL, async (stream, connection) => {
    for await (const frame of lp.decode(stream)) {
      for (const { cid, cancel } of decodeMessage(frame.subarray()).wants) {
        if (cancel !== true) {
          peer.wanted.push(cid)
          await onWant(connection.remotePeer, cid, peer)
        }
      }
    }
  })
  return peer
}
