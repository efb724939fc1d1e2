import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import { judgeAddress } from '../../../src/network/index.ts'
import { houseWithService } from '../../network/knocks.ts'

describe('case: names reach loopback and the own network', () => {
  let house: Awaited<ReturnType<typeof houseWithService>>
  afterEach(() => house.stop())

  /** As the system would say: names of /etc/hosts, numbers in every notation, and what a translator of addresses makes of them. */
  const resolve = async () => [{ address: '127.0.0.1', family: 4 }]

  for (const host of [
    '/dns4/127.1',
    '/dns4/0x7f000001',
    '/dns4/2130706433',
    '/dns4/017700000001',
    '/dns4/0177.0.0.1',
    '/dns4/127.0.0.1',
    '/dns4/localhost.',
    '/dns4/evil-name.example',
    '/dns/evil-name.example',
    '/dns4/localhost',
    '/dns/localhost',
    '/dns6/ip6-localhost',
    '/dns4/nas',
    '/ip4/127.0.0.1',
    '/ip4/0.0.0.0',
    '/ip6/::1',
    '/ip6/::',
    '/ip6/::ffff:127.0.0.1',
    '/ip6/::7f00:1',
    '/ip6/64:ff9b::7f00:1'
  ]) {
    it(`${host}: nobody knocks`, async () => {
      house = await houseWithService(() => ({ resolve }))
      for (const rest of ['', '/ws', '/tls/ws']) {
        const { knocks, reasons } = await house.tell(`${host}/tcp/${house.port}${rest}`)
        expect([knocks, house.said()]).to.deep.equal([0, ''])
        expect(reasons.join()).not.to.match(/ECONNREFUSED|connected/)
      }
    })
  }

  it('what is written as a number, or as a name of the own network, is refused before that', async () => {
    house = await houseWithService()
    const faults = ['127.1', '0x7f000001', '017700000001', 'evil-name.example', 'localhost'].map((name) =>
      judgeAddress(multiaddr(`/dns4/${name}/tcp/80`), { local: false })
    )
    expect(faults).to.deep.equal(['malformed', 'malformed', 'malformed', undefined, 'private'])
  })
})
