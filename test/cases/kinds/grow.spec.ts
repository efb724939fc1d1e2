/** Strangers of every kind come and go: a while later, a snapshot of the heap names next to none of them, wherever they were kept. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { getHeapSnapshot } from 'node:v8'
import { expect } from 'chai'
import { keyOf, type MeshNode, spawnNode, waitFor } from '../../network/mesh.ts'

const STRANGERS = 90
/** kad-dht remembers the 20 nearest peers that it ever met; and whoever came last may not be forgotten yet. */
const REMEMBERED = 20 + 5

describe('case: what strangers leave behind', function () {
  this.timeout(240_000)
  const weights = new Map([[keyOf('alice').address, 1_000n]])
  let node: MeshNode

  before(async () => {
    node = await spawnNode('alice', true, weights, { nodes: 1 }, () => [])
    node.discovery.start()
  })
  after(() => node.stop())

  it('is nothing', async () => {
    let came = 0
    node.libp2p.addEventListener('peer:connect', () => came++)
    await visits(STRANGERS)
    expect(came).to.equal(STRANGERS)
    await waitFor(() => node.libp2p.getConnections().length === 0)

    // streams and their timers end by themselves, within the half minute that the slowest of them has
    let named = STRANGERS
    for (let tries = 0; tries < 12 && named > REMEMBERED; tries++) {
      // one more: what is cleared when the next one comes is cleared
      await visits(1)
      for (const list of [node.events, node.hellos, node.refusals]) {
        list.length = 0
      }
      named = await peersInHeap()
    }
    expect(named).to.be.at.most(REMEMBERED)
    const { pubsub } = node.libp2p.services
    const maps = Object.entries(pubsub).filter(([, value]) => value instanceof Map || value instanceof Set)
    expect(maps.length).to.be.above(5)
    for (const [name, value] of maps) {
      expect((value as Map<unknown, unknown>).size, name).to.be.below(4)
    }
  })

  async function visits(count: number): Promise<void> {
    const strangers = spawn(process.execPath, ['test/network/strangers.ts', String(node.libp2p.getMultiaddrs()[0]), String(count)], {
      stdio: 'ignore'
    })
    await once(strangers, 'exit')
  }
})

/** How many PeerIds this process knows by their text: in a map, a list, a closure, or a field that nobody can look at. */
async function peersInHeap(): Promise<number> {
  const found = new Set<string>()
  let text = ''
  for await (const chunk of getHeapSnapshot()) {
    text = text.slice(-60) + chunk
    for (const [peer] of text.matchAll(/12D3KooW[1-9A-HJ-NP-Za-km-z]{44}/g)) {
      found.add(peer)
    }
  }
  return found.size
}
