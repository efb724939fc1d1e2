import { expect } from 'chai'
import { generateKeyPair } from '../../src/identity/index.ts'
import { createK2Client, messageOf } from '../../src/k2/index.ts'
import { fundTask, vote as voteInstruction } from '../../src/k2/settlement/index.ts'
import { BUNDLE, type Chain, failureOf, KOII, signerOf, startChain } from './chain.ts'

describe('k2: client', () => {
  let chain: Chain
  before(async () => {
    chain = await startChain()
  })
  after(() => chain.close())

  const ballot = (staker: string, cycle: number) =>
    voteInstruction({
      task: chain.task,
      stakingKey: staker,
      cycle,
      root: Buffer.alloc(32, 1),
      recordDigest: Buffer.alloc(32, 2),
      totalRewards: 0n
    })

  it('reads tasks and stakes as the program wrote them', async () => {
    const task = await chain.client.task(chain.task)
    expect(task).to.include({ address: chain.task, name: 'test', stakerCount: 3, roundSlots: 100 })
    expect(task.bundle.cid).to.equal(BUNDLE)
    expect((await chain.client.tasks()).map(({ address }) => address)).to.deep.equal([chain.task])
    const stakes = await chain.client.stakes(chain.task)
    expect(stakes.map(({ staker }) => staker).sort()).to.deep.equal(chain.stakers.map(({ address }) => address).sort())
    expect((await chain.client.stake(chain.task, chain.stakers[0]!.address))?.amount[0]?.value).to.equal(10n * KOII)
    expect(await chain.client.stake(chain.task, generateKeyPair().address)).to.equal(undefined)
  })

  it('that was closed asks nothing any more, and what is under way fails at once', async () => {
    const { createServer } = await import('node:net')
    const mute = createServer((socket) => socket.on('error', () => {}))
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
    const { port } = mute.address() as { port: number }
    const client = createK2Client({ url: `http://127.0.0.1:${port}`, timeoutMs: 2 ** 30 })
    const asked = new Promise((resolve) => mute.once('connection', resolve))
    const [failed] = await Promise.all([failureOf(client.genesisHash()), asked.then(() => client.close())])
    expect(failed.name).to.equal('K2UnreachableError')
    expect((await failureOf(client.task(chain.task))).message).to.include('was closed')
    mute.close()
  })

  it('says what is wrong with an account', async () => {
    const nobody = generateKeyPair().address
    expect(await failureOf(chain.client.task(nobody))).to.include({ name: 'K2AccountError' })
    const wallet = await failureOf(chain.client.task(chain.wallet.address))
    expect(wallet.name).to.equal('K2AccountError')
    expect(wallet.message).to.match(/is not a task of the settlement program .* --program/)
    for (const wrong of [() => chain.client.task('x'), () => chain.client.stakes('x'), () => chain.client.stake(chain.task, 'x')]) {
      expect((await failureOf(wrong())).name).to.equal('K2ArgumentError')
    }
    expect(() => createK2Client({ url: 'somewhere' })).to.throw('"somewhere" is not the URL')
    expect(() => createK2Client({ url: chain.client.url, programId: 'x' })).to.throw('--program')
  })

  it('names a dead endpoint, one that hangs, and what to do', async () => {
    const dead = await failureOf(createK2Client({ url: 'http://127.0.0.1:1' }).genesisHash())
    expect(dead.name).to.equal('K2UnreachableError')
    expect(dead.message).to.match(/http:\/\/127\.0\.0\.1:1 does not answer.*--k2/)
    // a node that runs tells what is so, and not what a command may do about it
    expect(messageOf(dead)).to.match(/^K2 at http:\/\/127\.0\.0\.1:1 does not answer \([^:]*(:\d+)?[^:]*\)$/)
    const { createServer } = await import('node:net')
    const hanging = createServer(() => {})
    await new Promise<void>((resolve) => hanging.listen(0, '127.0.0.1', resolve))
    const { port } = hanging.address() as { port: number }
    const hung = await failureOf(createK2Client({ url: `http://127.0.0.1:${port}`, timeoutMs: 200 }).genesisHash())
    hanging.close()
    expect(hung.name).to.equal('K2UnreachableError')
  })

  it('sends, confirms, and counts bytes', async () => {
    const before = (await chain.client.task(chain.task)).funded[0]!.value
    const { signature, bytes } = await chain.client.send(
      [fundTask({ task: chain.task, payer: chain.wallet.address, amount: KOII })],
      [signerOf(chain.wallet)]
    )
    // confirmed means that it can be read back at once
    expect((await chain.client.task(chain.task)).funded[0]!.value).to.equal(before + KOII)
    const read = await chain.client.connection.getTransaction(signature, { commitment: 'confirmed', maxSupportedTransactionVersion: 0 })
    expect(read?.meta?.err).to.equal(null)
    expect(bytes).to.be.within(200, 1232)
  })

  it('passes the program’s refusals on by name, and says who cannot pay', async () => {
    const [alice] = chain.stakers
    const early = await failureOf(chain.client.send([ballot(alice!.address, 0)], [signerOf(alice!)]))
    expect(early.name).to.match(/^(VoteTooEarly|OutsideVoteWindow|VoteWindow)\w*Error$/)
    const poor = generateKeyPair()
    const unpaid = await failureOf(chain.client.send([fundTask({ task: chain.task, payer: poor.address, amount: KOII })], [signerOf(poor)]))
    expect(unpaid.name).to.equal('K2TransactionError')
    expect(unpaid.message).to.match(/not enough KOII.*fund/)
  })

  it('does not take an answer from before the slot that it asked for', async () => {
    const ahead = chain.k2.slot() + 30
    const task = chain.client.task(chain.task, ahead)
    let early = false
    task.then(() => {
      early = chain.k2.slot() < ahead
    })
    await task
    expect(early).to.equal(false)
    expect(chain.k2.slot()).to.be.at.least(ahead)
  })

  it('finds what landed so long ago that its status is in the history alone, as where this process was held up', async () => {
    const { k2, wallet } = chain
    const client = createK2Client({ url: k2.url, limits: { confirmMs: 1 } })
    try {
      // 300 blocks are over before it is looked for
      k2.events.once('transaction', () => setImmediate(() => Array.from({ length: 310 }, () => k2.warpTo(k2.slot() + 1))))
      const { signature } = await client.send([fundTask({ task: chain.task, payer: wallet.address, amount: KOII })], [signerOf(wallet)])
      expect(await client.statuses([signature])).to.have.nested.property('0.failed', false)
    } finally {
      client.close()
    }
  })
})
