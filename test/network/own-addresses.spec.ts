import { createServer } from 'node:net'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import { createHost, createRoster, type Host, keepPorts, unreachableNotice, withKeptPorts } from '../../src/network/index.ts'
import { type OwnAddressesComponents, ownAddresses, tellable } from '../../src/network/own-addresses.ts'
import { seed } from './mesh.ts'

const PEER = '12D3KooWHFrmLWTTDD4NodngtRMEVYgxrsDMp4F9iSwYntZ9WjHa'
const addresses = (...texts: string[]) => texts.map((text) => multiaddr(text))

describe('network: own addresses', () => {
  const open: Host[] = []
  afterEach(async () => {
    await Promise.all(open.splice(0).map(({ libp2p }) => libp2p.stop()))
  })

  async function start(over: Partial<Parameters<typeof createHost>[0]>): Promise<Host> {
    const privateKey = await generateKeyPairFromSeed('Ed25519', seed('alice'))
    const host = await createHost({ privateKey, peers: createRoster(), listen: ['/ip4/127.0.0.1/tcp/0'], ...over })
    open.push(host)
    return host
  }

  /** libp2p's address manager as it is: what is not private is left out until it is confirmed. */
  function components(listening: () => Multiaddr[]) {
    const confirmed = new Set<string>()
    const stored: string[][] = []
    const filter = tellable({ local: false, announced: false })
    const events = new EventTarget()
    const parts = {
      peerId: peerIdFromString(PEER),
      events,
      peerStore: { patch: async (_: unknown, { multiaddrs }: { multiaddrs: Multiaddr[] }) => void stored.push(multiaddrs.map(String)) },
      transportManager: { getAddrs: listening, getListeners: () => [] },
      addressManager: {
        getAddresses: () =>
          filter(listening().filter((one) => /\/(10|127)\./.test(String(one)) || confirmed.has(String(one)))).map((one) =>
            one.encapsulate(`/p2p/${PEER}`)
          ),
        confirmObservedAddr: (one: Multiaddr) => void confirmed.add(String(one))
      }
    } as unknown as OwnAddressesComponents
    return { parts, stored, events }
  }

  it('a public address of an interface is told, private ones and loopback are not, and where the node listens is known all the same', () => {
    const listening = addresses(
      '/ip4/127.0.0.1/tcp/4001',
      '/ip4/10.0.0.2/tcp/4001',
      '/ip4/45.77.1.10/tcp/4001',
      '/ip4/45.77.1.10/tcp/4002/ws'
    )
    const { parts } = components(() => listening)
    const own = ownAddresses(parts)
    expect(own.told().map(String)).to.deep.equal([`/ip4/45.77.1.10/tcp/4001/p2p/${PEER}`, `/ip4/45.77.1.10/tcp/4002/ws/p2p/${PEER}`])
    expect(own.listens().map(String)).to.have.length(4).and.to.include(`/ip4/127.0.0.1/tcp/4001/p2p/${PEER}`)
    expect(unreachableNotice(own)).to.equal(undefined)
  })

  it('is stored for identify and the DHT when libp2p listens, and again when the machine moves to another network', async () => {
    let listening = addresses('/ip4/45.77.1.10/tcp/4001')
    const { parts, stored, events } = components(() => listening)
    const own = ownAddresses(parts)
    expect(stored).to.deep.equal([])
    events.dispatchEvent(new Event('transport:listening'))
    own.told()
    expect(stored).to.deep.equal([['/ip4/45.77.1.10/tcp/4001']])
    listening = addresses('/ip4/45.77.1.99/tcp/4001', '/ip4/10.0.0.2/tcp/4001')
    expect(own.told().map(String)).to.deep.equal([`/ip4/45.77.1.99/tcp/4001/p2p/${PEER}`])
    expect(stored.at(-1)).to.deep.equal(['/ip4/45.77.1.99/tcp/4001'])
  })

  it('a node on loopback alone tells nothing, and what to do about it; on a local mesh it tells', async () => {
    const alone = await start({})
    const { told, listens } = alone.libp2p.services.addresses
    expect(told()).to.deep.equal([])
    expect(alone.libp2p.getMultiaddrs()).to.deep.equal([])
    expect(listens().map(String).join()).to.match(/^\/ip4\/127\.0\.0\.1\/tcp\/[1-9]\d*\/p2p\/12D3/)
    const port = /tcp\/(\d+)/.exec(String(listens()[0]))![1]
    expect(unreachableNotice({ told, listens }, [])).to.include('in no network').and.to.not.include('--announce')
    expect(unreachableNotice({ told, listens }, ['10.0.0.2']))
      .to.include(`--announce /ip4/YOUR-PUBLIC-IP/tcp/${port}`)
      .and.to.include('--allow-private')
    const local = await start({ local: true })
    expect(local.libp2p.services.addresses.told().map(String).join()).to.match(/^\/ip4\/127\.0\.0\.1\//)
    expect(unreachableNotice(local.libp2p.services.addresses)).to.equal(undefined)
  })

  it('what the operator announces is told and nothing else; a private one is refused, as nobody would dial it', async () => {
    const { libp2p } = await start({ announce: ['/dns4/node.example/tcp/4001', '/ip4/45.77.1.10/tcp/4001'] })
    expect(libp2p.services.addresses.told().map((one) => String(one).replace(/\/p2p.*/, ''))).to.deep.equal([
      '/dns4/node.example/tcp/4001',
      '/ip4/45.77.1.10/tcp/4001'
    ])
    const err = await start({ announce: ['/ip4/192.168.1.5/tcp/4001'] }).then(
      () => undefined,
      (err: unknown) => err as Error
    )
    expect(err?.message).to.include('/ip4/192.168.1.5/tcp/4001').and.to.include('--allow-private')
  })
})

describe('network: kept ports', () => {
  const store = () => {
    const map = new Map<string, Uint8Array>()
    return { map, get: async (key: string) => map.get(key), put: async (key: string, value: Uint8Array) => void map.set(key, value) }
  }
  const listeners = (...texts: string[]) => texts.map((text) => ({ getAddrs: () => addresses(text) }))

  it('a port that was free at the first start is asked for again, of each address its own; a fixed one is as it was', async () => {
    const kept = store()
    const listen = ['/ip4/0.0.0.0/tcp/0/ws', '/ip4/0.0.0.0/tcp/0', '/ip4/0.0.0.0/tcp/0', '/ip4/0.0.0.0/tcp/4001']
    expect(await withKeptPorts(listen, kept, async () => true)).to.deep.equal({ listen, taken: [] })
    const given = listeners('/ip4/127.0.0.1/tcp/11', '/ip4/127.0.0.1/tcp/12', '/ip4/127.0.0.1/tcp/4001', '/ip4/127.0.0.1/tcp/13/ws')
    await keepPorts(listen, given, kept)
    expect(await withKeptPorts(listen, kept, async () => true)).to.deep.equal({
      listen: ['/ip4/0.0.0.0/tcp/13/ws', '/ip4/0.0.0.0/tcp/11', '/ip4/0.0.0.0/tcp/12', '/ip4/0.0.0.0/tcp/4001'],
      taken: []
    })
  })

  it('one that somebody else has is told, and another is taken; what is not a port is passed over', async () => {
    const kept = store()
    const server = createServer()
    const port = await new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
    )
    try {
      kept.map.set('/ip4/127.0.0.1/tcp/0 1', Buffer.from(String(port)))
      kept.map.set('/ip4/127.0.0.1/tcp/0/ws 1', Buffer.from('rubbish'))
      const listen = ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws']
      expect(await withKeptPorts(listen, kept)).to.deep.equal({ listen, taken: [port] })
    } finally {
      server.close()
    }
    expect((await withKeptPorts(['/ip4/127.0.0.1/tcp/0'], kept)).listen).to.deep.equal([`/ip4/127.0.0.1/tcp/${port}`])
  })
})
