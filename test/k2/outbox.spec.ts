import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { createK2Client, createOutbox, type FinalVote, type K2Client, type Outbox } from '../../src/k2/index.ts'
import { openStore, type Store } from '../../src/store/index.ts'
import { signerWith } from '../signer/signers.ts'
import { randomFrom } from '../sim/random.ts'
import { type Chain, eventually, failureOf, silent, startChain } from './chain.ts'
import { startFaultProxy } from './fault-proxy.ts'

const ballot = (cycle: number, fill = 1): FinalVote => ({
  cycle,
  root: Buffer.alloc(32, fill),
  recordDigest: Buffer.alloc(32, fill + 1),
  totalRewards: 0n
})

describe('k2: outbox', () => {
  let chain: Chain
  let dir: string
  let store: Store
  let outbox: Outbox
  let told: string[]
  let warned: string[]
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'koii-mesh-outbox-'))
    chain = await startChain({ dataDir: join(dir, 'k2') })
    store = openStore({ dir })
    told = []
    warned = []
  })
  afterEach(async () => {
    await outbox.stop()
    store.close()
    await chain.close()
    await rm(dir, { recursive: true })
  })

  const staker = () => chain.stakers[0]!
  /** What a process makes of the files that another left. */
  const open = (k2: K2Client = chain.client, slot: () => number | undefined = () => chain.k2.slot(), slotMs = 20) => {
    outbox = createOutbox({
      k2,
      signer: signerWith(staker(), store.signerLog),
      task: chain.task,
      timing: chain.timing,
      store: store.keyValue('outbox'),
      slot,
      slotMs: () => slotMs,
      log: Object.assign(Object.create(silent), { warn: (_: object, text: string) => warned.push(text) }),
      onVoted: ({ cycle }, sent) => told.push(`voted ${cycle} ${sent == null ? 'before' : 'now'}`),
      onLost: ({ cycle }) => told.push(`lost ${cycle}`)
    })
    return outbox
  }
  const restart = () => {
    store.close()
    store = openStore({ dir })
  }
  const waiting = () => store.keyValue('outbox').list()
  const settled = () => eventually('an outcome', () => (told.length > 0 ? told : undefined))

  it('brings a vote to K2 once, and forgets it', async () => {
    chain.toRound(2)
    await open().cast(ballot(0))
    await settled()
    expect(told).to.deep.equal(['voted 0 now'])
    expect(chain.votes).to.deep.equal([{ staker: staker().address, cycle: 0 }])
    expect((await chain.client.stake(chain.task, staker().address))?.lastVote?.cycle).to.equal(0)
    expect(await waiting()).to.deep.equal([])
    // the same again is no second vote, and no trouble
    await outbox.cast(ballot(0))
    await eventually('the second outcome', () => told[1])
    expect(told[1]).to.equal('voted 0 before')
    expect(chain.votes).to.have.length(1)
    expect(warned).to.deep.equal([])
  })

  it('killed before it was sent: the next process sends it', async () => {
    chain.toRound(2)
    const never: K2Client = { ...chain.client, broadcast: () => Promise.reject(new Error('the network is gone')) }
    await open(never).cast(ballot(0))
    expect(await waiting()).to.deep.equal(['vote/0'])
    await outbox.stop()
    restart()
    expect(chain.votes).to.deep.equal([])
    await open().resume()
    await settled()
    expect(told).to.deep.equal(['voted 0 now'])
    expect(chain.votes).to.have.length(1)
    expect(await waiting()).to.deep.equal([])
  })

  it('killed between the Signer’s log and its own: the next process sends what was promised, and not twice', async () => {
    chain.toRound(2)
    const [stuck, vote] = [open(), ballot(0)]
    const full = store.keyValue('outbox')
    await stuck.stop()
    // it is stopped, so that it keeps nothing; the promise stands all the same
    await stuck.cast(vote)
    expect(await full.list()).to.deep.equal([])
    restart()
    const promised = () =>
      store.signerLog
        .list(chain.task, 0)
        .filter(({ key }) => key === 'vote')
        .map(({ bytes }) => bytes)
    await open().resume(promised())
    await settled()
    expect(told).to.deep.equal(['voted 0 now'])
    expect((await chain.client.stake(chain.task, staker().address))?.lastVote?.recordDigest).to.deep.equal(
      new Uint8Array(vote.recordDigest)
    )
    await outbox.stop()
    restart()
    // a second time it is found on K2
    await open().resume(promised())
    await eventually('the second outcome', () => told[1])
    expect(told[1]).to.equal('voted 0 before')
    expect(chain.votes).to.have.length(1)
  })

  it('killed after it was sent, before the answer: the next process finds it there and does not vote twice', async () => {
    chain.toRound(2)
    const sent = Promise.withResolvers<void>()
    const deaf: K2Client = {
      ...chain.client,
      async broadcast(wire) {
        await chain.client.broadcast(wire)
        sent.resolve()
        return new Promise(() => {})
      }
    }
    await open(deaf).cast(ballot(0))
    await sent.promise
    // taken is not yet confirmed: a process that starts between the two sends the same transaction again
    const lookup = { task: chain.task, staker: staker().address, commitment: 'confirmed' } as const
    await eventually('the vote on K2', async () => (await chain.client.lastVote(lookup)).value ?? undefined)
    expect(await waiting()).to.deep.equal(['vote/0'])
    restart()
    await open().resume()
    await settled()
    // and knows it for its own
    expect(told).to.deep.equal(['voted 0 now'])
    expect(outbox.counters()).to.include({ signed: 0, sent: 0, landedTwice: 0, voted: 1 })
    expect(chain.votes).to.have.length(1)
    expect(await waiting()).to.deep.equal([])
  })

  it('K2 is away for a while: the vote waits for it', async () => {
    chain.toRound(2)
    const slot = chain.k2.slot()
    await chain.stop()
    await open(chain.client, () => slot).cast(ballot(0))
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(told).to.deep.equal([])
    expect(await waiting()).to.deep.equal(['vote/0'])
    await chain.start()
    await settled()
    expect(told).to.deep.equal(['voted 0 now'])
    expect(chain.votes).to.have.length(1)
  })

  it('says that a vote is lost once its window has closed', async () => {
    chain.toRound(3)
    await open().cast(ballot(0))
    await settled()
    expect(told).to.deep.equal(['lost 0'])
    expect(chain.votes).to.deep.equal([])
    expect(await waiting()).to.deep.equal([])
  })

  it('asks for next to nothing while K2 tells by itself what becomes of the vote', async () => {
    const proxy = await startFaultProxy({ target: chain.k2.url, random: randomFrom(1) })
    const client = createK2Client({ url: proxy.url })
    try {
      // a subscription that is up before the vote is sent
      const leave = client.watchTask(chain.task, () => {})
      await eventually('the WebSocket', () => leave.live() || undefined)
      chain.toRound(2)
      // whoever asks again by the clock does so in half a minute
      await open(client, () => chain.k2.slot(), 5000).cast(ballot(0))
      await settled()
      expect(told).to.deep.equal(['voted 0 now'])
      expect(proxy.requests()).to.deep.equal({ getLatestBlockhash: 1, sendTransaction: 1, getAccountInfo: 1 })
      expect(chain.votes).to.have.length(1)
      await outbox.stop()
      leave()
    } finally {
      client.close()
      await proxy.close()
    }
  })

  it('refuses a second, different vote for a cycle, also in another process', async () => {
    chain.toRound(2)
    await open().cast(ballot(0))
    await settled()
    expect((await failureOf(outbox.cast(ballot(0, 7)))).name).to.equal('ContradictionError')
    await outbox.stop()
    restart()
    expect((await failureOf(open().cast(ballot(0, 7)))).name).to.equal('ContradictionError')
    expect(await waiting()).to.deep.equal([])
    expect(chain.votes).to.have.length(1)
  })
})
