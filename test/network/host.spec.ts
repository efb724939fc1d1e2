import { createServer, type Server } from 'node:net'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import { createAnnouncer, createHost, createRoster, type Host, HostError } from '../../src/network/index.ts'
import { keyOf, NETWORK, NOW, seed, signerOf, spawnMesh, TIMING } from './mesh.ts'

describe('network: host', () => {
  const open: Host[] = []
  let server: Server | undefined
  afterEach(async () => {
    await Promise.all(open.splice(0).map(({ libp2p }) => libp2p.stop()))
    server?.close()
    server = undefined
  })

  async function start(name: string, listen: string[]): Promise<Host> {
    const privateKey = await generateKeyPairFromSeed('Ed25519', seed(name))
    const host = await createHost({ privateKey, peers: createRoster(), listen, local: true })
    open.push(host)
    return host
  }

  it('listens and dials over WebSocket as over TCP', async () => {
    const alice = await start('alice', ['/ip4/127.0.0.1/tcp/0/ws'])
    const bob = await start('bob', ['/ip4/127.0.0.1/tcp/0'])
    expect(String(alice.libp2p.getMultiaddrs()[0])).to.match(/\/tcp\/[1-9]\d*\/ws\/p2p\//)
    const connection = await bob.libp2p.dial(alice.libp2p.getMultiaddrs())
    expect(connection.remotePeer.toString()).to.equal(alice.libp2p.peerId.toString())
  })

  it('says what to do when the port is in use', async () => {
    server = createServer()
    const port = await new Promise<number>((resolve) =>
      server!.listen(0, '127.0.0.1', () => resolve((server!.address() as { port: number }).port))
    )
    const err = await start('alice', [`/ip4/127.0.0.1/tcp/${port}`]).then(
      () => undefined,
      (err: unknown) => err as Error
    )
    expect(err).to.be.instanceOf(HostError)
    expect(err?.message).to.contain(`tcp/${port}`).and.to.contain('in use').and.to.contain('--listen')
  })

  it('speaks the DHT of the mesh and no floodsub', async () => {
    const { libp2p } = await start('alice', ['/ip4/127.0.0.1/tcp/0'])
    const protocols = libp2p.getProtocols()
    expect(protocols).to.include('/koii-mesh/kad/1.0.0').and.to.include('/meshsub/1.2.0')
    expect(protocols.filter((one) => /floodsub|ipfs\/kad/.test(one))).to.deep.equal([])
  })

  it('stops, connections and all', async () => {
    const mesh = await spawnMesh({ nodes: 3 })
    await mesh.connected()
    await mesh.stop()
    expect(mesh.nodes.flatMap(({ libp2p }) => libp2p.getConnections())).to.deep.equal([])
  })
})

describe('network: announcer', () => {
  let slot: number | undefined
  let addresses = ['/ip4/127.0.0.1/tcp/1']
  let now = 1_000

  async function make() {
    const privateKey = await generateKeyPairFromSeed('Ed25519', seed('node/alice'))
    return createAnnouncer({
      network: NETWORK,
      timing: TIMING,
      slot: () => slot,
      signer: signerOf(keyOf('alice')),
      peerId: peerIdFromPrivateKey(privateKey),
      multiaddrs: () => addresses.map((text) => multiaddr(text)),
      now: () => now
    })
  }

  it('says nothing while the slot is not known, and renews when addresses change or half its time is over', async () => {
    slot = undefined
    const announcer = await make()
    expect([await announcer.renew(), announcer.current()]).to.deep.equal([undefined, undefined])
    slot = NOW
    const first = (await announcer.renew())!
    expect(first.body.announcement).to.include({ sequence: 1_000, expirySlot: NOW + 4 * TIMING.roundSlots })
    expect(first.body.cycle).to.equal(3)
    expect(await announcer.renew()).to.equal(undefined)
    addresses = ['/ip4/127.0.0.1/tcp/2']
    const second = (await announcer.renew())!
    // the clock stands still, the sequence grows all the same
    expect(second.body.announcement?.sequence).to.equal(1_001)
    slot = NOW + 2 * TIMING.roundSlots - 1
    expect(await announcer.renew()).to.equal(undefined)
    slot = NOW + 2 * TIMING.roundSlots
    now = 5_000
    expect((await announcer.renew())?.body.announcement?.sequence).to.equal(5_000)
    expect(announcer.current()?.body.announcement?.expirySlot).to.equal(slot + 4 * TIMING.roundSlots)
  })

  it('belongs to cycle 0 before the task begins', async () => {
    slot = TIMING.startingSlot - 50
    expect((await (await make()).renew())?.body.cycle).to.equal(0)
  })
})
