import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { expect } from 'chai'
import { createPeers, MAX_BAD_SIGNATURES, type PeerChange, type Peers, type StakeView } from '../../src/network/index.ts'
import { type Message, seal } from '../../src/wire/index.ts'
import { keyOf, NETWORK, NOW, seed, signerOf, TIMING } from './mesh.ts'

const ids = new Map<string, { bytes: Uint8Array<ArrayBuffer>; text: string }>()
const alice = keyOf('alice').address
const bob = keyOf('bob').address

async function says(name: string, node: string, sequence: number, expirySlot = NOW + 100): Promise<Message> {
  const body = { cycle: 3, slot: NOW, announcement: { peerId: ids.get(node)!.bytes, multiaddrs: [], sequence, expirySlot } }
  return seal(body, NETWORK, signerOf(keyOf(name)))
}

function setUp(over: { stakes?: StakeView; slot?: () => number | undefined; now?: () => number } = {}): {
  peers: Peers
  changes: PeerChange[]
} {
  const peers = createPeers({ stakes: { weight: () => 1n }, timing: TIMING, slot: () => NOW, ...over })
  const changes: PeerChange[] = []
  peers.onChange((change) => changes.push(change))
  return { peers, changes }
}

const id = (node: string) => ids.get(node)!.text

describe('network: peers', () => {
  before(async () => {
    for (const node of ['one', 'two']) {
      const peerId = peerIdFromPrivateKey(await generateKeyPairFromSeed('Ed25519', seed(`node/${node}`)))
      ids.set(node, { bytes: new Uint8Array(peerId.toMultihash().bytes), text: peerId.toString() })
    }
  })

  it('admits who says hello with stake, and not who is only talked about', async () => {
    const { peers, changes } = setUp()
    expect(peers.claim(await says('alice', 'one', 1))).to.equal(undefined)
    expect([peers.isStaked(id('one')), peers.isClaimed(id('one')), peers.stakerOf(id('one'))]).to.deep.equal([false, true, undefined])
    peers.confirm(await says('alice', 'one', 1))
    expect([peers.isStaked(id('one')), peers.stakerOf(id('one'))]).to.deep.equal([true, alice])
    expect(changes).to.deep.equal([{ peerId: id('one'), staker: alice, admitted: true }])
  })

  it('binds a staker to its latest PeerId only', async () => {
    const { peers, changes } = setUp()
    peers.confirm(await says('alice', 'one', 1))
    peers.confirm(await says('alice', 'two', 2))
    expect([peers.isStaked(id('one')), peers.isStaked(id('two'))]).to.deep.equal([false, true])
    expect(peers.confirm(await says('alice', 'one', 1))).to.equal('stale')
    expect(peers.isStaked(id('one'))).to.equal(false)
    expect(changes.map(({ admitted }) => admitted)).to.deep.equal([true, false, true])
  })

  it('unbinds the old PeerId when the staker gossips a later announcement of another', async () => {
    const { peers } = setUp()
    peers.confirm(await says('alice', 'one', 1))
    peers.claim(await says('alice', 'two', 2))
    expect([peers.isStaked(id('one')), peers.isStaked(id('two'))]).to.deep.equal([false, false])
  })

  it('binds a PeerId to one staker only, and lets nobody take it by talk', async () => {
    const { peers } = setUp()
    peers.confirm(await says('alice', 'one', 1))
    peers.claim(await says('bob', 'one', 9))
    expect([peers.stakerOf(id('one')), peers.isStaked(id('one'))]).to.deep.equal([alice, true])
    peers.confirm(await says('bob', 'one', 9))
    expect([peers.stakerOf(id('one')), peers.bindingOf(alice)]).to.deep.equal([bob, undefined])
  })

  it('keeps a confirmed peer in when its renewed announcement comes by gossip', async () => {
    const { peers, changes } = setUp()
    peers.confirm(await says('alice', 'one', 1))
    peers.claim(await says('alice', 'one', 2, NOW + 200))
    expect(peers.bindingOf(alice)).to.include({ sequence: 2, expirySlot: NOW + 200, confirmed: true })
    expect(changes).to.have.length(1)
  })

  it('lets go of a peer whose announcement expired or whose stake is gone', async () => {
    let slot = NOW
    let stake = 1n
    const { peers } = setUp({ slot: () => slot, stakes: { weight: () => stake } })
    peers.confirm(await says('alice', 'one', 1, NOW + 10))
    slot = NOW + 10
    peers.refresh()
    expect(peers.isStaked(id('one'))).to.equal(true)
    slot = NOW + 11
    peers.refresh()
    expect(peers.isStaked(id('one'))).to.equal(false)
    expect(peers.confirm(await says('alice', 'one', 2, NOW + 10))).to.equal('expired')
    peers.confirm(await says('bob', 'two', 1))
    expect(peers.isStaked(id('two'))).to.equal(true)
    stake = 0n
    peers.refresh()
    expect(peers.isStaked(id('two'))).to.equal(false)
  })

  it('neither admits nor drops a peer while K2 is out of sight', async () => {
    let known = true
    const { peers } = setUp({ slot: () => (known ? NOW : undefined), stakes: { weight: () => (known ? 1n : undefined) } })
    peers.confirm(await says('alice', 'one', 1))
    known = false
    peers.refresh()
    peers.confirm(await says('bob', 'two', 1))
    expect([peers.isStaked(id('one')), peers.isStaked(id('two'))]).to.deep.equal([true, false])
    known = true
    peers.refresh()
    expect(peers.isStaked(id('two'))).to.equal(true)
  })

  it('cuts a peer at the wrong signature that is one too many, its staker with it, for half an hour', async () => {
    let now = 0
    const { peers } = setUp({ now: () => now })
    const cut: string[] = []
    peers.onBan((peerId) => cut.push(peerId))
    peers.confirm(await says('alice', 'one', 1))
    for (let at = 1; at < MAX_BAD_SIGNATURES; at++) {
      expect(peers.strike(id('one'))).to.equal(false)
    }
    expect(peers.strike(id('one'))).to.equal(true)
    expect([peers.isStaked(id('one')), peers.isBanned(id('one')), cut]).to.deep.equal([false, true, [id('one')]])
    expect(peers.confirm(await says('alice', 'two', 2))).to.equal('banned')
    now = 31 * 60_000
    expect(peers.confirm(await says('alice', 'two', 2))).to.equal(undefined)
    expect(peers.isStaked(id('two'))).to.equal(true)
  })

  it('counts strikes for the staker, so that a new PeerId brings no new allowance', async () => {
    const { peers } = setUp()
    peers.confirm(await says('alice', 'one', 1))
    for (let at = 1; at < MAX_BAD_SIGNATURES; at++) {
      peers.strike(id('one'))
    }
    peers.confirm(await says('alice', 'two', 2))
    expect(peers.strike(id('two'))).to.equal(true)
  })

  it('binds no more keys than it can keep while K2 is not read, and keeps those that have stake', async () => {
    let known = new Set<string>()
    const { peers } = setUp({ stakes: { weight: () => undefined, isStaked: (staker) => (known.has(staker) ? true : undefined) } })
    known = new Set([alice])
    peers.claim(await says('alice', 'one', 1))
    for (let at = 0; at < 4_200; at++) {
      peers.claim(await says(`stranger-${at}`, 'two', 1))
    }
    expect(peers.bindings()).to.have.length(4_096)
    expect(peers.bindingOf(alice)?.peerId).to.equal(id('one'))
    expect(peers.bindingOf(keyOf('stranger-4199').address)).not.to.equal(undefined)
  })
})
