import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import net from 'node:net'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { CreateListenerOptions, Transport } from '@libp2p/interface'
import { expect } from 'chai'
import { type Arrival, createDoorstep, whoGoes } from '../../src/network/doorstep.ts'
import { CONNECTION_LIMITS, createHost, createRoster, type Host } from '../../src/network/index.ts'
import { address, socketTo, stranger } from './attackers.ts'
import { sleep, waitFor } from './mesh.ts'

const limits = { pendingInbound: 8, pendingPerIp: 2, pendingPerPrefix: 4 }

interface Named extends Arrival {
  name: string
}
const arrival = (name: string, network: number, over: Partial<Arrival> = {}): Named => ({
  name,
  ip: `10.0.${network}.${name.length}`,
  prefix: `10.0.${network}`,
  silent: true,
  arrivedMs: network,
  ...over
})
const goes = (arrivals: Named[]) => whoGoes(arrivals, arrivals.at(-1)!, limits)?.name

describe('network: doorstep, who goes', () => {
  const full = Array.from({ length: limits.pendingInbound }, (_, at) => arrival(`silent ${at}`, at))

  it('nobody while there is room', () => {
    expect(goes(full)).to.equal(undefined)
  })

  it('the oldest silent one, for one that has just come', () => {
    expect(goes([...full, arrival('newcomer', 99)])).to.equal('silent 0')
  })

  it('no one that speaks while one is silent', () => {
    const some = full.map((one, at) => ({ ...one, silent: at === 5 }))
    expect(goes([...some, arrival('newcomer', 99)])).to.equal('silent 5')
  })

  it('when all speak, the oldest of the network that has the most', () => {
    const some = full.map((one, at) => ({ ...one, silent: false, prefix: at === 3 || at === 6 ? 'crowd' : one.prefix }))
    expect(goes([...some, arrival('newcomer', 99, { silent: false })])).to.equal('silent 3')
  })

  it('of an address or a network with too many, one of its own', () => {
    const mine = { ip: '192.0.2.1', prefix: '192.0.2' }
    const ofOne = [arrival('a', 1, mine), arrival('b', 2, { ...mine, silent: false }), arrival('c', 3, mine)]
    expect(goes([arrival('other', 0), ...ofOne])).to.equal('a')
    const ofMany = ['a', 'bb', 'ccc', 'dddd', 'eeeee'].map((name, at) => arrival(name, at, { prefix: '192.0.2' }))
    expect(goes([arrival('other', 0), ...ofMany])).to.equal('a')
  })

  it('never the newest for the sake of older ones', () => {
    for (let count = 1; count < 20; count++) {
      const arrivals = Array.from({ length: count }, (_, at) => arrival(`${at}`, at % 3, { arrivedMs: at }))
      expect(goes(arrivals)).not.to.equal(count === 1 ? '0' : `${count - 1}`)
    }
  })
})

describe('network: doorstep, of a process that was busy', () => {
  it('counts nobody as silent whose words are still to be read', async () => {
    const due: Array<() => void> = []
    const server = new EventEmitter()
    const transport = { createListener: () => ({ server }), dial: () => {} } as unknown as Transport
    const doorstep = createDoorstep({
      limits,
      timer: (run) => {
        due.push(run)
        return () => {}
      }
    })
    doorstep.guard(transport).createListener({ upgrader: {} } as CreateListenerOptions)
    const come = (network: number) => {
      const socket = Object.assign(new EventEmitter(), {
        bytesRead: 0,
        remoteAddress: `10.0.${network}.1`,
        remotePort: network,
        destroyed: false
      })
      const guest = Object.assign(socket, { resetAndDestroy: () => void (socket.destroyed = true) })
      server.emit('connection', guest)
      return guest
    }
    const speaks = come(1)
    const isSilent = come(2)
    // all that is due after a long moment, then what has come meanwhile is read
    for (const run of due.splice(0)) {
      run()
    }
    setImmediate(() => {})
    speaks.bytesRead = 20
    await new Promise(setImmediate)
    expect([speaks.destroyed, isSilent.destroyed]).to.deep.equal([false, true])
    expect(doorstep.dropped()).to.deep.equal({ silent: 1 })

    // nor does such a one give way to the next
    const guests = Array.from({ length: limits.pendingInbound - 1 }, (_, at) => come(at + 3))
    for (const run of due.splice(0, 2)) {
      run()
    }
    guests[0]!.bytesRead = 20
    await new Promise(setImmediate)
    come(99)
    expect(guests.map(({ destroyed }) => destroyed)).to.not.include(true)
  })
})

describe('network: doorstep', () => {
  let host: Host
  const sockets = new Set<Socket>()
  afterEach(async () => {
    for (const socket of sockets) {
      socket.destroy()
    }
    sockets.clear()
    await host.libp2p.stop()
  })

  async function listen(where: string): Promise<Host> {
    host = await createHost({
      privateKey: await generateKeyPair('Ed25519'),
      peers: createRoster(),
      listen: [where],
      local: true,
      limits: CONNECTION_LIMITS
    })
    return host
  }
  const knock = (from: string, says?: string) => {
    const socket = socketTo(host, from)
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    if (says != null) {
      socket.write(says)
    }
    return socket
  }

  for (const [name, where] of [
    ['TCP', '/ip4/127.0.0.1/tcp/0'],
    ['WebSocket', '/ip4/127.0.0.1/tcp/0/ws']
  ] as const) {
    it(`${name}: has what it needs of the library: the server, and the address of who arrives`, async () => {
      await listen(where)
      const guest = await stranger('127.0.0.1')
      await guest.dial(host.libp2p.getMultiaddrs())
      await waitFor(() => host.libp2p.getConnections().length === 1)
      expect(host.doorstep.pending()).to.equal(0)
      expect(host.doorstep.dropped()).to.deep.equal({})
      knock(address(1))
      await waitFor(() => host.doorstep.pending() === 1)
      await guest.stop()
    })

    it(`${name}: one that says nothing is closed`, async () => {
      await listen(where)
      const silent = knock(address(1))
      await waitFor(() => silent.closed)
      expect(host.doorstep.dropped()).to.deep.equal({ silent: 1 })
    })

    it(`${name}: one that begins and stops is closed, and one that says a byte a second`, async () => {
      await listen(where)
      const hello = where.endsWith('/ws') ? 'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n' : '\x13/multistream/1.0.0\n'
      const stopped = knock(address(1), hello)
      const slow = knock(address(2))
      let at = 0
      const drip = setInterval(() => slow.write(hello[at++ % hello.length]!), 300)
      await waitFor(() => stopped.closed && slow.closed, 15_000)
      clearInterval(drip)
      expect(host.doorstep.dropped().slow).to.be.greaterThan(0)
      expect(host.doorstep.pending()).to.equal(0)
    })

    it(`${name}: an established connection that is aborted is gone, and its socket with it`, async () => {
      await listen(where)
      const guest = await stranger('127.0.0.1')
      const theirs = await guest.dial(host.libp2p.getMultiaddrs())
      await waitFor(() => host.libp2p.getConnections().length === 1)
      host.libp2p.getConnections()[0]!.abort(new Error('cut'))
      await waitFor(
        () => theirs.status !== 'open',
        5_000,
        () => `the other end thinks that it is ${theirs.status}`
      )
      await guest.stop()
    })
  }

  it('holds no more on its doorstep than it has places, however many come, and lets one in that speaks', async () => {
    await listen('/ip4/127.0.0.1/tcp/0')
    for (let at = 0; at < 3 * CONNECTION_LIMITS.pendingInbound; at++) {
      knock(address(at))
    }
    await waitFor(() => (host.doorstep.dropped().crowded ?? 0) > 0)
    expect(host.doorstep.pending()).to.be.at.most(CONNECTION_LIMITS.pendingInbound)
    const guest = await stranger(address(999))
    await guest.dial(host.libp2p.getMultiaddrs())
    await guest.stop()
    // one network has few places, whatever others there are
    for (const socket of sockets) {
      socket.destroy()
    }
    await waitFor(() => host.doorstep.pending() === 0)
    for (let at = 1; at < 200; at++) {
      knock(address(7, at))
    }
    await sleep(200)
    expect(host.doorstep.pending()).to.be.at.most(CONNECTION_LIMITS.pendingPerPrefix)
  })

  it('knows an address of IPv6 again, so that nobody is taken for one that is slow', async () => {
    await listen('/ip6/::1/tcp/0')
    const { port } = new URL(String(host.libp2p.getMultiaddrs()[0]).replace(/^\/ip6\/::1\/tcp\/(\d+).*/, 'http://x:$1'))
    const socket = net.connect({ host: '::1', port: Number(port) })
    sockets.add(socket)
    await waitFor(() => host.doorstep.pending() === 1)
    const guest = await stranger('::1')
    await guest.dial(host.libp2p.getMultiaddrs())
    await waitFor(() => host.libp2p.getConnections().length === 1)
    expect(host.doorstep.pending()).to.equal(1)
    await guest.stop()
  })
})
