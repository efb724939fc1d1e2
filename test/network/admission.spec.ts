import type { Connection, PeerId, Stream, StreamHandler, Topology } from '@libp2p/interface'
import type { Registrar } from '@libp2p/interface-internal'
import { expect } from 'chai'
import { admitOnly } from '../../src/network/admission.ts'
import type { PeerChange, Peers } from '../../src/network/index.ts'

/** A registrar that hands out what was registered, peers whose admission the test decides, and a timer that it turns. */
function setUp() {
  let handler: StreamHandler | undefined
  let topology: Topology | undefined
  const registrar = {
    handle: async (_: string, given: StreamHandler) => {
      handler = given
    },
    register: async (_: string, given: Topology) => {
      topology = given
      return 'id'
    },
    unhandle: async () => {},
    unregister: () => {}
  } as unknown as Registrar
  const admitted = new Set<string>()
  const listeners = new Set<(change: PeerChange) => void>()
  const peers = {
    isStaked: (id: string) => admitted.has(id),
    isBanned: () => false,
    onChange: (listener: (change: PeerChange) => void) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    }
  } as unknown as Peers
  const timers: Array<() => void> = []
  const gated = admitOnly(registrar, peers, (run) => {
    timers.push(run)
    return () => timers.splice(timers.indexOf(run) >>> 0, 1)
  })
  const change = (peerId: string, admit: boolean) => {
    admit ? admitted.add(peerId) : admitted.delete(peerId)
    for (const listener of listeners) {
      listener({ peerId, staker: 's', admitted: admit })
    }
  }
  return { gated, change, timers, handler: () => handler!, topology: () => topology! }
}

const peerOf = (text: string) => ({ toString: () => text }) as PeerId

function connectionOf(peer: string, id = peer) {
  const closing: Array<() => void> = []
  const connection = {
    id,
    remotePeer: peerOf(peer),
    status: 'open',
    addEventListener: (_: string, run: () => void) => closing.push(run)
  }
  const close = () => {
    connection.status = 'closed'
    for (const run of closing) run()
  }
  return { connection: connection as unknown as Connection, close }
}

function stream() {
  const made = {
    status: 'open',
    maxReadBufferLength: 4_000_000,
    addEventListener: () => {},
    abort: () => (made.status = 'aborted'),
    close: async () => {}
  }
  return made as unknown as Stream
}

describe('network: admission', () => {
  it('shows a peer only once it is admitted, and takes it away when it no longer is', async () => {
    const { gated, change, topology } = setUp()
    const log: string[] = []
    await gated.register('/x', {
      onConnect: (peer) => void log.push(`+${peer.toString()}`),
      onDisconnect: (peer) => void log.push(`-${peer.toString()}`)
    })
    await topology().onConnect?.(peerOf('mallory'), connectionOf('mallory').connection)
    const bob = connectionOf('bob')
    await topology().onConnect?.(peerOf('bob'), bob.connection)
    expect(log).to.deep.equal([])
    change('bob', true)
    expect(log).to.deep.equal(['+bob'])
    change('bob', false)
    expect(log).to.deep.equal(['+bob', '-bob'])
    bob.close()
    await topology().onDisconnect?.(peerOf('bob'))
    change('bob', true)
    expect(log).to.deep.equal(['+bob', '-bob', '-bob'])
  })

  it('takes no peer away that has dialed again before its end was told, by a stream of it or by a connection', async () => {
    for (const sign of ['a stream', 'a connection', 'neither'] as const) {
      const { gated, change, topology, handler } = setUp()
      const log: string[] = []
      await gated.handle('/x', () => void log.push('stream'))
      await gated.register('/x', { onConnect: () => void log.push('+'), onDisconnect: () => void log.push('-') })
      change('bob', true)
      const [first, second] = [connectionOf('bob', 'first'), connectionOf('bob', 'second')]
      await topology().onConnect?.(peerOf('bob'), first.connection)
      first.close()
      sign === 'a stream' && (await handler()(stream(), second.connection))
      sign === 'a connection' && (await topology().onConnect?.(peerOf('bob'), second.connection))
      await topology().onDisconnect?.(peerOf('bob'))
      expect(log, sign).to.deep.equal({ 'a stream': ['+', 'stream'], 'a connection': ['+', '+'], neither: ['+', '-'] }[sign])
      second.close()
      // libp2p may tell of it, or not where the peer has said that it no longer speaks the protocol
      expect(log.at(-1), 'its own end is told').to.equal('-')
      await topology().onDisconnect?.(peerOf('bob'))
      expect(log.at(-1)).to.equal('-')
    }
  })

  it('takes a peer away that it was never shown, but reads from: with its last connection, and when it is no longer admitted', async () => {
    for (const end of ['connection', 'admission'] as const) {
      const { gated, change, topology, handler } = setUp()
      const log: string[] = []
      await gated.handle('/x', () => void log.push('stream'))
      await gated.register('/x', { onConnect: () => void log.push('+'), onDisconnect: () => void log.push('-') })
      const { connection, close } = connectionOf('bob')
      await handler()(stream(), connection)
      // libp2p says that bob does not speak it, while his stream waits for his hello
      await topology().onDisconnect?.(peerOf('bob'))
      log.length = 0
      change('bob', true)
      expect(log).to.deep.equal(['stream'])
      end === 'connection' ? close() : change('bob', false)
      expect(log, end).to.deep.equal(['stream', '-'])
    }
  })

  it('goes over to the other connection of a peer when the first is closed', async () => {
    const { gated, change, timers, topology } = setUp()
    const shown: Connection[] = []
    await gated.register('/x', { onConnect: (_, connection) => void shown.push(connection) })
    const [first, second] = [connectionOf('bob', 'first'), connectionOf('bob', 'second')]
    change('bob', true)
    await topology().onConnect?.(peerOf('bob'), first.connection)
    await topology().onConnect?.(peerOf('bob'), second.connection)
    first.close()
    timers[0]!()
    expect(shown.map(({ id }) => id)).to.deep.equal(['first', 'second', 'second'])
  })

  it('keeps a stream waiting, bounded, until its peer is admitted', async () => {
    const { gated, change, handler } = setUp()
    const handled: Stream[] = []
    await gated.handle('/x', (one) => void handled.push(one))
    const [early, late] = [stream(), stream()]
    await handler()(early, connectionOf('bob').connection)
    expect([handled.length, early.status, early.maxReadBufferLength]).to.deep.equal([0, 'open', 65_536])
    change('bob', true)
    expect(handled).to.deep.equal([early])
    expect(early.maxReadBufferLength).to.equal(4_000_000)
    await handler()(late, connectionOf('bob').connection)
    expect(handled).to.deep.equal([early, late])
  })

  it('resets a stream whose peer is not admitted in time, and a third that waits', async () => {
    const { gated, change, timers, handler } = setUp()
    const handled: Stream[] = []
    await gated.handle('/x', (one) => void handled.push(one))
    const streams = [stream(), stream(), stream()]
    for (const one of streams) {
      await handler()(one, connectionOf('mallory').connection)
    }
    expect(streams.map(({ status }) => status)).to.deep.equal(['open', 'open', 'aborted'])
    for (const run of [...timers]) run()
    expect(streams.map(({ status }) => status)).to.deep.equal(['aborted', 'aborted', 'aborted'])
    change('mallory', true)
    expect(handled).to.deep.equal([])
  })
})
