import { expect } from 'chai'
import { isPublicIp } from '../../src/network/index.ts'
import { isHostName, nameFault } from '../../src/network/public-ip.ts'

const PUBLIC = [
  '1.1.1.1',
  '8.8.8.8',
  '45.77.1.10',
  '93.184.216.34',
  '100.63.255.255',
  '100.128.0.0',
  '172.15.255.255',
  '172.32.0.0',
  '192.0.1.1',
  '198.17.255.255',
  '198.20.0.0',
  '223.255.255.255',
  '2606:4700::1111',
  '2a00:1450:4001::1',
  '2400:cb00::',
  // as whoever has IPv6 alone sees IPv4, and as it was sent before that
  '64:ff9b::808:808',
  '64:ff9b::8.8.8.8',
  '2002:808:808::1'
]

const NOT_PUBLIC = [
  '0.0.0.0',
  '0.1.2.3',
  '10.0.0.1',
  '10.255.255.255',
  '100.64.0.1',
  '100.127.255.255',
  '127.0.0.1',
  '127.255.255.254',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.0.1',
  '192.0.0.170',
  '192.0.2.1',
  '192.88.99.1',
  '192.168.0.1',
  '198.18.0.1',
  '198.19.255.255',
  '198.51.100.7',
  '203.0.113.7',
  '224.0.0.1',
  '239.255.255.255',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::2',
  '::7f00:1',
  '::127.0.0.1',
  '::8.8.8.8',
  '::ffff:10.0.0.1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '::ffff:8.8.8.8',
  '::ffff:0:7f00:1',
  '0:0:0:0:0:ffff:7f00:0001',
  '64:ff9b::a00:1',
  '64:ff9b::7f00:1',
  '64:ff9b::192.168.1.1',
  '64:ff9b:0:0:0:0:a9fe:a9fe',
  '64:ff9b:1::808:808',
  '64:ff9b:1::1',
  '64:ff9b:0:1::808:808',
  '100::1',
  '2001::1',
  '2001:0:4136:e378:8000:63bf:3fff:fdd2',
  '2001:10::1',
  '2001:20::1',
  '2001:db8::1',
  '3fff::1',
  '3ffe::1',
  '2002:a00:1::1',
  '2002:7f00:1::',
  '2002:c0a8:101::1',
  '2002:a9fe:a9fe::',
  '4000::1',
  'fc00::1',
  'fd00::1',
  'fd00:ec2::254',
  'fe80::1',
  'fe80::1%eth0',
  '2606:4700::1111%lo',
  'fec0::1',
  'ff02::1',
  'ff0e::1',
  'FE80::A',
  '',
  'localhost',
  '127.1',
  '0x7f000001',
  '017700000001',
  '2130706433',
  '8.8.8.8:80',
  '[2606:4700::1111]',
  '8.8.8.8/8',
  ' 8.8.8.8',
  '08.8.8.8'
]

describe('network: public IP addresses', () => {
  for (const text of PUBLIC) {
    it(`${text} is one`, () => expect(isPublicIp(text)).to.equal(true))
  }
  for (const text of NOT_PUBLIC) {
    it(`${text || 'nothing'} is none`, () => expect(isPublicIp(text)).to.equal(false))
  }

  it('names of hosts are told from numbers, and from what only the own network knows', () => {
    for (const name of ['example.org', 'a_b.c', 'xn--bcher-kva.example', 'evil-name.example', '1.2.3.4.sslip.io', 'a.1b']) {
      expect(nameFault(name), name).to.equal(undefined)
    }
    for (const name of [
      '127.1',
      '0x7f000001',
      '0X7F.1',
      '2130706433',
      '017700000001',
      '0177.0.0.1',
      '1.2.3.4',
      'a.0x',
      'example.org.',
      'localhost.',
      '.',
      '',
      'a..b',
      '-a.b',
      'a b.c',
      'a@127.0.0.1',
      '::1',
      '[::1]',
      'a/b.c',
      `${'a'.repeat(64)}.org`
    ]) {
      expect(isHostName(name), name).to.equal(false)
      expect(nameFault(name), name).to.equal('malformed')
    }
    for (const name of [
      'localhost',
      'LocalHost',
      'a.localhost',
      'router',
      'ip6-localhost',
      'nas.local',
      'metadata.google.internal',
      'x.home.arpa'
    ]) {
      expect(isHostName(name), name).to.equal(true)
      expect(nameFault(name), name).to.equal('private')
    }
  })
})
