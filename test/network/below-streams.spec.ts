/** What a peer can do below the streams that are counted: to the bytes of a WebSocket, of noise and of yamux. The node is a process of its own, which must outlive it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import net from 'node:net'
import { createInterface } from 'node:readline'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import { createLibp2p, type Libp2p } from 'libp2p'
import { stranger } from './attackers.ts'
import { waitFor } from './mesh.ts'

/** What a libp2p connection has inside. */
interface Inside {
  status: string
  muxer: {
    maConn: { send(bytes: Uint8Array): boolean; handshake: { encrypt(bytes: Uint8Array): { subarray(): Uint8Array; byteLength: number } } }
  }
  maConn: { socket: net.Socket }
}

interface Told {
  addrs?: string[]
  open?: number
  externalBytes?: number
}

describe('network: below the streams', function () {
  this.timeout(120_000)

  let victim: ChildProcess
  let told: Told
  let addrs: string[]
  const ends: Array<() => unknown> = []

  beforeEach(async () => {
    told = {}
    victim = spawn(process.execPath, ['test/network/victim.ts'], { stdio: ['pipe', 'pipe', 'inherit'] })
    createInterface({ input: victim.stdout! }).on('line', (line) => {
      told = { ...told, ...(JSON.parse(line) as Told) }
    })
    await waitFor(() => told.addrs != null, 60_000)
    addrs = told.addrs!
  })
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) {
      await end()
    }
    victim.kill('SIGKILL')
  })

  /** Says how the node is, now. */
  async function look(): Promise<Told> {
    delete told.open
    victim.stdin!.write('\n')
    await waitFor(
      () => told.open != null,
      30_000,
      () => `the node has ended: ${victim.exitCode ?? victim.signalCode}`
    )
    return told
  }

  async function allGone(): Promise<void> {
    while ((await look()).open !== 0) {
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  async function strangerConnected(): Promise<{ libp2p: Libp2p; inside: Inside }> {
    const libp2p = await stranger('127.0.0.1')
    ends.push(() => libp2p.stop())
    return { libp2p, inside: (await libp2p.dial(multiaddr(addrs[0]!))) as unknown as Inside }
  }

  /** A socket that has just become a WebSocket. */
  async function webSocket(): Promise<net.Socket> {
    const socket = net.connect(Number(/tcp\/(\d+)\/ws/.exec(addrs[1]!)![1]), '127.0.0.1')
    ends.push(() => socket.destroy())
    socket.on('error', () => {})
    socket.write(
      `GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`
    )
    await new Promise((resolve) => socket.once('data', resolve))
    socket.resume()
    return socket
  }

  const isClosed = (socket: net.Socket) => waitFor(() => socket.destroyed || socket.closed, 30_000)

  for (const [name, frame] of [
    ['reserved bits', [0xf2, 0x80, 0, 0, 0, 0]],
    ['no mask', [0x82, 0x01, 0]],
    ['more than a message may have', [0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]],
    ['a continuation of nothing', [0x80, 0x80, 0, 0, 0, 0]]
  ] as const) {
    it(`a WebSocket frame with ${name} ends its connection, and no more`, async () => {
      const socket = await webSocket()
      socket.write(Uint8Array.from(frame))
      await isClosed(socket)
      await look()
    })
  }

  for (const [name, frame] of [
    ['pongs', [0x8a, 0x80, 0, 0, 0, 0]],
    ['pings', [0x89, 0x80, 0, 0, 0, 0]],
    ['empty messages', [0x82, 0x80, 0, 0, 0, 0]]
  ] as const) {
    it(`WebSocket ${name} without end are cut before any handshake`, async () => {
      const socket = await webSocket()
      const many = Buffer.concat(Array.from({ length: 1_000 }, () => Uint8Array.from(frame)))
      // far less than what a connection is left for: it is the count that ends it
      for (let at = 0; at < 200 && !socket.destroyed; at++) {
        socket.write(many)
      }
      await isClosed(socket)
      await look()
    })
  }

  it('a bad frame right behind the last of the handshake leaves no connection that nobody can end', async () => {
    for (let tries = 0; tries < 5; tries++) {
      const hurried = await createLibp2p({
        addresses: { listen: [] },
        transports: [tcp()],
        connectionEncrypters: [
          (components) => {
            const encrypter = noise()(components)
            const secure = encrypter.secureOutbound.bind(encrypter)
            encrypter.secureOutbound = async (connection, options) => {
              const secured = await secure(connection, options)
              ;(connection as unknown as { socket: net.Socket }).socket.write(Buffer.concat([Buffer.from([0, 40]), randomBytes(40)]))
              return secured
            }
            return encrypter
          }
        ],
        streamMuxers: [yamux()],
        connectionMonitor: { enabled: false }
      })
      ends.push(() => Promise.race([hurried.stop(), new Promise((resolve) => setTimeout(resolve, 1_000))]))
      await hurried.dial(multiaddr(addrs[0]!), { signal: AbortSignal.timeout(10_000) }).catch(() => {})
    }
    await allGone()
  })

  it('a frame of the muxer that announces 4 GiB is not collected', async () => {
    const { inside } = await strangerConnected()
    const header = Buffer.alloc(12)
    header.writeUInt16BE(1, 2)
    header.writeUInt32BE(1_001, 4)
    header.writeUInt32BE(0xffffffff, 8)
    const { socket } = inside.maConn
    inside.muxer.maConn.send(header)
    for (let sent = 0; sent < 64 * 1024 * 1024 && inside.status === 'open' && !socket.destroyed; sent += 60_000) {
      inside.muxer.maConn.send(Buffer.alloc(60_000))
      if (socket.writableLength > 1e6) {
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
    await waitFor(() => inside.status !== 'open' || socket.destroyed, 30_000)
  })

  it('empty frames of noise without end are cut', async () => {
    const { inside } = await strangerConnected()
    const { socket } = inside.maConn
    const { handshake } = inside.muxer.maConn
    for (let sent = 0; sent < 5_000 && !socket.destroyed; sent++) {
      const sealed = handshake.encrypt(new Uint8Array(0))
      socket.write(Buffer.concat([Uint8Array.of(sealed.byteLength >> 8, sealed.byteLength & 255), sealed.subarray()]))
    }
    await isClosed(socket)
  })

  it('pings of the muxer without end are cut, also by one who reads no answer', async () => {
    const { inside } = await strangerConnected()
    const { socket } = inside.maConn
    socket.pause()
    const ping = Uint8Array.of(0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1)
    for (let sent = 0; sent < 5_000 && !socket.destroyed; sent++) {
      inside.muxer.maConn.send(ping)
    }
    await allGone()
    expect((await look()).externalBytes).to.be.below(64 * 1024 * 1024)
  })
})
