import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import { type AddressFault, parseAddress, usableAddresses } from '../../src/network/index.ts'

const ROWS: Array<{ text: string; local: AddressFault | 'ok'; public: AddressFault | 'ok' }> = [
  { text: '/ip4/93.184.216.34/tcp/4001', local: 'ok', public: 'ok' },
  { text: '/ip4/93.184.216.34/tcp/4001/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5', local: 'ok', public: 'ok' },
  { text: '/dns4/example.org/tcp/443/tls/ws', local: 'ok', public: 'ok' },
  { text: '/ip6/2606:2800:220:1:248:1893:25c8:1946/tcp/4001/ws', local: 'ok', public: 'ok' },
  { text: '/ip4/127.0.0.1/tcp/4001', local: 'ok', public: 'private' },
  { text: '/ip4/192.168.1.7/tcp/4001', local: 'ok', public: 'private' },
  { text: '/ip4/10.0.0.1/tcp/4001', local: 'ok', public: 'private' },
  { text: '/ip4/169.254.10.10/tcp/4001', local: 'ok', public: 'private' },
  { text: '/ip4/0.0.0.0/tcp/4001', local: 'ok', public: 'private' },
  { text: '/ip6/::1/tcp/4001', local: 'ok', public: 'private' },
  { text: '/dns4/localhost/tcp/4001', local: 'ok', public: 'private' },
  { text: '/ip4/127.0.0.1/tcp/9999', local: 'own', public: 'own' },
  { text: '/ip4/93.184.216.34/udp/4001/quic-v1', local: 'not-tcp', public: 'not-tcp' },
  { text: '/ip4/93.184.216.34/tcp/4001/p2p-circuit', local: 'not-tcp', public: 'not-tcp' },
  { text: '/memory/x', local: 'not-tcp', public: 'not-tcp' },
  { text: '/ip4/93.184.216.34/tcp/0', local: 'no-port', public: 'no-port' },
  { text: 'http://example.org', local: 'malformed', public: 'malformed' },
  { text: '', local: 'not-tcp', public: 'not-tcp' },
  { text: `/dns4/${'a'.repeat(300)}/tcp/1`, local: 'too-long', public: 'too-long' }
]

describe('network: addresses', () => {
  const own = [multiaddr('/ip4/127.0.0.1/tcp/9999/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5')]
  for (const row of ROWS) {
    it(`${row.text.slice(0, 60) || 'nothing'}: ${row.local} on a local mesh, ${row.public} elsewhere`, () => {
      const says = (local: boolean) => {
        const parsed = parseAddress(row.text, { local, own })
        return 'fault' in parsed ? parsed.fault : 'ok'
      }
      expect([says(true), says(false)]).to.deep.equal([row.local, row.public])
    })
  }

  it('keeps of binary addresses what may be dialled, without PeerIds', () => {
    const bytes = ['/ip4/93.184.216.34/tcp/1', '/ip4/10.0.0.1/tcp/1', '/ip4/93.184.216.34/udp/1'].map((text) => multiaddr(text).bytes)
    expect(usableAddresses([...bytes, new Uint8Array([255, 255])], { local: false }).map(String)).to.deep.equal([
      '/ip4/93.184.216.34/tcp/1'
    ])
  })
})
