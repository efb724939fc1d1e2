import { createHash } from 'node:crypto'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Connection, Libp2p, MessageStream, PeerId, Stream, StreamHandler, Topology } from '@libp2p/interface'
import type { Registrar } from '@libp2p/interface-internal'
import { type NoiseComponents, noise } from '@libp2p/noise'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { multiaddrConnectionPair, streamPair } from '@libp2p/utils'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { expect } from 'chai'
import { createLibp2p } from 'libp2p'
import { Uint8ArrayList } from 'uint8arraylist'
import { gathered, gatherSends, leanNoise, leanYamux } from '../../src/network/write-path.ts'
import { type MeshNode, sleep, spawnMesh, waitFor } from './mesh.ts'

const bytes = (length: number) => Uint8Array.from({ length }, (_, at) => at * 7)

/** What goes out of a connection, piece by piece. */
function sent(connection: MessageStream): Array<Parameters<MessageStream['send']>[0]> {
  const all: Array<Parameters<MessageStream['send']>[0]> = []
  const send = connection.send.bind(connection)
  connection.send = (data) => {
    all.push(data)
    return send(data)
  }
  return all
}

function received(stream: MessageStream): { bytes: number; messages: number } {
  const counts = { bytes: 0, messages: 0 }
  stream.addEventListener('message', ({ data }) => {
    counts.bytes += data.byteLength
    counts.messages++
  })
  return counts
}

describe('network: write path, gathered streams', () => {
  it('send what was sent in one turn at once, in its order, and the next turn by itself', async () => {
    const [out, incoming] = await streamPair()
    const turns: Array<() => void> = []
    gathered(out, (run) => turns.push(run))
    let text = ''
    incoming.addEventListener('message', ({ data }) => {
      text += `${Buffer.from(data.subarray()).toString()}|`
    })
    for (const part of ['one ', 'two ', 'three']) {
      expect(out.send(Buffer.from(part))).to.equal(true)
    }
    await sleep(20)
    expect(text).to.equal('')
    expect(turns).to.have.length(1)
    turns[0]?.()
    await waitFor(() => text === 'one two three|')
    out.send(Buffer.from('four'))
    expect(turns).to.have.length(2)
    turns[1]?.()
    await waitFor(() => text === 'one two three|four|')
  })

  it('wait for no turn with 48 KiB, nor when they close', async () => {
    const [out, incoming] = await streamPair()
    const counts = received(incoming)
    gathered(out, () => {})
    const message = new Uint8Array(1_024)
    for (let at = 0; at < 50; at++) {
      out.send(message)
    }
    await waitFor(() => counts.bytes === 48 * 1_024)
    await out.close()
    await waitFor(() => counts.bytes === 50 * 1_024)
    expect(() => out.send(message)).to.throw()
  })

  it('drop what waits when they are aborted, and throw nothing into the event loop', async () => {
    const [out, incoming] = await streamPair()
    const counts = received(incoming)
    const turns: Array<() => void> = []
    gathered(out, (run) => turns.push(run))
    out.send(new Uint8Array(10))
    out.abort(new Error('gone'))
    for (const run of turns) {
      run()
    }
    await sleep(20)
    expect(counts.bytes).to.equal(0)
  })
})

describe('network: write path, gossip', () => {
  it('gathers on the streams of connections that it is told of and of those whose peers opened one first', async () => {
    const [told, toldTo] = await streamPair()
    const [first, firstTo] = await streamPair()
    const lend = (stream: Stream) => ({ remotePeer: 'bob', newStream: async () => stream }) as unknown as Connection
    let topology: Topology | undefined
    let handler: StreamHandler | undefined
    const registrar = gatherSends({
      handle: async (_: string, given: StreamHandler) => {
        handler = given
      },
      register: async (_: string, given: Topology) => {
        topology = given
        return 'id'
      }
    } as unknown as Registrar)
    const lent: Connection[] = []
    await registrar.handle('/gossip', (_, connection) => void lent.push(connection))
    await registrar.register('/gossip', { onConnect: (_, connection) => void lent.push(connection) })
    await topology?.onConnect?.({} as PeerId, lend(told))
    await handler?.({} as Stream, lend(first))
    for (const [at, incoming] of [toldTo, firstTo].entries()) {
      const connection = lent[at] as Connection
      expect(connection.remotePeer).to.equal('bob')
      const counts = received(incoming)
      const stream = await connection.newStream('/gossip')
      stream.send(new Uint8Array(5))
      stream.send(new Uint8Array(5))
      await waitFor(() => counts.bytes === 10)
      expect(counts.messages).to.equal(1)
    }
  })

  it('carries messages of one turn in one frame, and no IDONTWANT after them', async () => {
    const mesh = await spawnMesh({ nodes: 3 })
    try {
      await mesh.connected()
      const [alice, bob] = mesh.nodes as [MeshNode, MeshNode]
      await waitFor(() => mesh.nodes.every(({ gossip }) => gossip.meshPeers().length === 2))
      const told: number[] = []
      for (const { libp2p } of mesh.nodes) {
        const router = libp2p.services.pubsub as unknown as { handleIdontwant(id: string, said: unknown[]): void }
        router.handleIdontwant = (_, said) => void told.push(said.length)
      }
      const { streamsInbound } = bob.libp2p.services.pubsub as unknown as { streamsInbound: Map<string, { rawStream: Stream }> }
      const counts = received((streamsInbound.get(alice.peerId) as { rawStream: Stream }).rawStream)
      const messages = await Promise.all(['a', 'b'].map((letter) => alice.submission(letter.repeat(512))))
      await Promise.all(messages.map((message) => alice.gossip.publish(message)))
      await waitFor(() => mesh.nodes.slice(1).every(({ received: got }) => got.length === 2))
      await sleep(100)
      expect(counts).to.include({ messages: 1 })
      expect(counts.bytes).to.be.greaterThan(messages.reduce((sum, { bytes }) => sum + bytes.length, 0))
      expect(told).to.deep.equal([])
      // what is kept of a frame is the message alone
      expect(bob.received.map(({ bytes }) => bytes.buffer.byteLength)).to.deep.equal(messages.map(({ bytes }) => bytes.length))
    } finally {
      await mesh.stop()
    }
  })
})

describe('network: write path, yamux', () => {
  const WINDOW_UPDATE = 1
  /** Window updates that the reader of so many messages of 1 KiB sent, and what they gave back. */
  async function updatesOf(make: typeof leanYamux, messages: number): Promise<number[]> {
    const [out, incoming] = multiaddrConnectionPair()
    const frames = sent(incoming)
    // without pings there is no round trip time, and so no growing of windows
    const writer = make({ enableKeepAlive: false })().createStreamMuxer(out)
    const reader = make({ enableKeepAlive: false })().createStreamMuxer(incoming)
    const read = new Promise<{ bytes: number }>((resolve) => reader.addEventListener('stream', ({ detail }) => resolve(received(detail))))
    const stream = (await writer.createStream()) as Stream
    for (let at = 0; at < messages; at++) {
      if (!stream.send(new Uint8Array(1_024))) {
        await stream.onDrain()
      }
      if (at % 16 === 0) {
        await sleep(1)
      }
    }
    const counts = await read
    await waitFor(() => counts.bytes === messages * 1_024)
    await Promise.all([writer.close(), reader.close()])
    return frames
      .map((frame) => Buffer.from(frame.subarray()))
      .filter((frame) => frame[1] === WINDOW_UPDATE && frame.readUInt16BE(2) === 0)
      .map((frame) => frame.readUInt32BE(8))
  }

  it('gives the window back by the quarter, where the library answers every message', async () => {
    expect((await updatesOf(yamux, 63)).length).to.be.at.least(30)
    expect(await updatesOf(leanYamux, 63)).to.deep.equal([])
    const updates = await updatesOf(leanYamux, 130)
    expect(updates.length).to.be.within(1, 2)
    expect(Math.min(...updates)).to.be.at.least(64 * 1_024)
  })

  it('never lets a writer starve: more than ten windows arrive', async () => {
    const updates = await updatesOf(leanYamux, 3_000)
    expect(updates.length).to.be.within(40, 3_000 / 64)
  })
})

describe('network: write path, noise', () => {
  const log = Object.assign(() => {}, { error: () => {}, trace: () => {}, enabled: false, newScope: () => log })
  async function components(): Promise<NoiseComponents> {
    const privateKey = await generateKeyPair('Ed25519')
    return {
      privateKey,
      peerId: peerIdFromPrivateKey(privateKey),
      logger: { forComponent: () => log },
      upgrader: { getStreamMuxers: () => new Map() }
    } as unknown as NoiseComponents
  }

  /** Both ends of a connection that noise has secured. */
  async function secured(make: typeof leanNoise, [out, incoming] = multiaddrConnectionPair()): Promise<[MessageStream, MessageStream]> {
    const [alice, bob] = [make()(await components()), make()(await components())]
    const [a, b] = await Promise.all([alice.secureOutbound(out), bob.secureInbound(incoming)])
    return [a.connection, b.connection]
  }

  it('writes each frame in one piece, which the library writes in several', async () => {
    for (const [make, joined] of [
      [leanNoise, true],
      [noise, false]
    ] as const) {
      const pair = multiaddrConnectionPair()
      const pieces = sent(pair[0])
      const [a, b] = await secured(make, pair)
      const counts = received(b)
      pieces.length = 0
      a.send(new Uint8Array(1_500))
      a.send(new Uint8Array(9_000))
      await waitFor(() => counts.bytes === 10_500)
      expect(pieces.every((piece) => piece instanceof Uint8Array)).to.equal(joined)
    }
  })

  it('opens a frame that came in two reads as it is, where the library joins it first', async () => {
    for (const [make, joins] of [
      [leanNoise, false],
      [noise, true]
    ] as const) {
      const pair = multiaddrConnectionPair()
      const [a, b] = await secured(make, pair)
      // kept from its way: bob is to open it once
      const frames = new Uint8ArrayList()
      pair[0].send = (data) => {
        frames.append(data)
        return true
      }
      a.send(bytes(40_000))
      const frame = frames.subarray(2)
      const list = new Uint8ArrayList(frame.slice(0, 25_000), frame.slice(25_000))
      let joined = 0
      const subarray = list.subarray.bind(list)
      list.subarray = (from = 0, to = list.byteLength) => {
        joined += to - from > 16 ? 1 : 0 // the tag alone is no copy
        return subarray(from, to)
      }
      const { decrypt } = b as unknown as { decrypt(data: Uint8ArrayList): Uint8ArrayList }
      expect(Buffer.from(decrypt.call(b, list).subarray()).equals(bytes(40_000))).to.equal(true)
      expect(joined > 0).to.equal(joins)
      // what holds no more than a tag, or is longer than a frame may be, is the library's to judge
      expect(() => decrypt.call(b, new Uint8ArrayList(new Uint8Array(15)))).to.throw()
    }
  })

  it('knows without an exception that a read is at its end', async () => {
    const [a] = await secured(leanNoise)
    const { decoder } = a as unknown as { decoder: { lengthDecoder(data: Uint8Array): number } }
    expect(decoder.lengthDecoder(new Uint8Array(0))).to.equal(0xffff)
    expect(decoder.lengthDecoder(Uint8Array.of(1))).to.equal(0xffff)
    expect(decoder.lengthDecoder(Uint8Array.of(1, 2))).to.equal(0x102)
  })
})

describe('network: write path, beside a stock libp2p', () => {
  const PROTOCOL = '/echo/1'
  const nodes: Libp2p[] = []
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()))
  })

  async function spawn(lean: boolean, listen: string): Promise<Libp2p> {
    const node = await createLibp2p({
      addresses: { listen: [listen] },
      transports: [tcp(), webSockets()],
      connectionEncrypters: [lean ? leanNoise() : noise()],
      streamMuxers: [lean ? leanYamux() : yamux()],
      services: { identify: identify() }
    })
    nodes.push(node)
    await node.handle(PROTOCOL, async (stream) => {
      for await (const data of stream) {
        if (!stream.send(data)) {
          await stream.onDrain()
        }
      }
      await stream.close()
    })
    return node
  }

  for (const [name, listen] of [
    ['TCP', '/ip4/127.0.0.1/tcp/0'],
    ['WebSocket', '/ip4/127.0.0.1/tcp/0/ws']
  ] as const) {
    for (const dials of [true, false]) {
      it(`three megabytes go there and back over ${name}, ${dials ? 'ours dials' : 'stock dials'}`, async () => {
        const ours = await spawn(true, listen)
        const stock = await spawn(false, listen)
        const [from, to] = dials ? [ours, stock] : [stock, ours]
        const stream = await from.dialProtocol(to.getMultiaddrs(), PROTOCOL)
        const back = createHash('sha256')
        const counts = received(stream)
        stream.addEventListener('message', ({ data }) => {
          back.update(data.subarray())
        })
        const there = createHash('sha256')
        // pieces on both sides of every bound on lengths: short, around 12, 16 and 64 KiB
        const lengths = [1, 20, 1_100, 12_270, 16_350, 16_400, 65_500, 70_000, 200_000]
        let total = 0
        for (let at = 0; total < 3_000_000; at++) {
          const piece = new Uint8Array(lengths[at % lengths.length] as number).fill(at)
          total += piece.length
          there.update(piece)
          if (!stream.send(piece)) {
            await stream.onDrain()
          }
        }
        await waitFor(() => counts.bytes === total, 20_000)
        expect(back.digest('hex')).to.equal(there.digest('hex'))
        await stream.close()
      })
    }
  }
})
