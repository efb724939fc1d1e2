/** Proofs are collected: within the lifetime of a record no peer names their providers any more, and what is kept is found all along. */
import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { CID } from 'multiformats/cid'
import { create } from 'multiformats/hashes/digest'
import { recordLifetimeMs } from '../../../src/network/limits.ts'
import { Announcer } from '../../../src/proofs/provide.ts'
import { type Mesh, type MeshNode, spawnMesh, waitFor } from '../../network/mesh.ts'

const NODES = 4
const ROOTS = 3
const LIFETIME_MS = recordLifetimeMs(30)

const someRoot = () => CID.createV1(0x71, create(0x12, randomBytes(32)))

describe('case: provider records that outlive their proofs', function () {
  this.timeout(120_000)
  /** Time moves when it is told to: that of the records, and that of who provides them again. */
  const clock = { ms: 0 }
  const due: Array<{ run: () => void; atMs: number }> = []
  const timers = {
    now: () => clock.ms,
    setTimeout: (run: () => void, ms: number) => due.push({ run, atMs: clock.ms + ms }),
    clearTimeout: () => {}
  }
  let mesh: Mesh
  let announcers: Announcer[]

  before(async () => {
    mesh = await spawnMesh({ nodes: NODES, host: { recordLifetimeMs: LIFETIME_MS, now: () => clock.ms } })
    await mesh.connected()
    await waitFor(() => mesh.nodes.every((node) => tableSize(node) >= NODES - 1))
    announcers = mesh.nodes.map(
      ({ libp2p }) =>
        new Announcer({ routing: libp2p.contentRouting, timers, log: () => {} }, { reprovideIntervalMs: LIFETIME_MS / 2, retryMs: 1 })
    )
    for (const announcer of announcers) {
      announcer.start([])
    }
  })
  after(async () => {
    await Promise.all(announcers.map((announcer) => announcer.stop()))
    await mesh.stop()
  })

  const idle = () => Promise.all(announcers.map((announcer) => announcer.idle()))
  const pass = async (ms: number) => {
    clock.ms += ms
    const now = due.filter(({ atMs }) => atMs <= clock.ms)
    for (const one of now) {
      due.splice(due.indexOf(one), 1)
      one.run()
    }
    await idle()
  }

  it('forgets what was taken back, everywhere, and keeps what is provided', async () => {
    const kept = someRoot()
    const collected = mesh.nodes.map(() => Array.from({ length: ROOTS }, someRoot))
    announcers[0]!.add(kept)
    for (const [at, announcer] of announcers.entries()) {
      for (const root of collected[at]!) {
        announcer.add(root)
      }
    }
    await idle()
    // its own, and all others'
    const all = NODES * ROOTS + 1
    await waitFor(
      () => mesh.nodes.every((node) => recordsOf(node) === all),
      20_000,
      () => `${mesh.nodes.map(recordsOf)} instead of ${all}`
    )

    for (const [at, announcer] of announcers.entries()) {
      for (const root of collected[at]!) {
        announcer.remove(root)
      }
    }
    await waitFor(() => mesh.nodes.every((node) => recordsOf(node) === all - ROOTS))
    // provided again each half of a lifetime, the one that is pinned outlasts the others
    for (let halves = 0; halves < 3; halves++) {
      await pass(LIFETIME_MS / 2)
    }
    await waitFor(
      () => mesh.nodes.every((node) => recordsOf(node) === 1),
      20_000,
      () => `${mesh.nodes.map(recordsOf)}`
    )
    for (const root of [kept, ...collected.flat()]) {
      expect(await providersOf(mesh.nodes[1]!, root)).to.deep.equal(root === kept ? [mesh.nodes[0]!.peerId] : [])
    }

    announcers[0]!.remove(kept)
    await pass(LIFETIME_MS)
    expect(mesh.nodes.map(recordsOf)).to.deep.equal(mesh.nodes.map(() => 0))
  })

  it('is within an hour, whatever the rounds of a task', () => {
    for (const roundSlots of [10, 300, 1_500, 100_000]) {
      expect(recordLifetimeMs(roundSlots)).to.be.below(60 * 60_000)
    }
  })

  it('is not provided again by the DHT itself', async () => {
    const root = someRoot()
    await mesh.nodes[0]!.libp2p.contentRouting.provide(root)
    const { datastore } = (
      mesh.nodes[0]!.libp2p.services.dht as unknown as { reprovider: { datastore: { query(q: object): Iterable<unknown> } } }
    ).reprovider
    expect([...datastore.query({ prefix: '/koii-mesh-kad/provider' })]).to.deep.equal([])
  })
})

function recordsOf(node: MeshNode): number {
  return node.host.store.counts().records
}

function tableSize(node: MeshNode): number {
  return (node.libp2p.services.dht as unknown as { routingTable: { size: number } }).routingTable.size
}

async function providersOf(node: MeshNode, root: CID): Promise<string[]> {
  const found = new Set<string>()
  for await (const { id } of node.libp2p.contentRouting.findProviders(root, { signal: AbortSignal.timeout(20_000) })) {
    found.add(id.toString())
  }
  return [...found]
}
