import { createServer, type Server } from 'node:http'
import { type AddressInfo, createConnection, createServer as createTcp, type Socket } from 'node:net'
import { expect } from 'chai'
import { connect } from '../../src/k2/connection.ts'
import { ownIps, watchNetworks } from '../../src/network/index.ts'

describe('k2: a machine that changes networks', () => {
  const ends: Array<() => unknown> = []
  afterEach(() => Promise.all(ends.splice(0).map((end) => end())))

  /** A K2 behind a line whose connections go dead without a word: what they carry is swallowed, both ways. */
  async function line() {
    const server: Server = createServer((request, response) => {
      request.resume().once('end', () => response.end(JSON.stringify({ jsonrpc: '2.0', id: 'getSlot', result: 7 })))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const dead = new Set<Socket>()
    const open = new Set<Socket>()
    const proxy = createTcp((near) => {
      const far = createConnection((server.address() as AddressInfo).port, '127.0.0.1')
      open.add(near)
      near.on('data', (bytes) => dead.has(near) || far.write(bytes)).on('error', () => {})
      far.on('data', (bytes) => dead.has(near) || near.write(bytes)).on('error', () => {})
      near.once('close', () => far.destroy())
      ends.push(() => near.destroy())
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    ends.push(() => server.close() && proxy.close())
    const die = () => {
      for (const one of open) {
        dead.add(one)
      }
    }
    return { url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, die }
  }

  it('asks again over a new connection what was under way when it left, however long it would have waited', async () => {
    const { url, die } = await line()
    const connection = connect({ url, timeoutMs: 3_600_000 })
    expect(await connection.requestExact('getSlot', [])).to.equal(7)
    die()
    const asked = connection.requestExact('getSlot', [])
    await new Promise((resolve) => setTimeout(resolve, 20))
    connection.renew()
    expect(await asked).to.equal(7)
  })

  it('is in a network by an address that leads somewhere: those of containers come and go, and are none', () => {
    const at = (address: string, internal = false) => ({ address, internal }) as never
    const interfaces = { lo: [at('127.0.0.1', true)], eth0: [at('45.77.4.13'), at('fe80::1')], veth7: [at('fe80::2'), at('169.254.3.4')] }
    expect(ownIps(interfaces)).to.deep.equal(['45.77.4.13'])
  })

  it('notices that an address of its own is gone, and takes a new one for no loss', () => {
    let ips = ['10.0.0.2', '45.77.4.13']
    const gone: string[][] = []
    let tick = () => {}
    const end = watchNetworks({
      ips: () => ips,
      onLeft: (left) => gone.push(left),
      timer: (run) => {
        tick = run
        return () => {
          tick = () => {}
        }
      }
    })
    tick()
    ips = ['10.0.0.2', '45.77.4.13', '45.77.4.200']
    tick()
    expect(gone).to.deep.equal([])
    ips = ['10.0.0.2', '45.77.4.200']
    tick()
    tick()
    expect(gone).to.deep.equal([['45.77.4.13']])
    end()
    ips = []
    tick()
    expect(gone).to.have.length(1)
  })
})
