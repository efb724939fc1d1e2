import type { LookupAddress } from 'node:dns'
import type { Socket } from 'node:net'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import type { WebSocket } from 'ws'
import { guardedWebSockets, publicOnly } from '../../src/network/dial-guard.ts'
import { createHost, createRoster } from '../../src/network/index.ts'
import { houseWithService } from './knocks.ts'
import { waitFor } from './mesh.ts'

const v4 = (address: string): LookupAddress => ({ address, family: 4 })
const v6 = (address: string): LookupAddress => ({ address, family: 6 })

describe('network: what is dialled is judged where it is dialled', () => {
  const ends: Array<() => unknown> = []
  afterEach(() => Promise.all(ends.splice(0).map((end) => end())))

  async function house(init: Parameters<typeof houseWithService>[0]) {
    const made = await houseWithService(init)
    ends.push(() => made.stop())
    return made
  }

  it('a name that resolves to nothing public is not dialled, over TCP or WebSocket, whoever asks', async () => {
    for (const answer of [[v4('127.0.0.1')], [v6('::1'), v4('127.0.0.1')], [v6('::ffff:127.0.0.1')], [v6('64:ff9b::7f00:1')], []]) {
      const { port, tell } = await house(() => ({ resolve: async () => answer }))
      for (const text of [
        `/dns4/evil-name.example/tcp/${port}`,
        `/dns6/evil-name.example/tcp/${port}`,
        `/dns/evil-name.example/tcp/${port}`,
        `/dns4/evil-name.example/tcp/${port}/ws`,
        `/dns/evil-name.example/tcp/${port}/tls/ws`
      ]) {
        const { knocks, reasons } = await tell(text)
        expect([text, knocks]).to.deep.equal([text, 0])
        expect(reasons.join()).to.match(/resolves to no public address/)
      }
    }
  })

  it('a name that was public when it was judged is not asked for again', async () => {
    const answers = [[v4('93.184.216.34')], [v4('127.0.0.1')]]
    let asked = 0
    const resolve = async () => answers[Math.min(asked++, 1)] as LookupAddress[]
    const found = await new Promise<unknown>((done) => publicOnly(0, resolve)('rebinding.example', { all: true }, (_, all) => done(all)))
    expect(found).to.deep.equal([v4('93.184.216.34')])
    expect(asked).to.equal(1)
  })

  it('of several answers those that are public are used, of the family that was asked for', async () => {
    const mixed = [v4('10.0.0.1'), v4('93.184.216.34'), v6('fd00::1'), v6('2606:4700::1111'), v4('169.254.169.254')]
    const lookup = (family: 0 | 4 | 6, all: boolean) =>
      new Promise<unknown>((done) =>
        publicOnly(family, async () => mixed)('mixed.example', { all }, (err, address, kind) =>
          done(err?.message ?? (all ? address : [address, kind]))
        )
      )
    expect(await lookup(0, true)).to.deep.equal([v4('93.184.216.34'), v6('2606:4700::1111')])
    expect(await lookup(6, true)).to.deep.equal([v6('2606:4700::1111')])
    expect(await lookup(4, false)).to.deep.equal(['93.184.216.34', 4])
  })

  it('an address that the operator named is dialled, by its name or not, and nothing else on that host', async () => {
    const named = (port: number) => [`/ip4/127.0.0.1/tcp/${port}`, `/dns4/localhost/tcp/${port}`]
    const { port, tell } = await house((port) => ({ allowed: named(port).map((text) => multiaddr(text)) }))
    for (const text of named(port)) {
      expect((await tell(text)).knocks, text).to.be.greaterThan(0)
    }
    const other = await house(() => ({ allowed: named(port).map((text) => multiaddr(text)) }))
    for (const text of [...named(other.port), `/dns4/localhost/tcp/${other.port}/ws`]) {
      expect((await other.tell(text)).knocks, text).to.equal(0)
    }
  })

  it('a mesh on one machine dials what it likes', async () => {
    const { port, tell } = await house(() => ({ local: true }))
    for (const text of [`/ip4/127.0.0.1/tcp/${port}`, `/dns4/localhost/tcp/${port}`, `/dns4/localhost/tcp/${port}/ws`]) {
      expect((await tell(text)).knocks, text).to.be.greaterThan(0)
    }
  })

  it('the name in a certificate leads to no other host', async () => {
    const { port, tell, said } = await house(() => ({ local: true }))
    const { knocks } = await tell(`/ip4/127.0.0.1/tcp/${port}/tls/sni/elsewhere.example/ws`)
    expect(knocks).to.be.greaterThan(0)
    expect(said()).to.include('elsewhere.example')
  })

  const host = async () => {
    const privateKey = await generateKeyPair('Ed25519')
    const { libp2p } = await createHost({ privateKey, peers: createRoster(), listen: ['/ip4/127.0.0.1/tcp/0/ws'], local: true })
    ends.push(() => libp2p.stop())
    await libp2p.handle('/test/here', async (stream) => {
      for await (const data of stream) {
        stream.send(data)
      }
    })
    return libp2p
  }

  it('WebSocket still connects two nodes, and an aborted connection is closed', async () => {
    const [alice, bob] = [await host(), await host()]
    for (const [one, other] of [
      [alice, bob],
      [bob, alice]
    ] as const) {
      const connection = await alice.dial(bob.getMultiaddrs())
      expect((await connection.newStream('/test/here')).protocol).to.equal('/test/here')
      const gone = new Promise((resolve) => other.addEventListener('peer:disconnect', resolve, { once: true }))
      one.getConnections()[0]?.abort(new Error('enough'))
      await gone
    }
  })

  /** The WebSocket under a connection, on the side that dialled or on the one that listened. */
  const underneath = (connection: Connection) =>
    (connection as unknown as { maConn: { websocket: WebSocket & { _socket: Socket; _receiver: object } } }).maConn.websocket

  for (const side of ['listened', 'dialled'] as const) {
    it(`messages in pieces of 4 KiB are read, and one in fragments of nothing ends its connection, by who ${side}`, async () => {
      const [alice, bob] = [await host(), await host()]
      const dialled = await alice.dial(bob.getMultiaddrs())
      await waitFor(() => bob.getConnections().length === 1)
      const listened = bob.getConnections()[0]!
      const [from, to] = side === 'listened' ? [dialled, listened] : [listened, dialled]
      expect(underneath(to)._receiver).to.have.property('_numFragments')
      expect(underneath(to)._receiver).to.have.property('_messageLength')

      // as gorilla's client sends what does not fit its buffer
      const websocket = underneath(from)
      const send = websocket.send.bind(websocket)
      websocket.send = ((data: Uint8Array) => {
        for (let at = 0; at < data.length; at += 4096) {
          send(data.subarray(at, at + 4096), { fin: at + 4096 >= data.length })
        }
      }) as typeof websocket.send
      const stream = await from.newStream('/test/here')
      let back = 0
      stream.addEventListener('message', ({ data }) => {
        back += data.byteLength
      })
      for (let sent = 0; sent < 10; sent++) {
        stream.send(new Uint8Array(150_000))
        await waitFor(() => back === (sent + 1) * 150_000)
      }
      expect([from.status, to.status]).to.deep.equal(['open', 'open'])

      const mask = side === 'listened' ? [0x80, 0, 0, 0, 0] : [0]
      const fragments = Array.from({ length: 200 }, (_, at) => Buffer.from([at === 0 ? 2 : at === 199 ? 0x80 : 0, ...mask]))
      websocket._socket.write(Buffer.concat(fragments))
      await waitFor(() => to.status !== 'open')
    })
  }

  it('takes the place of a method that this version of the transport has', () => {
    const logger = { forComponent: () => Object.assign(() => {}, { error: () => {}, trace: () => {}, newScope: () => {} }) }
    const transport = guardedWebSockets({ local: false, allowed: [] })({ logger } as never)
    expect(Object.getPrototypeOf(transport)._connect).to.be.a('function')
  })
})
