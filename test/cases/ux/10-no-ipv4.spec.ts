/** A machine that has ::1 and no 127.0.0.1: all of it works, and what was asked for by IPv4 says what to do. */
import type { NetworkInterfaceInfo } from 'node:os'
import { expect } from 'chai'
import { hasIpv4, httpOn, loadConfig, loopbackHost, tcpOn } from '../../../src/config/index.ts'
import { enterLab, skipWithoutLab } from '../../lab/enter.ts'

const entry = (address: string, internal: boolean) =>
  ({ address, internal, family: address.includes(':') ? 'IPv6' : 'IPv4' }) as NetworkInterfaceInfo

describe('cases: ux/10, a machine without IPv4', function () {
  this.timeout(300_000)

  it('loopback is IPv4 where there is one, or nothing is known', () => {
    const four = entry('127.0.0.1', true)
    const six = entry('::1', true)
    expect([{ lo: [four, six] }, { lo: [four] }, {}].map((one) => loopbackHost(one))).to.deep.equal(Array(3).fill('127.0.0.1'))
    expect(loopbackHost({ lo: [six], eth0: [entry('10.0.0.5', false)] })).to.equal('::1')
    expect([{ lo: [six] }, { lo: [six, four] }, {}, { eth0: [entry('10.0.0.5', false)] }].map((one) => hasIpv4(one))).to.deep.equal([
      ...[false, true, true, true]
    ])
    expect([httpOn('::1', 8899), httpOn('127.0.0.1', 1), tcpOn('::'), tcpOn('127.0.0.1', 5)]).to.deep.equal([
      ...['http://[::1]:8899', 'http://127.0.0.1:1', '/ip6/::/tcp/0', '/ip4/127.0.0.1/tcp/5']
    ])
  })

  it('the address of the control API is a setting, and an address', () => {
    const flags = { k2: 'http://[::1]:8899', task: '1'.repeat(32) }
    expect(loadConfig({ flags: { ...flags, apiHost: '::' } }).apiHost).to.equal('::')
    expect(() => loadConfig({ flags: { ...flags, apiHost: 'localhost' } })).to.throw(/--api-host is "localhost": should be an IP address/)
  })

  it('k2, task, start, status and testnet', async function () {
    skipWithoutLab(this)
    const lab = enterLab('../cases/ux/no-ipv4.ts', [])
    try {
      const { code, output } = await lab.ended
      expect(code, output).to.equal(0)
      const { url, wsUrl, multiaddrs, api, status, refusals } = JSON.parse(output.trim().split('\n').at(-1)!)
      expect([url, wsUrl]).to.deep.equal(['http://[::1]:8899', 'ws://[::1]:8900'])
      expect(api).to.match(/^http:\/\/\[::1\]:\d+$/)
      expect(multiaddrs[0]).to.match(/^\/ip6\/::1\/tcp\/\d+\/p2p\//)
      expect(status).to.equal(true)
      expect(refusals[0].stderr).to.match(/^koii-mesh: this machine has no address 127\.0\.0\.1 to listen on: .*--host.*\n$/)
      expect(refusals[1].stderr).to.match(/^koii-mesh: this machine has no address 127\.0\.0\.1 for the control API: .*--api-host.*\n$/)
    } finally {
      await lab.end()
    }
  })
})
