import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import type { StakeWeights } from '../../src/judge/index.ts'
import { createPeers, MAX_BAD_SIGNATURES, type PeerChange, type Peers } from '../../src/network/index.ts'
import { CUTS_FORGOTTEN_MS } from '../../src/network/limits.ts'
import { seal } from '../../src/wire/index.ts'
import { keyOf, NETWORK, NOW, seed, signerOf, TIMING } from './mesh.ts'

const ids = new Map<string, { bytes: Uint8Array<ArrayBuffer>; text: string }>()
const alice = keyOf('alice').address
const bob = keyOf('bob').address

async function says(
  name: string,
  node: string,
  sequence: number,
  expirySlot = NOW + 100,
  slot = NOW,
  multiaddrs: Uint8Array<ArrayBuffer>[] = []
) {
  const body = { cycle: 3, slot, announcement: { peerId: ids.get(node)!.bytes, multiaddrs, sequence, expirySlot } }
  return seal(body, NETWORK, signerOf(keyOf(name)))
}

function setUp(over: { stakes?: StakeWeights; slot?: () => number | undefined; now?: () => number } = {}): {
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

  it('keeps a place for a PeerId that a hint on K2 names, while its staker has stake, and reads past hints that are none', () => {
    const hints = [
      { staker: bob, address: 'nonsense' },
      { staker: alice, address: `/ip4/93.184.216.34/tcp/4001/p2p/${id('one')}` }
    ]
    const weights = new Map([[alice, 1n]])
    const peers = createPeers({
      stakes: { weight: (staker) => weights.get(staker) ?? 0n },
      timing: TIMING,
      slot: () => NOW,
      hints: () => hints
    })
    expect(peers.isClaimed(id('one'))).to.equal(false)
    peers.refresh()
    expect([peers.isClaimed(id('one')), peers.isClaimed(id('two')), peers.isStaked(id('one'))]).to.deep.equal([true, false, false])
    hints[1]!.address = `/ip4/93.184.216.34/tcp/4001/p2p/${id('two')}`
    peers.refresh()
    expect([peers.isClaimed(id('one')), peers.isClaimed(id('two'))]).to.deep.equal([false, true])
    // named by one without stake too, which takes nothing from it
    hints.push({ staker: bob, address: hints[1]!.address })
    peers.refresh()
    expect(peers.isClaimed(id('two'))).to.equal(true)
    weights.clear()
    expect(peers.isClaimed(id('two'))).to.equal(false)
  })

  it('cuts who sends too much for longer each time, and forgets it when it has long been good', async () => {
    let nowMs = 0
    const { peers } = setUp({ now: () => nowMs })
    peers.confirm(await says('alice', 'one', 1))
    const lasts = () => {
      peers.cut(id('one'), 'too many frames')
      expect(peers.isStaked(id('one'))).to.equal(false)
      const from = nowMs
      while (peers.isBanned(id('one'))) {
        nowMs += 1_000
      }
      return (nowMs - from) / 1_000
    }
    expect([lasts(), lasts(), lasts()]).to.deep.equal([30, 60, 120])
    for (let at = 0; at < 8; at++) {
      lasts()
    }
    expect(lasts()).to.equal(1_800)
    nowMs += CUTS_FORGOTTEN_MS
    expect(lasts()).to.equal(30)
  })

  it('shortens no ban by a cut', async () => {
    let nowMs = 0
    const { peers } = setUp({ now: () => nowMs })
    peers.ban(id('one'), 'wrong signatures')
    peers.cut(id('one'), 'too many frames')
    nowMs = 60_000
    expect(peers.isBanned(id('one'))).to.equal(true)
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

  describe('a wall clock that was wrong once', () => {
    const WRONG = Date.UTC(2099)
    const RIGHT = Date.UTC(2026)
    const at = (byte: number) => [multiaddr(`/ip4/127.0.0.1/tcp/${byte}`).bytes]
    const portOf = (peers: Peers) => multiaddr(peers.bindingOf(alice)!.multiaddrs[0]!).toString().split('/').pop()

    it('keeps nobody from its own PeerId, and from its new address', async () => {
      for (const later of [0, 1]) {
        let slot = NOW
        const { peers } = setUp({ slot: () => slot })
        peers.confirm(await says('alice', 'one', WRONG, NOW + 100, slot, at(1)))
        slot += later
        expect(peers.confirm(await says('alice', 'one', RIGHT, NOW + 100, slot, at(2)))).to.equal(undefined)
        expect([portOf(peers), peers.bindingOf(alice)?.sequence]).to.deep.equal(['2', RIGHT])
      }
    })

    it('keeps nobody from a new PeerId, in a hello and by gossip', async () => {
      for (const take of ['confirm', 'claim'] as const) {
        let slot = NOW
        const { peers } = setUp({ slot: () => slot })
        peers.confirm(await says('alice', 'one', WRONG))
        slot += 1
        expect(peers[take](await says('alice', 'two', RIGHT, NOW + 100, slot))).to.equal(undefined)
        expect(peers.bindingOf(alice)?.peerId).to.equal(id('two'))
        expect(peers.confirm(await says('alice', 'one', WRONG))).to.equal('stale')
      }
    })

    it('decides nothing within one slot, either', async () => {
      const { peers } = setUp()
      peers.confirm(await says('alice', 'one', WRONG))
      expect(peers.confirm(await says('alice', 'two', RIGHT))).to.equal(undefined)
      expect(peers.claim(await says('alice', 'one', WRONG))).to.equal('stale')
    })

    it('on our side judges by the numbers alone', async () => {
      const { peers } = setUp({ now: () => 0 })
      peers.confirm(await says('alice', 'one', RIGHT))
      expect(peers.confirm(await says('alice', 'two', RIGHT - 1))).to.equal('stale')
      expect(peers.confirm(await says('alice', 'two', RIGHT + 1))).to.equal(undefined)
    })

    it('makes no ban last', async () => {
      let now = WRONG
      const { peers } = setUp({ now: () => now })
      peers.ban(id('one'), 'test')
      expect(peers.isBanned(id('one'))).to.equal(true)
      now = RIGHT
      expect(peers.isBanned(id('one'))).to.equal(false)
    })
  })

  it('a slot of the far future wins for no longer than the present one', async () => {
    let slot = NOW
    const { peers } = setUp({ slot: () => slot })
    peers.claim(await says('alice', 'one', 1, NOW + 200, NOW + 190))
    expect(peers.bindingOf(alice)?.saidSlot).to.equal(NOW)
    slot += 1
    expect(peers.claim(await says('alice', 'two', 1, NOW + 100, slot))).to.equal(undefined)
    expect(peers.bindingOf(alice)?.peerId).to.equal(id('two'))
  })

  it('believes nothing for more than eight rounds', async () => {
    const { peers } = setUp()
    const longest = NOW + 8 * TIMING.roundSlots
    for (const expirySlot of [longest + 1, NOW + 1_000_000, Number.MAX_SAFE_INTEGER]) {
      expect(peers.confirm(await says('alice', 'one', 1, expirySlot))).to.equal('too-long')
      expect(peers.claim(await says('alice', 'one', 1, expirySlot, expirySlot - 10))).to.equal('too-long')
    }
    expect(peers.bindingOf(alice)).to.equal(undefined)
    expect(peers.confirm(await says('alice', 'one', 1, longest))).to.equal(undefined)
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
