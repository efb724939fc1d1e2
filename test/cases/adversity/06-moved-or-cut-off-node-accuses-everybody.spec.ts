/** A node whose own network is gone, or that does not reach a part of the others, accuses nobody. More of these: test/sim/cut-off.spec.ts. */
import { createServer, connect as dialTcp, type Socket } from 'node:net'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import { scheduleFor } from '../../../src/clock/index.ts'
import { createLifeSigns } from '../../../src/node/life-signs.ts'
import { keyOf, type MeshNode, spawnNode, waitFor } from '../../network/mesh.ts'
import { meshOf, times } from '../../sim/attacks.ts'
import type { NetworkModel } from '../../sim/network.ts'
import { report, runWorld } from '../../sim/run.ts'
import { words } from '../../sim/words.ts'
import { timingOf, type World } from '../../sim/world.ts'

/** Rounds of 60 slots. */
const TIMING = timingOf(34, 24)
const CYCLE = 1
const S = scheduleFor(TIMING, CYCLE)

type Cut = NonNullable<NetworkModel['connected']>

async function run(size: number, cut: Cut, from: number, to: number): Promise<World> {
  const connected: Cut = (a, b, at) => at < from || at >= to || cut(a, b, at)
  const outcome = await runWorld({ seed: 1, timing: TIMING, nodes: meshOf(times(size, 10), []), network: { connected } }, CYCLE + 2)
  expect(outcome.breaches, report(outcome, 'this test')).to.deep.equal([])
  return outcome.world
}

const accusersIn = (world: World) => [
  ...new Set(
    world.history
      .cycle(CYCLE)
      .said.filter(({ message }) => words.judges(message.body))
      .map(({ by }) => by)
  )
]

describe('case: a node that moved, or is cut off, accuses everybody', () => {
  it('one of eight whose address changes in the submission window says nothing against the seven, nor they against it', async () => {
    const world = await run(8, (a, b) => a !== 3 && b !== 3, S.submission.from + 12, S.sampleSlot + 1)
    expect(accusersIn(world)).to.deep.equal([])
    expect(world.history.cycle(CYCLE).record!.tally.rejected).to.deep.equal([])
  })

  it('one of eight that is gone for the whole audit window: only the seven speak, of it alone', async () => {
    const world = await run(8, (a, b) => a !== 3 && b !== 3, S.submission.to, S.audit.to)
    expect(accusersIn(world)).to.not.include(3)
    const rejected = world.history.cycle(CYCLE).record!.tally.rejected.map(({ staker }) => world.indexOf(staker))
    expect(rejected).to.deep.equal([3])
  })

  it('four of seven that hear nothing from the other three, for a round: neither side accuses the other', async () => {
    const world = await run(7, (a, b) => !(a < 3 && b >= 3), S.submission.to, S.audit.to)
    expect(accusersIn(world)).to.deep.equal([])
    expect(world.history.cycle(CYCLE).record!.tally.rejected).to.deep.equal([])
  })

  it('over connections that are open and dead nobody gives a sign of life, whatever is counted as connected', async () => {
    const names = ['alice', 'bob', 'carol']
    const weights = new Map(names.map((name) => [keyOf(name).address, 1_000n]))
    const [alice, bob, carol] = (await Promise.all(names.map((name) => spawnNode(name, true, weights, { nodes: 3 }, () => [])))) as [
      MeshNode,
      MeshNode,
      MeshNode
    ]
    const sockets: Socket[] = []
    let dead = false
    // a road that swallows what goes over it, both ways, and tells nobody
    const road = createServer((from) => {
      const to = dialTcp(Number(/\/tcp\/(\d+)/.exec(String(carol.libp2p.getMultiaddrs()[0]))![1]), '127.0.0.1')
      sockets.push(from, to)
      from.on('data', (bytes) => dead || to.write(bytes)).on('error', () => {})
      to.on('data', (bytes) => dead || from.write(bytes)).on('error', () => {})
    })
    await new Promise<void>((resolve) => road.listen(0, '127.0.0.1', resolve))
    const { port } = road.address() as { port: number }
    const staked = () => alice.peers.staked()
    const life = createLifeSigns({
      staked,
      stakeOf: () => 1n,
      ping: (peerId, signal) => alice.host.libp2p.services.ping.ping(peerIdFromString(peerId), { signal })
    })
    try {
      await alice.libp2p.dial(bob.libp2p.getMultiaddrs())
      await alice.libp2p.dial(multiaddr(`/ip4/127.0.0.1/tcp/${port}/p2p/${carol.peerId}`))
      await waitFor(() => staked().length === 2)
      const answered: string[] = []
      const ask = () => life.ask([keyOf('carol').address], (staker) => answered.push(staker), 1_000)
      ask()
      await waitFor(() => answered.length === 2)
      dead = true
      answered.length = 0
      const asked = ask()
      expect(asked).to.have.members([keyOf('bob').address, keyOf('carol').address])
      await waitFor(() => answered.length === 1)
      await new Promise((resolve) => setTimeout(resolve, 1_500))
      expect(answered).to.deep.equal([keyOf('bob').address])
    } finally {
      life.stop()
      for (const socket of sockets) socket.destroy()
      road.close()
      await Promise.all([alice, bob, carol].map((node) => node.stop()))
    }
  }).timeout(30_000)
})
