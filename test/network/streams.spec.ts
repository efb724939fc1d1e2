import { randomBytes } from 'node:crypto'
import type { Connection } from '@libp2p/interface'
import { expect } from 'chai'
import type { Libp2p } from 'libp2p'
import { CONNECTION_LIMITS, DHT_PROTOCOL, HELLO_PROTOCOL, PEER_BUDGETS } from '../../src/network/index.ts'
import { MUXER_FRAMES } from '../../src/network/limits.ts'
import { node, stakesOf, stranger } from './attackers.ts'
import { type MeshNode, waitFor } from './mesh.ts'

describe('network: streams', () => {
  const weights = stakesOf('alice', 'bob')
  let alice: MeshNode
  let mallory: Libp2p
  let connection: Connection
  beforeEach(async () => {
    alice = await node('alice', weights, { host: { limits: CONNECTION_LIMITS } })
    mallory = await stranger('127.0.0.1')
    connection = await mallory.dial(alice.libp2p.getMultiaddrs())
    await waitFor(() => ours() != null)
  })
  afterEach(() => Promise.all([alice.stop(), mallory.stop()]))

  const ours = () => alice.libp2p.getConnections().find(({ remotePeer }) => remotePeer.equals(mallory.peerId))
  const isCut = (reason: string) =>
    waitFor(
      () => connection.status !== 'open' && alice.peers.isBanned(mallory.peerId.toString()),
      10_000,
      () => `${reason}: the connection is ${connection.status}, cut so far: ${JSON.stringify(alice.host.meter.cuts())}`
    )

  it('has what it needs of the library: the muxer of a connection, and the door of a stream', async () => {
    const inside = ours() as unknown as { muxer: { addEventListener: unknown; handleFrame: unknown } }
    expect(inside.muxer.addEventListener).to.be.a('function')
    expect(Object.getPrototypeOf(inside.muxer).handleFrame).to.be.a('function')
    const stream = (await connection.newStream(HELLO_PROTOCOL)) as unknown as { onData: unknown }
    expect(stream.onData).to.be.a('function')
  })

  /** Writes to streams of a protocol, each until it is gone, as long as the connection lasts. */
  async function pour(protocol: string, total: number): Promise<void> {
    for (let sent = 0; sent < total && connection.status === 'open'; ) {
      await new Promise((resolve) => setImmediate(resolve))
      const stream = await connection.newStream(protocol).catch(() => undefined)
      while (stream?.writeStatus === 'writable' && sent < total) {
        sent += 16 * 1024
        try {
          if (!stream.send(randomBytes(16 * 1024))) {
            await new Promise((resolve) => setTimeout(resolve, 5))
          }
        } catch {
          break
        }
      }
    }
  }

  for (const [name, protocol, what] of [
    ['pings that are no pings', '/ipfs/ping/1.0.0', 'ping bytes'],
    ['bytes to an identify, which asks for none', '/ipfs/id/1.0.0', 'identify bytes'],
    // the seventeenth is not listened to any more: then the streams themselves are too many
    ['hellos without end', HELLO_PROTOCOL, 'streams']
  ] as const) {
    it(`${name}: cut`, async () => {
      await Promise.all(Array.from({ length: 8 }, () => pour(protocol, 1024 * 16 * 1024)))
      await isCut(name)
      expect(alice.host.meter.cuts()).to.deep.equal({ [what]: 1 })
    })
  }

  it('streams that are opened and left, without a word: cut', async () => {
    for (let at = 0; at < 2 * PEER_BUDGETS.streams.burst && connection.status === 'open'; at++) {
      const inside = connection as unknown as { muxer: { createStream(): Promise<{ abort(err: Error): void; sendReset?(): void }> } }
      const stream = await inside.muxer.createStream().catch(() => undefined)
      stream?.abort(new Error('left'))
      if (at % 64 === 0) {
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    await isCut('streams')
    expect(alice.host.meter.cuts()).to.deep.equal({ streams: 1 })
  })

  it('frames of the muxer without end: the connection is closed', async () => {
    const { muxer } = connection as unknown as { muxer: { sendPing(id: number, flag: number): void } }
    for (let at = 0; at < 3 * MUXER_FRAMES.burst && connection.status === 'open'; at++) {
      // the answer to a ping that was never sent
      muxer.sendPing(at, 2)
      if (at % 1_024 === 0) {
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    await waitFor(() => ours() == null && connection.status !== 'open')
  })

  it('counts what somebody asks for as use of its connection, and no hello, identify or ping', async () => {
    let used = 0
    const { slots } = alice.host
    const before = slots.used
    slots.used = (one) => {
      used += one.remotePeer.equals(mallory.peerId) ? 1 : 0
      before(one)
    }
    const opened = async (protocol: string) => {
      const stream = await connection.newStream(protocol)
      const seen = used
      stream.abort(new Error('enough'))
      return seen
    }
    for (const protocol of [HELLO_PROTOCOL, '/ipfs/id/1.0.0', '/ipfs/ping/1.0.0']) {
      await opened(protocol)
    }
    // one after the other: the last has been seen when the next is answered
    expect(await opened('/ipfs/ping/1.0.0')).to.equal(0)
    await opened(DHT_PROTOCOL)
    await opened('/ipfs/ping/1.0.0')
    expect(used).to.be.greaterThan(0)
  })

  it('loses nothing of what comes before a handler listens', async () => {
    const stream = await connection.newStream('/ipfs/ping/1.0.0')
    const sent = randomBytes(32)
    const answer = new Promise<Buffer>((resolve) =>
      stream.addEventListener('message', ({ data }) => resolve(Buffer.from(data.subarray())), { once: true })
    )
    stream.send(sent)
    expect((await answer).equals(sent)).to.equal(true)
  })
})
