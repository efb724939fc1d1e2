import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { signEd25519 } from '../../src/identity/index.ts'
import { createK2Client, createOutbox, type K2Client, type Outbox, VOTES_IN_TRANSACTION } from '../../src/k2/index.ts'
import { vote, voteBatch, voteMessage } from '../../src/k2/settlement/index.ts'
import { openStore, type Store } from '../../src/store/index.ts'
import { signerWith } from '../signer/signers.ts'
import { randomFrom } from '../sim/random.ts'
import { type Chain, eventually, failureOf, signerOf, silent, startChain } from './chain.ts'
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts'

const MAX_FEE = 50_000n
const SIGNATURE_ROE = 5000n
const ballot = { cycle: 0, root: Buffer.alloc(32, 1), recordDigest: Buffer.alloc(32, 2), totalRewards: 0n }

/** A busy chain: what bids less than a price is taken by the endpoint and never lands. */
describe('k2: bids of what does not land', () => {
  let chain: Chain
  let proxy: FaultProxy
  let client: K2Client
  let dir: string
  let store: Store
  let outbox: Outbox | undefined
  let told: string[]
  let fees: bigint[]
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'koii-mesh-bids-'))
    chain = await startChain({ roundSlots: 4000, stakers: VOTES_IN_TRANSACTION })
    proxy = await startFaultProxy({ target: chain.k2.url, random: randomFrom(1) })
    client = open(MAX_FEE)
    store = openStore({ dir })
    told = []
    fees = []
    chain.toRound(2)
    chain.k2.events.on('transaction', ({ fee }) => fees.push(fee))
  })
  afterEach(async () => {
    await outbox?.stop()
    outbox = undefined
    client.close()
    store.close()
    await proxy.close()
    await chain.close()
    await rm(dir, { recursive: true })
  })
  const open = (maxFeeRoe: bigint) => createK2Client({ url: proxy.url, maxFeeRoe, random: randomFrom(2) })
  const cast = (maxFeeRoe: bigint) => {
    outbox = createOutbox({
      k2: client,
      signer: signerWith(chain.stakers[0]!, store.signerLog),
      task: chain.task,
      timing: chain.timing,
      store: store.keyValue('outbox'),
      slot: () => chain.k2.slot(),
      slotMs: () => 20,
      log: silent,
      maxFeeRoe,
      onVoted: (_vote, sent) => told.push(sent == null ? 'voted by others' : 'voted by us'),
      onLost: (_vote, reason) => told.push(reason)
    })
    return outbox.cast(ballot)
  }
  const outcome = () => eventually('an outcome', () => (told.length > 0 ? told : undefined))

  it('a vote bids nothing while it lands', async () => {
    await cast(MAX_FEE)
    await outcome()
    expect(told).to.deep.equal(['voted by us'])
    expect(fees).to.deep.equal([SIGNATURE_ROE])
    expect(outbox!.counters()).to.include({ signed: 1, bids: 0 })
  })

  it('a vote bids step by step until it lands, once', async () => {
    proxy.set({ dropBelowPrice: 60_000n })
    await cast(MAX_FEE)
    await outcome()
    expect(told).to.deep.equal(['voted by us'])
    expect(chain.votes).to.have.length(1)
    // 10,000, 20,000, 40,000 and 80,000 micro-lamports for each of 30,000 units
    expect(fees).to.deep.equal([SIGNATURE_ROE + 2400n])
    expect(outbox!.counters()).to.include({ signed: 5, bids: 4, landedTwice: 0 })
  })

  it('a vote never pays more than is allowed, and is sent on at that', async () => {
    proxy.set({ dropBelowPrice: 10n ** 9n })
    await cast(MAX_FEE)
    await eventually('the largest bid', () => (outbox!.counters().bids >= 8 ? true : undefined))
    const { sent } = outbox!.counters()
    await eventually('more sends', () => (outbox!.counters().sent > sent + 2 ? true : undefined))
    expect(outbox!.counters().bids).to.be.within(8, 9)
    proxy.set({})
    await outcome()
    expect(told).to.deep.equal(['voted by us'])
    expect(fees).to.have.length(1)
    expect(fees[0]! <= SIGNATURE_ROE + MAX_FEE && fees[0]! > SIGNATURE_ROE + MAX_FEE - 100n, `${fees[0]}`).to.equal(true)
  })

  it('with nothing allowed nothing is bid', async () => {
    proxy.set({ dropBelowPrice: 1n })
    await cast(0n)
    await eventually('sends', () => (outbox!.counters().sent >= 5 ? true : undefined))
    expect(outbox!.counters()).to.include({ signed: 1, bids: 0 })
  })

  it('a batch bids alike, fits into a transaction with its bid, and names the one that landed', async () => {
    proxy.set({ dropBelowPrice: 5000n })
    const votes = chain.stakers.map((pair) => ({
      staker: pair.address,
      stakingKey: pair.address,
      signature: signEd25519(voteMessage({ task: chain.task, ...ballot }), pair.secretKey)
    }))
    const sent = await client.send(voteBatch({ task: chain.task, ...ballot, votes }), [signerOf(chain.wallet)])
    expect(fees).to.deep.equal([6n * SIGNATURE_ROE + 300n])
    expect(sent.bytes).to.be.at.most(1232)
    expect((await client.statuses([sent.signature]))[0]?.failed).to.equal(false)
    for (const { address } of chain.stakers) {
      expect((await client.stake(chain.task, address))?.lastVote?.cycle).to.equal(0)
    }
  }).timeout(60_000)

  it('what K2 refuses is refused, bids or not', async () => {
    const late = vote({ task: chain.task, stakingKey: chain.stakers[0]!.address, ...ballot, cycle: 7 })
    expect((await failureOf(client.send([late], [signerOf(chain.stakers[0]!)]))).name).to.match(/Error$/)
    expect(fees).to.deep.equal([])
  })
})
