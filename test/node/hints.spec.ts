import { expect } from 'chai'
import { aboutBadHints, askInTurn, createAuditor, hintsOf, providerAt } from '../../src/node/index.ts'
import { ProofUnavailableError, type ProviderHint } from '../../src/proofs/index.ts'
import { HANGS_MS } from '../cpu.ts'
import { failure, Lab } from '../proofs/fixtures.ts'
import { hostileHints } from './hostile-hints.ts'

const PEER = '12D3KooWHFrmLWTTDD4NodngtRMEVYgxrsDMp4F9iSwYntZ9WjHa'
const stake = (staker: string, value: bigint, addressHint?: string) => ({ staker, amount: [{ value, from: 0 }], addressHint })

describe('node: where stakers are', () => {
  it('good hints are taken, the most stake first; bad ones are told of, and cost nobody else', () => {
    const good = `/ip4/203.0.113.7/tcp/1/p2p/${PEER}`
    const { from, bad } = hintsOf([
      stake('small', 1n, good.replace('tcp/1', 'tcp/2')),
      stake('none', 9n),
      stake('bad', 7n, 'foo\x1b[2J'),
      stake('large', 5n, good),
      stake('worse', 7n, '/ip4/203.0.113.7/tcp/1')
    ])
    expect(from).to.deep.equal([
      { peerId: PEER, multiaddrs: ['/ip4/203.0.113.7/tcp/1'] },
      { peerId: PEER, multiaddrs: ['/ip4/203.0.113.7/tcp/2'] }
    ])
    expect(bad.map(({ staker }) => staker)).to.deep.equal(['bad', 'worse'])
    expect(aboutBadHints(bad)).to.equal(
      'passed over the addresses of 2 stakers: bad: "foo\\x1b[2J" holds characters that cannot be seen; worse: "/ip4/203.0.113.7/tcp/1" does not name the peer: add its PeerId at the end, /p2p/12D3KooW...'
    )
    expect(aboutBadHints([])).to.equal(undefined)
    expect(aboutBadHints(Array.from({ length: 9 }, () => bad[0]!))).to.match(/; and 6 more$/)
  })

  it('a flag is refused in words that say what is wrong', () => {
    expect(() => providerAt('foo')).to.throw('"foo" is not a multiaddr')
    expect(() => providerAt('foo\x1b[2J')).to.throw('"foo\\x1b[2J" holds characters')
    expect(providerAt(`/dns4/${'a'.repeat(60)}.${'b'.repeat(60)}/tcp/1/p2p/${PEER}`).peerId).to.equal(PEER)
  })

  it('each is asked in turn, however many do not answer or do not have it', async () => {
    const hints: ProviderHint[] = Array.from({ length: 51 }, (_, i) => ({ peerId: `peer${i}` }))
    const asked: string[][] = []
    const reach = async (list: readonly ProviderHint[]) => list.filter(({ peerId }) => Number(peerId.slice(4)) % 10 === 0)
    const found = await askInTurn({ reach }, hints, 60_000, async (from) => {
      asked.push(from.map(({ peerId }) => peerId))
      if (from.every(({ peerId }) => peerId !== 'peer50')) {
        throw new ProofUnavailableError('cid', 'nobody has it')
      }
      return 'found'
    })
    expect(found).to.equal('found')
    expect(asked).to.deep.equal([['peer0', 'peer10'], ['peer20', 'peer30'], ['peer40'], ['peer50']])
    const none = await failure(
      askInTurn({ reach: async () => [] }, hints, 60_000, async (from) => {
        throw new ProofUnavailableError('cid', `asked ${from.length}`)
      })
    )
    expect(none.message).to.equal('asked 3')
    const broken = await failure(
      askInTurn({ reach }, hints, 60_000, async () => {
        throw new Error('the disk is full')
      })
    )
    expect(broken.message).to.equal('the disk is full')
  })

  describe('an auditor', function () {
    this.timeout(60_000)
    const lab = new Lab()
    afterEach(() => lab.end())

    it('reaches the good one, though others name it with addresses where it is not', async () => {
      const keeper = await lab.node()
      const { peerId, multiaddrs } = keeper.hint
      const address = String((multiaddrs as string[])[0]).replace(/\/p2p\/.*/, '')
      const good = { peerId, multiaddrs: [address] }
      const { from } = hintsOf([
        ...hostileHints(peerId).map((hint, i) => stake(`hostile${i}`, 2n, hint)),
        // who claims to be at the good one's address is not believed to be there
        stake('thief', 2n, `${address}/p2p/${PEER}`),
        stake('good', 1n, `${address}/p2p/${peerId}`)
      ])
      const auditor = await createAuditor()
      try {
        const startedMs = performance.now()
        expect(await auditor.reach(from, 2 * HANGS_MS)).to.deep.equal([good])
        expect(performance.now() - startedMs, 'not for as long as it may').to.be.below(HANGS_MS)
        const { cid } = await keeper.proofs.packNode({ hello: 'world' })
        expect((await auditor.proofs.fetch(cid, { from: [good], timeoutMs: HANGS_MS })).fromPeers).to.deep.equal([peerId])
      } finally {
        await auditor.stop()
      }
    })
  })
})
