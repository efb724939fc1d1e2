/** A peer with stake that sends more of anything than an honest one does is cut, before a second's worth of it has come. */
import { randomBytes } from 'node:crypto'
import type { Connection } from '@libp2p/interface'
import { expect } from 'chai'
import { cycleAt } from '../../../src/clock/index.ts'
import { createMeter, type Meter } from '../../../src/network/index.ts'
import type { Message } from '../../../src/wire/index.ts'
import { node, stakesOf } from '../../network/attackers.ts'
import { type MeshNode, NOW, sleep, submissionBody, TIMING, waitFor } from '../../network/mesh.ts'
import {
  control,
  field,
  frame,
  full,
  graft,
  idontwant,
  ihave,
  iwant,
  message,
  openGossip,
  prune,
  subscribe,
  times,
  varint
} from '../../network/rubbish.ts'

const STAKERS = Array.from({ length: 32 }, (_, at) => `flood-${at}`)

describe('case: a flooding peer is never cut', () => {
  const weights = stakesOf('alice', 'bob', ...STAKERS)
  let alice: MeshNode
  let next = 0
  beforeEach(async () => {
    alice = await node('alice', weights)
  })
  afterEach(() => alice.stop())

  /** A peer with stake that nobody has cut yet. */
  async function attacker(): Promise<{ evil: MeshNode; connection: Connection }> {
    const evil = await node(STAKERS[next++]!, weights)
    const connection = await evil.libp2p.dial(alice.libp2p.getMultiaddrs())
    await evil.hello.greet(connection)
    await waitFor(() => alice.peers.isStaked(evil.peerId))
    return { evil, connection }
  }

  /** So many times what would do on a machine that does nothing else. */
  const PATIENCE = 20

  /** Sends one after the other, as long as the stream takes it. */
  async function flood(connection: Connection, frames: number, make: (at: number) => Uint8Array): Promise<void> {
    let stream = await openGossip(connection)
    // as long as it takes: on a machine that does much else a second holds fewer
    for (let at = 0; at < frames * PATIENCE && connection.status === 'open'; at++) {
      if (stream.status !== 'open') {
        const again = await openGossip(connection).catch(() => undefined)
        if (again == null) {
          return
        }
        stream = again
      }
      try {
        if (!stream.send(make(at))) {
          await Promise.race([sleep(50), new Promise((resolve) => stream.addEventListener('drain', resolve, { once: true }))])
        }
      } catch {
        // the stream is gone: another one
      }
      if (at % 16 === 0) {
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
  }

  async function cut(frames: number, make: (at: number, evil: MeshNode) => Uint8Array, reason: RegExp, send = flood): Promise<void> {
    const { evil, connection } = await attacker()
    const reasons: string[] = []
    alice.peers.onBan((peerId, why) => peerId === evil.peerId && reasons.push(why))
    await send(connection, frames, (at) => make(at, evil))
    const isGone = () => alice.libp2p.getConnections().every(({ remotePeer }) => remotePeer.toString() !== evil.peerId)
    await waitFor(isGone, 5_000, () => 'it is still connected')
    expect(reasons).to.have.length(1)
    expect(reasons[0]).to.match(reason)
    expect(alice.peers.isStaked(evil.peerId)).to.equal(false)
    expect(alice.host.meter.cuts()).not.to.deep.equal({})
    // its PeerId is out for a while, and its stake under another one
    await evil.libp2p.dial(alice.libp2p.getMultiaddrs()).catch(() => {})
    await waitFor(isGone)
    await evil.stop()
  }

  /** A second of it at 200 frames of 64 KiB a second: a tenth of that is sent. */
  const LARGE = 20
  /** A second of it at 5,000 small ones. */
  const SMALL = 5_000

  const large: Array<[string, Buffer, RegExp]> = [
    ['empty subscriptions', full(() => field(1)), /entries about other topics/],
    ['subscriptions of ours', full(() => subscribe()), /subscriptions/],
    ['subscriptions of other topics', full(() => subscribe(randomBytes(8).toString('hex'))), /entries about other topics/],
    ['ids in IHAVE', frame(control(ihave(3_500))), /message ids/],
    ['ids in IWANT', frame(control(iwant(3_500))), /message ids/],
    ['ids in IDONTWANT', frame(control(idontwant(3_500))), /message ids/],
    ['empty IHAVE', full(() => field(1), control), /control entries/],
    ['GRAFT and PRUNE', full(() => Buffer.concat([graft(), prune()]), control), /grafts and prunes/],
    ['peers in PRUNE', full(() => prune(100), control), /peer infos|grafts/],
    ['empty messages', full(() => field(2)), /empty messages/],
    ['messages without data', full(() => message(Buffer.alloc(0))), /empty messages/],
    ['unknown fields', full(() => field(9, Buffer.alloc(1))), /unknown fields/],
    ['one long unknown field', frame(field(9, randomBytes(65_000))), /wasted bytes/],
    ['unknown fields of messages', full(() => field(2, field(9, Buffer.alloc(1)))), /unknown fields|empty messages/],
    ['noise', frame(Buffer.alloc(60_000, 0xff)), /broken frames/],
    ['messages of other topics', full(() => message(randomBytes(100), 'another')), /entries about other topics/]
  ]
  for (const [name, bytes, reason] of large) {
    it(`${name}: cut`, () => cut(LARGE, () => bytes, reason))
  }

  it('empty frames: cut', () => cut(SMALL * 2, () => times(4, () => frame(Buffer.alloc(0))), /frames/))

  it('frames of 4 MiB: each ends its stream, and the third the connection', () =>
    cut(
      3,
      () => Buffer.concat([varint(4 << 20), Buffer.alloc(64 * 1024)]),
      /oversized frames/,
      async (connection, frames, make) => {
        for (let at = 0; at < frames; at++) {
          const stream = await openGossip(connection)
          stream.send(make(at))
          await waitFor(() => stream.status !== 'open')
        }
      }
    ))

  /** Correctly signed, and ten rounds ahead. */
  const early = (evil: MeshNode, value: string) => {
    const slot = NOW + 10 * TIMING.roundSlots
    return evil.seal(submissionBody(value, { cycle: cycleAt(TIMING, slot) - 1, slot }))
  }

  async function cutBySigned(make: (evil: MeshNode) => Promise<Message[]>, reason: RegExp): Promise<void> {
    const evil = await node(STAKERS[next]!, weights)
    const frames = (await make(evil)).map(({ bytes }) => frame(message(bytes)))
    await evil.stop()
    await cut(SMALL, (at) => frames[at % frames.length]!, reason)
  }

  it('one good message again and again: cut', () => cutBySigned(async (evil) => [await evil.submission('the same')], /copies/))

  it('some good messages in turn, again and again: cut', () =>
    cutBySigned((evil) => Promise.all(['one', 'two', 'three'].map((value) => evil.submission(value))), /copies/))

  it('one message of the future, signed as it should be: cut', () => cutBySigned(async (evil) => [await early(evil, 'the same')], /copies/))

  it('thousands of different messages of the future: cut', () =>
    cutBySigned((evil) => Promise.all(Array.from({ length: SMALL }, (_, at) => early(evil, String(at)))), /ignored messages/))

  it('nobody is cut for what somebody else sent it', async () => {
    const bob = await node('bob', weights)
    await bob.libp2p.dial(alice.libp2p.getMultiaddrs())
    await waitFor(() => alice.gossip.topicPeers().includes(bob.peerId) && bob.gossip.topicPeers().includes(alice.peerId))
    const said = await bob.seal(submissionBody('carried on'))
    await cut(SMALL, () => frame(message(said.bytes)), /copies/)
    await waitFor(() => bob.received.some(({ id }) => id === said.id))
    expect(bob.peers.isStaked(alice.peerId)).to.equal(true)
    expect(bob.host.meter.cuts()).to.deep.equal({})
    expect(alice.peers.isStaked(bob.peerId)).to.equal(true)
    await bob.stop()
  })
})

describe('case: what an honest peer sends at most is no flood', () => {
  function metered(): { meter: Meter; cut: string[]; clock: { ms: number } } {
    const clock = { ms: 0 }
    const cut: string[] = []
    const meter = createMeter({ peers: { isBanned: () => false, cut: (_peer, reason) => cut.push(reason) }, now: () => clock.ms })
    return { meter, cut, clock }
  }

  it('eight stages of a thousand stakers at once, each message in a frame of its own and 4 KiB long', () => {
    const { meter, cut } = metered()
    for (let at = 0; at < 8_000; at++) {
      meter.charge('bob', 'frames')
      meter.charge('bob', 'bytes', 4_096)
      meter.charge('bob', 'messages')
      meter.charge('bob', 'control entries')
      meter.charge('bob', 'message ids')
    }
    expect(cut).to.deep.equal([])
  })

  it('a full IHAVE in each heartbeat of 700 ms, and an IWANT for all of ours, for an hour', () => {
    const { meter, cut, clock } = metered()
    for (; clock.ms < 3_600_000; clock.ms += 700) {
      meter.charge('bob', 'message ids', 3_640)
      meter.charge('bob', 'message ids', 1_000)
      meter.charge('bob', 'grafts and prunes', 4)
      meter.charge('bob', 'frames', 1_400)
    }
    expect(cut).to.deep.equal([])
  })

  it('comes back with time, and once is too often only beyond it', () => {
    const { meter, cut, clock } = metered()
    expect(meter.charge('bob', 'empty messages', 16)).to.equal(false)
    clock.ms += 1_000
    expect(meter.charge('bob', 'empty messages')).to.equal(false)
    expect(meter.charge('carol', 'empty messages')).to.equal(false)
    expect(cut).to.deep.equal([])
    expect(meter.charge('bob', 'empty messages')).to.equal(true)
    expect(cut).to.have.length(1)
    expect(meter.cuts()).to.deep.equal({ 'empty messages': 1 })
  })
})
