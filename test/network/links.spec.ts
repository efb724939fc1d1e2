import type { Socket } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import { createPresence, type Timer, wallTimer } from '../../src/network/index.ts'
import { judgeLink, type LinkFacts } from '../../src/network/links.ts'
import { cable } from './cable.ts'
import { keyOf, type MeshNode, sleep, spawnNode, waitFor } from './mesh.ts'

const quiet: LinkFacts = { quietMs: 0, askAfterMs: 700, isAsked: false, slowestMs: 1, isStaked: true, probe: 'none' }

describe('network: links', () => {
  const rows: Array<[string, Partial<LinkFacts>, ReturnType<typeof judgeLink>]> = [
    ['a link that was heard just now', { quietMs: 600 }, 'wait'],
    ['a quiet one', { quietMs: 700 }, 'ask'],
    ['one that was asked a moment ago', { quietMs: 900, isAsked: true }, 'wait'],
    ['one that does not answer', { quietMs: 1_000, isAsked: true }, 'probe'],
    ['one that does not answer yet, as it never does at once', { quietMs: 1_800, isAsked: true, slowestMs: 800 }, 'wait'],
    ['however long it is quiet, before somebody asked', { quietMs: 60_000 }, 'ask'],
    ['and before it was dialled again', { quietMs: 60_000, isAsked: true }, 'probe'],
    ['a machine that is out of reach, while there is time', { quietMs: 1_550, isAsked: true, probe: 'unreachable' }, 'wait'],
    ['a machine that is out of reach', { quietMs: 1_600, isAsked: true, probe: 'unreachable' }, 'cut'],
    ['a machine that does not answer at all', { quietMs: 1_600, isAsked: true, probe: 'underway' }, 'cut'],
    ['a peer that answers on a new connection', { quietMs: 1_600, isAsked: true, probe: 'connected' }, 'cut'],
    ['a machine that is only busy', { quietMs: 7_900, isAsked: true, probe: 'accepted' }, 'wait'],
    ['a machine that is busy for too long', { quietMs: 8_000, isAsked: true, probe: 'accepted' }, 'cut'],
    ['one that is busy on a machine that may be slow', { quietMs: 60_000, isAsked: true, probe: 'accepted', answerMs: 120_000 }, 'wait'],
    ['one that is out of reach of such a machine', { quietMs: 1_600, isAsked: true, probe: 'unreachable', answerMs: 120_000 }, 'cut'],
    ['one that cannot be dialled', { quietMs: 3_900, isAsked: true, probe: 'unaskable' }, 'wait'],
    ['one that cannot be dialled, after a while', { quietMs: 4_000, isAsked: true, probe: 'unaskable' }, 'cut'],
    ['a slow link', { quietMs: 3_800, isAsked: true, slowestMs: 800, probe: 'unreachable' }, 'wait'],
    ['a slow link that is dead', { quietMs: 3_900, isAsked: true, slowestMs: 800, probe: 'unreachable' }, 'cut'],
    ['a stranger', { quietMs: 9_000, isAsked: true, isStaked: false }, 'wait'],
    ['a stranger that is gone', { quietMs: 10_000, isAsked: true, isStaked: false }, 'cut']
  ]
  for (const [name, over, says] of rows) {
    it(`${name}: ${says}`, () => {
      expect(judgeLink({ ...quiet, ...over })).to.equal(says)
    })
  }
})

describe('network: a connection whose end never came', () => {
  const ends: Array<() => unknown> = []
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) {
      await end()
    }
  })

  /** Two staked nodes that reach each other over a cable alone. */
  async function pair(delayMs = 0) {
    const weights = new Map(['alice', 'bob'].map((name) => [keyOf(name).address, 1_000n]))
    const ports = new Map<string, number>()
    const nodes: MeshNode[] = []
    const told: string[] = []
    for (const name of ['alice', 'bob']) {
      const line = await cable(() => ports.get(name) as number, delayMs)
      ends.push(() => line.stop())
      const announce = [`/ip4/127.0.0.1/tcp/${line.port}`]
      const node = await spawnNode(name, true, weights, { nodes: 2, host: { announce } }, () => [])
      ends.push(() => node.stop())
      const [transport] = (
        node.libp2p as unknown as { components: { transportManager: { getAddrs(): unknown[] } } }
      ).components.transportManager.getAddrs()
      ports.set(name, Number(String(transport).split('/')[4]))
      const presence = createPresence(node)
      presence.onChange(({ present }) => told.push(`${name} ${present ? 'sees' : 'misses'} the other`))
      nodes.push(Object.assign(node, { line, presence }))
    }
    const [alice, bob] = nodes as [MeshNode & Wired, MeshNode & Wired]
    await alice.libp2p.dial(multiaddr(`/ip4/127.0.0.1/tcp/${bob.line.port}/p2p/${bob.peerId}`))
    await waitFor(() => [alice, bob].every(({ presence }) => presence.staked().length === 1))
    told.length = 0
    return { alice, bob, told }
  }
  interface Wired {
    line: Awaited<ReturnType<typeof cable>>
    presence: ReturnType<typeof createPresence>
  }

  for (const [what, end] of [
    ['nobody answers', 'cut'],
    ['somebody else answers, and closes', 'take']
  ] as const) {
    it(`is noticed on both sides, and told, where ${what}`, async () => {
      const { alice, bob, told } = await pair()
      alice.line[end]()
      bob.line[end]()
      // sooner than a busy machine would be given up
      await waitFor(() => told.length === 2, 7_000)
      expect(told).to.have.members(['alice misses the other', 'bob misses the other'])
      expect([alice, bob].map(({ libp2p }) => libp2p.getConnections().length)).to.deep.equal([0, 0])
    })
  }

  it('is replaced at once where the peer answers anew, and nobody is missed', async () => {
    const { alice, bob, told } = await pair()
    const [old] = alice.libp2p.getConnections()
    bob.line.lose()
    await waitFor(() => [alice, bob].every(({ libp2p }) => libp2p.getConnections().length > 0) && old!.status !== 'open')
    const message = await alice.submission('over the new one')
    await waitFor(() => bob.gossip.topicPeers().includes(alice.peerId) && alice.gossip.topicPeers().includes(bob.peerId))
    await alice.gossip.publish(message)
    await waitFor(() => bob.received.some(({ id }) => id === message.id))
    expect(told).to.deep.equal([])
  })

  it('is not taken for one that a busy machine keeps silent for three seconds', async () => {
    const { alice, bob, told } = await pair()
    const [before] = alice.libp2p.getConnections()
    alice.line.pause()
    bob.line.pause()
    const dialled = bob.line.accepted()
    await sleep(3_000)
    // it was doubted: alice asked by another connection
    expect(bob.line.accepted()).to.be.greaterThan(dialled)
    alice.line.resume()
    bob.line.resume()
    await waitFor(() => alice.libp2p.getConnections().length === 1 && bob.libp2p.getConnections().length === 1)
    expect(alice.libp2p.getConnections()[0]?.id).to.equal(before?.id)
    expect(told).to.deep.equal([])
  })

  it('is not taken for one that is full: what waits to be sent gets through', async () => {
    const { alice, bob, told } = await pair()
    const [before] = alice.libp2p.getConnections()
    await bob.libp2p.handle('/test/sink', (stream) => {
      stream.addEventListener('message', () => {})
    })
    const stream = await alice.libp2p.dialProtocol(bob.libp2p.peerId, '/test/sink')
    const chunk = new Uint8Array(64 * 1024)
    for (let sent = 0; sent < 512; sent++) {
      if (!stream.send(chunk)) {
        await stream.onDrain()
      }
    }
    expect(before?.status).to.equal('open')
    expect(told).to.deep.equal([])
  })

  it('is not taken for one that is far away: 800 ms for each round trip', async () => {
    const { alice, bob, told } = await pair(400)
    const [before] = alice.libp2p.getConnections()
    await sleep(6_000)
    expect(alice.libp2p.getConnections().map(({ id }) => id)).to.deep.equal([before?.id])
    expect(bob.libp2p.getConnections()).to.have.length(1)
    expect(told).to.deep.equal([])
  })

  it('has nobody that looks for it once the node has stopped', async () => {
    const timers = new Set<() => void>()
    const timer: Timer = (run, ms) => {
      const cancel = wallTimer(() => {
        timers.delete(cancel)
        run()
      }, ms)
      timers.add(cancel)
      return () => {
        timers.delete(cancel)
        cancel()
      }
    }
    const node = await spawnNode('alice', true, new Map([[keyOf('alice').address, 1n]]), { nodes: 1, host: { timer } }, () => [])
    expect(timers.size).to.be.greaterThan(0)
    await node.stop()
    expect(timers.size).to.equal(0)
  })

  it('is found by parts of libp2p that this version has', async () => {
    const { alice } = await pair()
    const [connection] = alice.libp2p.getConnections() as unknown as Array<{ muxer: { ping: unknown }; maConn: { socket: Socket } }>
    expect(connection?.muxer.ping).to.be.a('function')
    expect(connection?.maConn.socket.bytesWritten).to.be.greaterThan(0)
    expect(connection?.maConn.socket.writableLength).to.be.a('number')
  })
})
