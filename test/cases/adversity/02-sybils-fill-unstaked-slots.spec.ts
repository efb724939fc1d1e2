/** Whoever sits in the slots of the unstaked keeps nobody out: no peer with stake, named anywhere or not, and no honest stranger. */
import type { Connection } from '@libp2p/interface'
import { expect } from 'chai'
import type { Libp2p } from 'libp2p'
import { CONNECTION_LIMITS, DHT_PROTOCOL, HELLO_PROTOCOL } from '../../../src/network/index.ts'
import { address, node, stakesOf, stranger } from '../../network/attackers.ts'
import { type MeshNode, waitFor } from '../../network/mesh.ts'

const SITTING = 60

describe('case: Sybils fill the slots of the unstaked', () => {
  const weights = stakesOf('alice', 'newcomer', 'many')
  let alice: MeshNode
  const strangers: Libp2p[] = []
  const nodes: MeshNode[] = []
  let returning = false
  beforeEach(async () => {
    alice = await node('alice', weights, { host: { limits: { ...CONNECTION_LIMITS, inboundPerSecond: 1_000 } } })
    nodes.push(alice)
  })
  afterEach(async () => {
    returning = false
    await Promise.all([...strangers.splice(0), ...nodes.splice(0)].map((one) => one.stop()))
  })

  async function sit(
    from: string,
    says: 'nothing' | 'an empty hello' = 'an empty hello'
  ): Promise<{ guest: Libp2p; connection: Connection }> {
    const guest = await stranger(from)
    strangers.push(guest)
    return { guest, connection: await come(guest, says) }
  }
  async function come(guest: Libp2p, says: 'nothing' | 'an empty hello'): Promise<Connection> {
    const connection = await guest.dial(alice.libp2p.getMultiaddrs())
    if (says === 'an empty hello') {
      const stream = await connection.newStream(HELLO_PROTOCOL)
      stream.send(Buffer.from([0]))
      await stream.close().catch(() => {})
    }
    return connection
  }
  const crowd = (says: 'nothing' | 'an empty hello', networks = SITTING) =>
    Promise.allSettled(Array.from({ length: SITTING }, (_, at) => sit(address(at % networks, 1 + Math.floor(at / networks)), says)))

  /** A peer with stake that nobody has heard of comes, once. */
  async function newcomer(): Promise<void> {
    const one = await node('newcomer', weights)
    nodes.push(one)
    const connection = await one.libp2p.dial(alice.libp2p.getMultiaddrs())
    const outcome = await one.hello.greet(connection)
    expect(outcome).to.include({ admitted: true })
    await waitFor(() => alice.peers.isStaked(one.peerId) && alice.gossip.topicPeers().includes(one.peerId))
  }

  const unstaked = () => alice.libp2p.getConnections().filter(({ remotePeer }) => !alice.peers.isStaked(remotePeer.toString())).length

  it('from sixty networks, with an empty hello each: a newcomer is admitted at its first try', async () => {
    await crowd('an empty hello')
    await waitFor(() => alice.host.slots.counts().greeting === 0)
    expect(unstaked()).to.equal(CONNECTION_LIMITS.unstakedSlots)
    await newcomer()
  })

  it('that say nothing at all: a newcomer is admitted at its first try', async () => {
    await crowd('nothing')
    expect(unstaked()).to.be.at.most(CONNECTION_LIMITS.helloSlots + CONNECTION_LIMITS.unstakedSlots)
    await newcomer()
  })

  it('from one network: it has few of the slots', async () => {
    await crowd('an empty hello', 1)
    await waitFor(() => alice.host.slots.counts().greeting === 0)
    expect(unstaked()).to.be.at.most(CONNECTION_LIMITS.unstakedPerPrefix)
    await newcomer()
  })

  it('that come back as soon as they are closed: a newcomer is admitted at its first try, and stays', async () => {
    returning = true
    const comers = Array.from({ length: 40 }, async (_, at) => {
      const { guest } = await sit(address(at), at % 2 === 0 ? 'nothing' : 'an empty hello')
      while (returning) {
        await come(guest, 'an empty hello').catch(() => {})
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    })
    void Promise.allSettled(comers)
    await waitFor(() => alice.host.slots.dropped()['unstaked-full'] != null, 40_000)
    await newcomer()
    returning = false
    await Promise.allSettled(comers)
  })

  it('that ask for something now and then: an honest stranger that asks more often gets in, and stays', async () => {
    const ask = async (connection: Connection) => {
      const stream = await connection.newStream(DHT_PROTOCOL)
      stream.abort(new Error('enough'))
    }
    const sitting = await crowd('an empty hello')
    for (const one of sitting) {
      await (one.status === 'fulfilled' && one.value.connection.status === 'open' ? ask(one.value.connection).catch(() => {}) : undefined)
    }
    const { connection } = await sit(address(900))
    for (let at = 0; at < CONNECTION_LIMITS.unstakedSlots + 4; at++) {
      await ask(connection)
      await sit(address(901 + at))
    }
    expect(connection.status).to.equal('open')
  })

  it('that we dialled ourselves: they count, and go', async () => {
    const count = CONNECTION_LIMITS.unstakedSlots + 8
    const listening = await Promise.all(Array.from({ length: count }, () => stranger('127.0.0.1', ['/ip4/127.0.0.1/tcp/0'])))
    strangers.push(...listening)
    for (const one of listening) {
      await alice.libp2p.dial(one.getMultiaddrs())
    }
    await waitFor(() => alice.host.slots.counts().unstaked <= CONNECTION_LIMITS.unstakedSlots)
    expect(alice.host.slots.dropped()['ip-full']).to.be.greaterThan(0)
    await newcomer()
  })

  it('a peer with stake that connects a hundred times: it holds a few, and a newcomer is admitted', async () => {
    const many = await node('many', weights)
    nodes.push(many)
    await many.hello.greet(await many.libp2p.dial(alice.libp2p.getMultiaddrs()))
    for (let at = 0; at < 30; at++) {
      await many.libp2p.dial(alice.libp2p.getMultiaddrs(), { force: true }).catch(() => {})
    }
    const held = () => alice.libp2p.getConnections().filter(({ remotePeer }) => remotePeer.toString() === many.peerId).length
    await waitFor(() => held() <= CONNECTION_LIMITS.perPeer)
    await newcomer()
  })
})
