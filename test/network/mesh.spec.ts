import { expect } from 'chai'
import { type Mesh, spawnMesh, waitFor } from './mesh.ts'

describe('mesh', () => {
  let mesh: Mesh
  afterEach(() => mesh?.stop())

  it('forms from one address hint, and a message reaches all with one signature check each', async () => {
    mesh = await spawnMesh({ nodes: 5, discover: true })
    const [alice, ...others] = mesh.nodes
    for (const node of mesh.nodes) {
      await node.gossip.publish(node.announcer.current()!)
    }
    await mesh.connected()
    // announcements went about meanwhile; let them settle, and count from here
    await waitFor(() => mesh.nodes.every((node) => node.received.filter(({ kind }) => kind === 'announcement').length >= 1))
    const before = mesh.nodes.map((node) => node.checks)
    const message = await alice!.submission('the first')
    await alice!.gossip.publish(message)
    await waitFor(() => mesh.nodes.every((node) => node.received.some(({ id }) => id === message.id)))
    for (const node of others) {
      expect(node.pool.get(message.id)?.signer).to.equal(alice!.pair.address)
      expect(node.refusals).to.deep.equal([])
    }
    expect(mesh.nodes.map((node, at) => node.checks - before[at]!)).to.deep.equal([0, 1, 1, 1, 1])
  })
})
