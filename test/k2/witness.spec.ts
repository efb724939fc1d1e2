import { expect } from 'chai'
import { generateKeyPair } from '../../src/identity/index.ts'
import { createK2Client, createStakeView, type Doubt, type K2Client, type StakeView } from '../../src/k2/index.ts'
import type { StakeSet } from '../../src/rounds/index.ts'
import { randomFrom } from '../sim/random.ts'
import { type Chain, eventually, failureOf, KOII, silent, startChain } from './chain.ts'
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts'

const LIMITS = { timeoutMs: 1000, firstPauseMs: 20, longestPauseMs: 200, patienceMs: 100 }
const ROE = 10n * KOII

describe('k2: lists of stakes and their witness', () => {
  let chain: Chain
  let proxies: FaultProxy[]
  let client: K2Client
  let doubts: Doubt[]
  beforeEach(async () => {
    chain = await startChain({ stakers: 3 })
    proxies = await Promise.all([1, 2, 3].map((seed) => startFaultProxy({ target: chain.k2.url, random: randomFrom(seed) })))
    doubts = []
    chain.toRound(1, 2)
  })
  afterEach(async () => {
    client.close()
    await Promise.all(proxies.map((proxy) => proxy.close()))
    await chain.close()
  })
  const open = (count: number): StakeView => {
    const url = proxies.slice(0, count).map((proxy) => proxy.url)
    client = createK2Client({ url, limits: LIMITS, random: randomFrom(9), onDoubt: (doubt) => doubts.push(doubt) })
    return createStakeView({ k2: client, task: chain.task, timing: chain.timing, slot: () => chain.k2.slot(), log: silent })
  }

  for (const lie of ['no stakes', 'short stakes', 'stakes'] as const) {
    it(`one endpoint that tells "${lie}" is doubted, told of, and believed when it is well again`, async () => {
      const view = open(1)
      proxies[0]!.set({ lies: [lie] })
      const err = await failureOf(view.at(1))
      expect(err.name).to.equal('K2DoubtError')
      expect(err.message).to.match(
        /contradicts what it says of the task.*it lists stakes of \d+ ROE in cycle \d, and the task has 30000000000/
      )
      expect(view.weight(chain.stakers[0]!.address, 1), 'no set is fixed').to.equal(undefined)
      expect(doubts.map(({ list, reason }) => [list, reason != null])).to.deep.equal([['stakes', true]])
      await failureOf(view.at(1))
      expect(doubts, 'told once').to.have.length(1)
      proxies[0]!.set({})
      const { weights, total } = await view.at(1)
      expect([weights.size, total]).to.deep.equal([3, 3n * ROE])
      await eventually('the end of the doubt', () => doubts[1])
      expect(doubts[1]!.reason).to.equal(null)
    })
  }

  it('of three, two that keep no index are outvoted by what they say of the task themselves', async () => {
    const view = open(3)
    proxies[0]!.set({ lies: ['no stakes'] })
    proxies[2]!.set({ lies: ['no stakes'] })
    const { weights, total } = await view.at(1)
    expect([weights.size, total]).to.deep.equal([3, 3n * ROE])
    await eventually('both told of', () => (doubts.length === 2 ? true : undefined))
    expect(new Set(doubts.map(({ endpoint }) => endpoint))).to.deep.equal(new Set([proxies[0]!.url, proxies[2]!.url]))
  })

  it('a set that was fixed empty, when the witness was wrong too, is corrected while the cycle lasts', async () => {
    const view = open(1)
    const corrected: Array<[number, StakeSet]> = []
    view.onCorrected((cycle, set) => corrected.push([cycle, set]))
    proxies[0]!.set({ lies: ['no stakes', 'unstaked task'] })
    expect((await view.at(1)).total).to.equal(0n)
    proxies[0]!.set({})
    // the witness that was read is as old as the set
    await view.refresh(chain.k2.slot() + 1)
    expect(corrected.map(([cycle, { total }]) => [cycle, total])).to.deep.equal([
      [0, 3n * ROE],
      [1, 3n * ROE]
    ])
    expect((await view.at(1)).total).to.equal(3n * ROE)
    await view.refresh()
    expect(corrected, 'once').to.have.length(2)
  })

  it('stake that comes and goes in between is no contradiction', async () => {
    const view = open(3)
    await view.at(1)
    for (const [i, staker] of chain.stakers.entries()) {
      await chain.stake(staker, KOII)
      await view.refresh(chain.k2.slot())
      expect(view.accounts().reduce((sum, { amount }) => sum + amount[0]!.value, 0n)).to.equal(3n * ROE + BigInt(i + 1) * KOII)
    }
    chain.toRound(2, 2)
    expect((await view.at(2)).total).to.equal(3n * ROE + 3n * KOII)
    expect(doubts).to.deep.equal([])
  })

  it('one reading is enough for all who ask for the same slot, and takes the stakes along once they are known', async () => {
    open(1)
    const slot = chain.k2.slot()
    await eventually('the slot to be over', () => (chain.k2.slot() > slot + 1 ? true : undefined))
    const asked = () => {
      const { getAccountInfo = 0, getProgramAccounts = 0, getMultipleAccounts = 0 } = proxies[0]!.requests()
      return [getAccountInfo, getProgramAccounts, getMultipleAccounts]
    }
    await Promise.all([client.task(chain.task, slot), client.task(chain.task, slot), client.stakes(chain.task, slot)])
    await client.task(chain.task, slot)
    expect(asked()).to.deep.equal([1, 1, 0])
    const later = chain.k2.slot()
    await eventually('another slot', () => (chain.k2.slot() > later + 1 ? true : undefined))
    const [, stakes] = await Promise.all([client.task(chain.task, later), client.stakes(chain.task, later), client.task(chain.task, later)])
    expect(stakes).to.have.length(3)
    expect(asked()).to.deep.equal([1, 1, 1])
    // a new stake is none of those that are known
    const before = chain.k2.slot()
    const newcomer = generateKeyPair()
    await chain.stake(newcomer, ROE)
    const listed = await client.stakes(chain.task, before)
    expect(listed.map(({ staker }) => staker)).to.include(newcomer.address)
    expect(listed).to.have.length(4)
  })
})
