/** A hundred connections a second that never get anywhere keep no newcomer with stake waiting. */
import type { Socket } from 'node:net'
import { expect } from 'chai'
import { CONNECTION_LIMITS } from '../../../src/network/index.ts'
import { address, node, socketTo, stakesOf } from '../../network/attackers.ts'
import { type MeshNode, waitFor } from '../../network/mesh.ts'

const NAMES = ['newcomer-0', 'newcomer-1', 'newcomer-2', 'newcomer-3']

describe('case: half-open connections delay newcomers', () => {
  const weights = stakesOf('alice', ...NAMES)
  let alice: MeshNode
  const sockets = new Set<Socket>()
  let knocking: ReturnType<typeof setInterval> | undefined
  afterEach(async () => {
    clearInterval(knocking)
    for (const socket of sockets) {
      socket.destroy()
    }
    sockets.clear()
    await alice.stop()
  })

  /** A hundred a second, from so many addresses in turn; each says `words` one after the other, and then nothing. */
  async function flood(from: (at: number) => string, ...words: Array<string | Buffer>): Promise<void> {
    let at = 0
    knocking = setInterval(() => {
      const socket = socketTo(alice, from(at++))
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      for (const one of words) {
        socket.write(one)
      }
    }, 10)
    // as many as would have had all the places for as long as a handshake may take
    await waitFor(() => at >= 2 * CONNECTION_LIMITS.pendingInbound, 20_000)
  }

  const MULTISTREAM = '\x13/multistream/1.0.0\n'
  const NOISE = '\x07/noise\n'
  const rows: Array<[string, string, (at: number) => string, Array<string | Buffer>]> = [
    ['that say nothing, from forty addresses', '/ip4/127.0.0.1/tcp/0', (at) => address(1, 1 + (at % 40)), []],
    ['that say nothing, from as many networks as there are connections', '/ip4/127.0.0.1/tcp/0', (at) => address(at), []],
    ['that say multistream and stop', '/ip4/127.0.0.1/tcp/0', (at) => address(at % 40), [MULTISTREAM]],
    ['that stop within noise', '/ip4/127.0.0.1/tcp/0', (at) => address(at % 40), [MULTISTREAM, NOISE, Buffer.from([0, 32, 1, 2, 3])]],
    ['that say nothing to a WebSocket', '/ip4/127.0.0.1/tcp/0/ws', (at) => address(at % 40), []],
    ['that stop within an HTTP request', '/ip4/127.0.0.1/tcp/0/ws', (at) => address(at % 40), ['GET / HTTP/1.1\r\n']]
  ]
  for (const [name, listen, from, words] of rows) {
    it(`${name}: newcomers are admitted at their first try`, async () => {
      alice = await node('alice', weights, { host: { limits: CONNECTION_LIMITS, listen: [listen] } })
      await flood(from, ...words)
      for (const who of NAMES) {
        const one = await node(who, weights)
        const connection = await one.libp2p.dial(alice.libp2p.getMultiaddrs())
        expect(await one.hello.greet(connection)).to.include({ admitted: true })
        await one.stop()
      }
      expect(alice.host.doorstep.pending()).to.be.at.most(CONNECTION_LIMITS.pendingInbound)
    })
  }
})
