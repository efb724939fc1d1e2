import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { expect } from 'chai'
import { createPeers, type Peers } from '../../../src/network/index.ts'
import type { Message } from '../../../src/wire/index.ts'
import { seed } from '../../network/mesh.ts'

const ROUND = 1_500
const Y2099 = Date.UTC(2099)

describe('case: a wall clock that was wrong once', () => {
  let slot: number
  let peers: Peers
  beforeEach(() => {
    slot = 1_000
    peers = createPeers({
      stakes: { isStaked: () => true, weight: () => 1n },
      timing: { startingSlot: 0, roundSlots: ROUND, submissionWindow: 500, auditWindow: 700 },
      slot: () => slot
    })
  })

  async function say(node: string, sequence: number, expirySlot = slot + 4 * ROUND): Promise<Message> {
    const peerId = peerIdFromPrivateKey(await generateKeyPairFromSeed('Ed25519', seed(node)))
    const announcement = {
      peerId: new Uint8Array(peerId.toMultihash().bytes),
      multiaddrs: [new Uint8Array([sequence % 7])],
      sequence,
      expirySlot
    }
    return { signer: 'alice', body: { slot, announcement } } as unknown as Message
  }

  it('locks a node out of neither its new address nor its new PeerId', async () => {
    const now = Date.now()
    expect(peers.confirm(await say('one', Y2099))).to.equal(undefined)
    expect(peers.confirm(await say('one', now))).to.equal(undefined)
    expect(peers.bindingOf('alice')?.multiaddrs[0]?.[0]).to.equal(now % 7)
    const was = peers.bindingOf('alice')?.peerId
    expect(peers.confirm(await say('two', now + 1))).to.equal(undefined)
    expect(peers.bindingOf('alice')?.peerId).not.to.equal(was)
  })

  it('nor from what it says later', async () => {
    peers.confirm(await say('one', Y2099))
    slot += 1
    expect(peers.claim(await say('two', Date.now()))).to.equal(undefined)
    slot += 4 * ROUND
    peers.refresh()
    expect(peers.bindingOf('alice')?.sequence).to.be.lessThan(Y2099)
  })

  it('nothing is believed for ever', async () => {
    expect(peers.confirm(await say('one', Date.now(), Number.MAX_SAFE_INTEGER))).to.equal('too-long')
    expect(peers.bindingOf('alice')).to.equal(undefined)
  })
})
