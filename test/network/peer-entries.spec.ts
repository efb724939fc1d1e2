import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import { Peer } from '../../node_modules/@libp2p/peer-store/dist/src/pb/peer.js'
import { PEER_STORE_LIMITS } from '../../src/network/limits.ts'
import { createPeerEntries, trimEntry } from '../../src/network/peer-entries.ts'

type Entry = Parameters<typeof Peer.encode>[0]

const address = (port: number, observed: number, isCertified = false) => ({
  multiaddr: multiaddr(`/ip4/127.0.0.1/tcp/${port}`).bytes,
  isCertified,
  observed
})

function entry(over: Partial<Entry> = {}): Uint8Array {
  return Peer.encode({ addresses: [], protocols: [], metadata: new Map(), tags: new Map(), updated: 1_700_000_000_000, ...over })
}

describe('network: peer entries', () => {
  it('leaves an honest entry as it is, and copies it', () => {
    const bytes = entry({
      addresses: [address(1, 5, true), address(2, 6)],
      protocols: ['/koii-mesh/hello/1', '/meshsub/1.2.0'],
      metadata: new Map([['AgentVersion', new Uint8Array(Buffer.from('koii-mesh'))]]),
      tags: new Map([['kad-peer', { value: 1 }]]),
      peerRecordEnvelope: new Uint8Array(300)
    })
    const slab = new Uint8Array(64 * 1024)
    slab.set(bytes, 1_000)
    const kept = trimEntry(slab.subarray(1_000, 1_000 + bytes.length), PEER_STORE_LIMITS)
    expect(kept).to.deep.equal(new Uint8Array(bytes))
    expect(kept?.buffer.byteLength).to.equal(bytes.length)
  })

  it('keeps the addresses that their peer signed, then the latest, of any number that others name', () => {
    const junk = Array.from({ length: 500 }, (_, at) => address(10_000 + at, 1_700_000_000_000 + at))
    const bytes = entry({ addresses: [...junk.slice(0, 250), address(7, 1, true), ...junk.slice(250)] })
    const { addresses } = Peer.decode(trimEntry(bytes, PEER_STORE_LIMITS) as Uint8Array)
    expect(addresses).to.have.length(PEER_STORE_LIMITS.addresses)
    const ports = addresses.map((one) => multiaddr(one.multiaddr).toString())
    expect(ports)
      .to.include('/ip4/127.0.0.1/tcp/7')
      .and.to.include('/ip4/127.0.0.1/tcp/10499')
      .and.not.to.include('/ip4/127.0.0.1/tcp/10000')
  })

  it('cuts everything else that a peer can say of itself', () => {
    const long = 'x'.repeat(1_000)
    const bytes = entry({
      protocols: [long, ...Array.from({ length: 400 }, (_, at) => `/junk/${at}`)],
      metadata: new Map([
        ['AgentVersion', new Uint8Array(4_000)],
        ...Array.from({ length: 40 }, (_, at) => [`m${at}`, new Uint8Array(9)] as const)
      ]),
      peerRecordEnvelope: new Uint8Array(7_000)
    })
    const kept = Peer.decode(trimEntry(bytes, PEER_STORE_LIMITS) as Uint8Array)
    expect(kept.protocols.length).to.be.at.most(PEER_STORE_LIMITS.protocols)
    expect(kept.protocols).not.to.include(long)
    expect(kept.metadata.size).to.be.at.most(PEER_STORE_LIMITS.facts)
    expect(kept.metadata.has('AgentVersion')).to.equal(false)
    expect(kept.peerRecordEnvelope).to.equal(undefined)
    expect(kept.updated).to.equal(1_700_000_000_000)
  })

  it('keeps nothing that is no entry', () => {
    for (const bytes of [new Uint8Array([10, 200]), new Uint8Array([10]), new Uint8Array(12).fill(0xff), new Uint8Array([9, 1])]) {
      expect(trimEntry(bytes, PEER_STORE_LIMITS)).to.equal(undefined)
    }
  })

  it('lets strangers push out strangers alone, and forgets who has no stake any more', () => {
    const staked = new Set(['staked'])
    const entries = createPeerEntries({ self: 'self', isKept: (peer) => staked.has(peer), limits: { strangerEntries: 10 } })
    for (const peer of ['self', 'staked', ...Array.from({ length: 300 }, (_, at) => `stranger${at}`)]) {
      entries.put(peer, entry({ protocols: ['/koii-mesh/hello/1'] }))
    }
    expect(entries.size).to.equal(12)
    expect([entries.get('self') != null, entries.get('staked') != null, entries.get('stranger299') != null]).to.deep.equal([
      true,
      true,
      true
    ])
    expect(entries.get('stranger0')).to.equal(undefined)

    // a tag alone is what is left when everything else has been forgotten
    expect(entries.put('stranger298', entry({ tags: new Map([['kad-peer', { value: 1 }]]) }))).to.equal(false)
    expect(entries.get('stranger298')).to.equal(undefined)

    staked.add('stranger299')
    entries.classify('stranger299')
    staked.delete('staked')
    entries.sweep(() => false)
    expect(entries.get('staked')).to.equal(undefined)
    expect(entries.get('stranger299')).not.to.equal(undefined)
    staked.delete('stranger299')
    entries.sweep((peer) => peer === 'stranger299')
    expect(entries.get('stranger299')).not.to.equal(undefined)
  })
})
