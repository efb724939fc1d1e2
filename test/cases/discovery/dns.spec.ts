import os from 'node:os'
import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import { parseAddress } from '../../../src/network/index.ts'
import { houseWithService } from '../../network/knocks.ts'

describe('case: names go around the ban on private addresses', () => {
  // as this machine resolves them, by its own files
  for (const host of [
    '/ip4/127.0.0.1',
    `/dns4/${os.hostname()}`,
    '/dns4/ip6-localhost',
    '/dns6/ip6-localhost',
    '/dns4/localhost',
    '/dns4/localhost.localdomain'
  ]) {
    it(`${host.replace(os.hostname(), '(the name of this machine)')}: an own service gets no connection`, async () => {
      const house = await houseWithService()
      try {
        const text = `${host}/tcp/${house.port}`
        expect((await house.tell(text)).knocks).to.equal(0)
        expect((await house.tell(`${text}/ws`)).knocks).to.equal(0)
      } finally {
        await house.stop()
      }
    })
  }

  it('ranges that are nobody’s on the internet are told from those that are', () => {
    const fault = (text: string) => {
      const parsed = parseAddress(text, { local: false, own: [multiaddr('/ip4/127.0.0.1/tcp/1')] })
      return 'fault' in parsed ? parsed.fault : undefined
    }
    for (const text of [
      '/dns4/localhost/tcp/22',
      '/dns4/metadata.internal/tcp/80',
      '/ip6/::ffff:10.0.0.1/tcp/22',
      '/ip6/::ffff:127.0.0.1/tcp/22',
      '/ip4/100.64.1.1/tcp/4001',
      '/ip6/fd00::1/tcp/4001',
      '/ip6/fe80::1/tcp/4001',
      '/ip4/169.254.169.254/tcp/80',
      '/ip4/192.0.2.1/tcp/1',
      '/ip4/224.0.0.1/tcp/1',
      '/ip4/255.255.255.255/tcp/1',
      '/ip6/64:ff9b::a00:1/tcp/22',
      '/ip4/198.18.0.1/tcp/1',
      '/ip6/ff02::1/tcp/1',
      '/ip4/0.1.2.3/tcp/1',
      '/ip6/2002:a00:1::1/tcp/1',
      '/ip6/2001::1/tcp/1'
    ]) {
      expect(fault(text), text).to.equal('private')
    }
    for (const text of [
      '/ip4/45.77.1.10/tcp/4001',
      '/ip6/2606:4700::1111/tcp/4001',
      '/dns4/node.example.org/tcp/4001',
      '/ip6/64:ff9b::808:808/tcp/1'
    ]) {
      expect(fault(text), text).to.equal(undefined)
    }
  })
})
