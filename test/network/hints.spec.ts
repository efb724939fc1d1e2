import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import fc from 'fast-check'
import { type Candidate, nextBatch } from '../../src/network/candidates.ts'
import { judgeAddress, parseAddress, readHint, usableAddresses } from '../../src/network/index.ts'
import { hostileHints } from '../node/hostile-hints.ts'

const PEER = '12D3KooWHFrmLWTTDD4NodngtRMEVYgxrsDMp4F9iSwYntZ9WjHa'

describe('network: address hints', () => {
  it('of a node are an address over TCP and its PeerId', () => {
    for (const address of [
      '/ip4/203.0.113.7/tcp/4001',
      '/ip6/2001:db8::1/tcp/4001/ws',
      '/dns4/node.example/tcp/443/tls/ws',
      '/dns/a_b.c/tcp/1'
    ]) {
      const read = readHint(`${address}/p2p/${PEER}`)
      expect('fault' in read ? read.fault : [read.address.toString(), read.peerId]).to.deep.equal([address, PEER])
    }
  })

  it('of others are read or refused in words, whatever they are', () => {
    const rows: Array<[text: string, says: RegExp]> = [
      ['foo', /^is not a multiaddr/],
      ['/ip4/203.0.113.7/tcp/4001', /^does not name the peer/],
      [`/p2p/${PEER}/ip4/203.0.113.7/tcp/1`, /^does not name the peer/],
      ['/ip4/203.0.113.7/tcp/4001/p2p/garbage', /^has "garbage" for a PeerId/],
      [`/ip4/1.2.3.4/tcp/1/p2p-circuit/p2p/${PEER}`, /^leads over another peer/],
      [`/ip4/203.0.113.7/tcp/0/p2p/${PEER}`, /^has no port/],
      [`/ip4/203.0.113.7/tcp/65536/p2p/${PEER}`, /^is not a multiaddr/],
      [`/ip4/203.0.113.7/udp/1/quic-v1/p2p/${PEER}`, /^is not an address over TCP/],
      [`/unix/x/p2p/${PEER}`, /^is not an address over TCP/],
      [`/dns4/a b/tcp/1/p2p/${PEER}`, /^has "a b" for a host/],
      [`/dns4/a\u202eb/tcp/1/p2p/${PEER}`, /^holds characters that cannot be seen/],
      [`/dns4/${'a'.repeat(100)}/tcp/1/p2p/${PEER}`, /^has 169 bytes.*at most 127/],
      ['', /^does not name the peer/]
    ]
    for (const [text, says] of rows) {
      const read = readHint(text)
      expect('fault' in read ? read.fault : 'none', JSON.stringify(text)).to.match(says)
    }
    expect(hostileHints(PEER)).to.have.length(50)
    expect(hostileHints(PEER).filter((text) => !('fault' in readHint(text))).length).to.be.below(9)
  })

  const parts = fc.constantFrom('ip4', 'ip6', 'dns4', 'tcp', 'ws', 'tls', 'sni', 'p2p', 'p2p-circuit', 'unix', 'http-path', 'onion3', 'ipcidr', '%', '\0', '127.0.0.1', '0x7f000001', '1', '65536', PEER, '%E0%A4%A', '') // biome-ignore format: a list
  const anyText = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.array(parts, { maxLength: 12 }).map((list) => `/${list.join('/')}`),
    fc.uint8Array({ maxLength: 127 }).map((bytes) => Buffer.from(bytes).toString())
  )

  it('no text makes a reader throw', () => {
    fc.assert(
      fc.property(anyText, fc.boolean(), (text, local) => {
        const read = readHint(text)
        expect('fault' in read ? typeof read.fault : read.address.toString()).to.be.a('string')
        parseAddress(text, { local, own: [multiaddr('/ip4/127.0.0.1/tcp/1')] })
      }),
      { numRuns: 2000 }
    )
  })

  it('no bytes make a reader throw', () => {
    const codes = fc.constantFrom([4, 127, 0, 0, 1], [6, 0, 1], [54, 2, 255, 254], [0xa5, 3, 2, 1, 2], [0xe1, 3, 1, 37], [144, 3, 1, 37], [0xc1, 3, 1, 200]) // biome-ignore format: a list
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.array(codes, { maxLength: 6 }).map((list) => Uint8Array.from(list.flat()))
    )
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 8 }), fc.boolean(), (list, local) => {
        for (const address of usableAddresses(list, { local })) {
          expect(judgeAddress(address, { local })).to.equal(undefined)
          expect(address.toString()).to.be.a('string')
        }
      }),
      { numRuns: 2000 }
    )
  })

  it('an address that cannot be taken apart is malformed', () => {
    const broken = new Proxy(multiaddr('/ip4/1.2.3.4/tcp/1'), {
      get: () => {
        throw new URIError('URI malformed')
      }
    })
    expect(judgeAddress(broken, { local: true })).to.equal('malformed')
  })

  it('two addresses of one peer are dialled one after the other, those of others at once', () => {
    const candidate = (key: string, peer?: string): Candidate => ({ key, ...(peer == null ? {} : { peer }), addresses: [], source: 'hint' })
    const rest = [
      ...['a1', 'a2', 'a3'].map((key) => candidate(key, 'a')),
      ...['b1', 'b2'].map((key) => candidate(key, 'b')),
      ...Array.from({ length: 7 }, (_, i) => candidate(`x${i}`))
    ]
    const batches: string[] = []
    while (rest.length > 0) {
      batches.push(
        nextBatch(rest)
          .map(({ key }) => key)
          .join(' ')
      )
    }
    expect(batches).to.deep.equal(['a1 b1 x0 x1 x2 x3 x4 x5', 'a2 b2 x6', 'a3'])
  })
})
