import type { Connection } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import { CONNECTION_LIMITS, createSlots, judgeSlot, type Peers } from '../../src/network/index.ts'

const facts = { banned: false, staked: false, total: 10, unstaked: 3, unstakedFromIp: 1 }
const limits = CONNECTION_LIMITS

describe('network: slots', () => {
  const rows: Array<[string, Partial<typeof facts>, string | undefined]> = [
    ['a stranger while there is room', {}, undefined],
    ['a stranger when the slots of the unstaked are taken', { unstaked: limits.unstakedSlots }, 'unstaked-full'],
    ['a staked peer when the slots of the unstaked are taken', { staked: true, unstaked: limits.unstakedSlots }, undefined],
    ['a fifth stranger from one address', { unstakedFromIp: limits.unstakedPerIp }, 'ip-full'],
    ['a staked peer from a crowded address', { staked: true, unstakedFromIp: 99 }, undefined],
    ['anybody when the house is full', { staked: true, total: limits.maxConnections }, 'full'],
    ['a peer that was cut', { banned: true, staked: true }, 'banned']
  ]
  for (const [name, over, says] of rows) {
    it(`${name}: ${says ?? 'let in'}`, () => {
      expect(judgeSlot({ ...facts, ...over }, limits)).to.equal(says)
    })
  }

  it('keeps most slots for stake', () => {
    expect(limits.unstakedSlots).to.be.at.most(limits.maxConnections / 2)
  })

  it('counts who is there, and turns strangers away at the door but no staker', async () => {
    const stakers = new Set<string>()
    const peers = { isStaked: (id: string) => stakers.has(id), isClaimed: () => false, isBanned: () => false } as unknown as Peers
    const slots = createSlots({ peers, limits, local: false })
    const address = multiaddr('/ip4/93.184.216.34/tcp/1')
    const peer = peerIdFromString('12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5')
    const denied = () => slots.gater.denyInboundEncryptedConnection!(peer, { remoteAddr: address } as never)
    for (let at = 0; at < limits.unstakedPerIp; at++) {
      expect(await denied()).to.equal(false)
      slots.opened({ id: String(at), remotePeer: { toString: () => `stranger ${at}` }, remoteAddr: address } as unknown as Connection)
    }
    expect(await denied()).to.equal(true)
    stakers.add(peer.toString())
    expect(await denied()).to.equal(false)
    stakers.clear()
    slots.closed({ id: '0' } as Connection)
    expect(await denied()).to.equal(false)
    expect(slots.counts()).to.deep.equal({ total: 3, unstaked: 3 })
  })

  it('dials private ranges only where the operator named them, or on a local mesh', async () => {
    const peers = { isBanned: () => false } as unknown as Peers
    const named = multiaddr('/ip4/10.0.0.1/tcp/1')
    const denies = async (local: boolean, text: string) =>
      createSlots({ peers, limits, local, allowed: [named] }).gater.denyDialMultiaddr!(multiaddr(text))
    expect(await denies(false, '/ip4/10.0.0.2/tcp/1')).to.equal(true)
    expect(await denies(false, '/ip4/10.0.0.1/tcp/1/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5')).to.equal(false)
    expect(await denies(false, '/ip4/93.184.216.34/tcp/1')).to.equal(false)
    expect(await denies(true, '/ip4/10.0.0.2/tcp/1')).to.equal(false)
  })
})
