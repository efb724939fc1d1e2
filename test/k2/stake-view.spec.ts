import { expect } from 'chai'
import { generateKeyPair } from '../../src/identity/index.ts'
import { createStakeView, type K2Client, type StakeView, stakeSetOf } from '../../src/k2/index.ts'
import { EMPTY_RING, type StakeAccount } from '../../src/k2/settlement/index.ts'
import { type Chain, eventually, failureOf, KOII, silent, startChain } from './chain.ts'

describe('k2: stake view', () => {
  let chain: Chain
  beforeEach(async () => {
    chain = await startChain({ stakers: 2 })
  })
  afterEach(() => chain.close())

  const open = (k2: K2Client = chain.client): StakeView =>
    createStakeView({ k2, task: chain.task, timing: chain.timing, slot: () => chain.k2.slot(), log: silent })
  const ROE = 10n * KOII

  it('knows nothing before it has read, and nothing of cycles that have not begun', async () => {
    const view = open()
    const [alice] = chain.stakers
    expect(view.isStaked(alice!.address)).to.equal(undefined)
    expect(view.weight(alice!.address, 0)).to.equal(undefined)
    expect(view.accounts()).to.deep.equal([])
    chain.toRound(0, 2)
    await view.refresh()
    expect(view.isStaked(alice!.address)).to.equal(true)
    expect(view.isStaked(generateKeyPair().address)).to.equal(false)
    expect(view.weight(alice!.address, 0)).to.equal(ROE)
    expect(view.weight(generateKeyPair().address, 0)).to.equal(0n)
    // more stake may come until it begins
    expect(view.weight(alice!.address, 5)).to.equal(undefined)
  })

  it('is final per cycle: stake that comes later counts from the next one on', async () => {
    const view = open()
    const [alice, bob] = chain.stakers
    chain.toRound(0, 2)
    const first = await view.at(0)
    expect(first).to.deep.equal(
      {
        weights: new Map([alice, bob].map((one) => [one!.address, ROE] as const)),
        total: 2n * ROE
      },
      'cycle 0'
    )
    const carol = generateKeyPair()
    await chain.client.airdrop(carol.address, KOII)
    await chain.stake(carol, 3n * KOII, '/ip4/127.0.0.1/tcp/1')
    await chain.stake(alice!, KOII)
    let told = 0
    const leave = view.onRefresh(() => told++)
    await view.refresh()
    expect(told).to.equal(1)
    leave()
    // she is let in at once, and weighs nothing yet
    expect(view.isStaked(carol.address)).to.equal(true)
    expect(view.accounts().find(({ staker }) => staker === carol.address)?.addressHint).to.equal('/ip4/127.0.0.1/tcp/1')
    expect(await view.at(0)).to.equal(first)
    expect(view.weight(carol.address, 0)).to.equal(0n)
    expect(view.weight(alice!.address, 0)).to.equal(ROE)

    chain.toRound(1, 2)
    const second = await view.at(1)
    expect(second.weights.get(carol.address)).to.equal(3n * KOII)
    expect(second.weights.get(alice!.address)).to.equal(ROE + KOII)
    expect(second.total).to.equal(2n * ROE + 4n * KOII)
    expect(await view.at(0)).to.equal(first)
    expect(told).to.equal(1)
    // whoever reads for the first time now finds the same
    expect((await open().at(0)).total).to.equal(2n * ROE)
  })

  it('keeps nothing that was read while the clock followed a lie: it was read before its cycle began', async () => {
    chain.toRound(0, 2)
    const slots = { now: chain.k2.slot() }
    // whoever lies about the slot answers for any
    const k2 = { stakes: (task: string) => chain.client.stakes(task), task: (task: string) => chain.client.task(task) }
    const view = createStakeView({ k2, task: chain.task, timing: chain.timing, slot: () => slots.now, log: silent })
    const [alice] = chain.stakers
    slots.now = chain.timing.startingSlot + chain.timing.roundSlots
    expect((await view.at(1)).weights.get(alice!.address)).to.equal(ROE)
    slots.now = chain.k2.slot()
    await view.at(0)
    expect(view.weight(alice!.address, 1)).to.equal(undefined)
    await chain.stake(alice!, KOII)
    chain.toRound(1, 2)
    slots.now = chain.k2.slot()
    expect((await view.at(1)).weights.get(alice!.address)).to.equal(ROE + KOII)
  })

  it('lets nobody go for what one reading says, and for two in a row it does', async () => {
    chain.toRound(0, 2)
    let lying = false
    const view = open({ ...chain.client, stakes: async (task, minSlot) => (lying ? [] : chain.client.stakes(task, minSlot)) })
    const [alice] = chain.stakers
    const staked = async () => {
      await view.refresh()
      return view.isStaked(alice!.address)
    }
    expect(await staked()).to.equal(true)
    lying = true
    expect(await staked()).to.equal(true)
    lying = false
    expect(await staked()).to.equal(true)
    lying = true
    await staked()
    expect(await staked()).to.equal(false)
    lying = false
    expect(await staked()).to.equal(true)
  })

  it('waits for an endpoint that has not reached the cycle yet', async () => {
    chain.toRound(0, 2)
    const view = open()
    chain.k2.hold()
    const asked = view.at(1)
    let answered = false
    asked.then(() => {
      answered = true
    })
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(answered).to.equal(false)
    chain.toRound(1, 2)
    chain.k2.release()
    expect((await asked).total).to.equal(2n * ROE)
  })

  it('fails when K2 does not answer, and keeps what it knows', async () => {
    let away = false
    const view = open({
      ...chain.client,
      stakes: (...args) => (away ? Promise.reject(new Error('away')) : chain.client.stakes(...args))
    })
    chain.toRound(0, 2)
    const before = await view.at(0)
    away = true
    expect((await failureOf(view.refresh(chain.k2.slot()))).message).to.equal('away')
    expect(await view.at(0)).to.equal(before)
    away = false
    await eventually('an answer', () => view.refresh().then(() => true))
  })

  describe('keys that were replaced', () => {
    const entry = (value: bigint, from: number) => [{ value, from }, ...EMPTY_RING.slice(1)]
    const stake = (staker: string, change: Partial<StakeAccount> = {}): StakeAccount => ({
      address: staker,
      bump: 255,
      task: staker,
      staker,
      stakingKey: staker,
      withdrawAuthority: staker,
      amount: entry(10n, 0),
      lastVote: undefined,
      claimedReward: 0n,
      appliedSlash: 0n,
      slashedIn: undefined,
      unlockSlot: 0,
      formerKey: undefined,
      keyFrom: 0,
      unstaking: 0n,
      rentReserve: 0n,
      addressHint: undefined,
      ...change
    })

    it('speak from the cycle on that K2 names; in those before the former one does', () => {
      const accounts = [stake('alice', { stakingKey: 'new', formerKey: 'alice', keyFrom: 4 }), stake('bob')]
      expect(stakeSetOf(accounts, 3)).to.deep.equal({
        weights: new Map([
          ['alice', 10n],
          ['bob', 10n]
        ]),
        total: 20n
      })
      expect(stakeSetOf(accounts, 4)).to.deep.equal({
        weights: new Map([
          ['bob', 10n],
          ['new', 10n]
        ]),
        total: 20n,
        stakers: new Map([['new', 'alice']])
      })
    })

    it('speak for one stake, their own before one that they took over; all of it counts in the total', () => {
      const accounts = [stake('alice', { stakingKey: 'bob', formerKey: 'alice', keyFrom: 1 }), stake('bob')]
      const set = { weights: new Map([['bob', 10n]]), total: 20n }
      expect(stakeSetOf(accounts, 2)).to.deep.equal(set)
      expect(stakeSetOf(accounts.toReversed(), 2)).to.deep.equal(set)
    })
  })
})
