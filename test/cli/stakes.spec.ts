/** The life of a stake and of a task by the command line, against a real local K2. */
import { join } from 'node:path'
import { expect } from 'chai'
import { generateKeyPair, type KeyPair, writeKeyFile } from '../../src/identity/index.ts'
import { run, tempDir } from '../e2e/cli.ts'
import { type Chain, KOII, startChain } from '../k2/chain.ts'

describe('CLI: stakes and tasks over their lives', function () {
  // each step starts a process, on a machine that may be busy
  this.timeout(240_000)

  let chain: Chain
  let dir: string
  let remove: () => Promise<void>
  const keys: Record<string, string> = {}
  const newKey = generateKeyPair()
  before(async () => {
    ;({ dir, remove } = await tempDir())
    chain = await startChain({ stakers: 2, slotMs: 50 })
    await chain.client.airdrop(newKey.address, KOII)
    const pairs: Record<string, KeyPair> = { alice: chain.stakers[0]!, wallet: chain.wallet, newKey }
    for (const [name, pair] of Object.entries(pairs)) {
      keys[name] = join(dir, `${name}.json`)
      await writeKeyFile(keys[name], pair)
    }
  })
  after(async () => {
    await chain?.close()
    await remove()
  })

  const call = (...args: string[]) => run([...args, '--k2', chain.k2.url, '--json'])
  const ok = async (...args: string[]): Promise<Record<string, unknown>> => {
    const { code, stdout, stderr } = await call(...args)
    expect(code, `${args.join(' ')}: ${stderr}`).to.equal(0)
    return JSON.parse(stdout)
  }
  const refused = async (says: RegExp, ...args: string[]) => {
    const { code, stdout, stderr } = await call(...args)
    expect(stderr)
      .to.match(says)
      .and.to.match(/^koii-mesh: [^\n]*\n$/)
    expect(stdout).to.equal('')
    expect(code).to.be.oneOf([1, 2])
  }
  /** On a busy machine the slot may have come by itself. */
  const goTo = (slot: unknown) => {
    if (chain.k2.slot() < Number(slot)) {
      chain.k2.warpTo(Number(slot))
    }
  }
  const stakeOf = async () => (await chain.client.stake(chain.task, chain.stakers[0]!.address))!

  it('a hint, another key, stake out and paid back', async () => {
    const alice = ['--task', chain.task, '--staker', chain.stakers[0]!.address]
    const owned = [...alice, '--wallet', keys.wallet!]
    chain.toRound(1)
    const tooLittle = ['stake', '--task', chain.task, '--key', keys.newKey!, '--amount', '0.5']
    await refused(/the amount is 0\.5 KOII, and the task asks for at least 1 KOII: give 1 or more/, ...tooLittle)
    const hint = '/dns4/node.example/tcp/4001/p2p/12D3KooWHFrmLWTTDD4NodngtRMEVYgxrsDMp4F9iSwYntZ9WjHa'
    await ok('hint', '--task', chain.task, '--key', keys.alice!, hint)
    expect((await stakeOf()).addressHint).to.equal(hint)

    const replaced = await ok('replace-key', ...owned, '--new-key', keys.newKey!)
    expect(replaced).to.include({ stakingKey: newKey.address, formerKey: chain.stakers[0]!.address, fromCycle: (await stakeOf()).keyFrom })
    await refused(/signs for this stake already: make another key/, 'replace-key', ...owned, '--new-key', keys.newKey!)
    await refused(/is not the staking key.*Read the stake account/, 'hint', ...alice, '--key', keys.alice!, '--remove')
    // the new key is enough to find the stake by
    await refused(/which address\?.*"listening on".*--remove/, 'hint', '--task', chain.task, '--key', keys.newKey!)
    await refused(/contradict/, 'hint', '--task', chain.task, '--key', keys.newKey!, hint, '--remove')
    expect((await stakeOf()).addressHint).to.equal(hint)
    await ok('hint', '--task', chain.task, '--key', keys.newKey!, '--remove')
    expect((await stakeOf()).addressHint).to.equal(undefined)
    // and to add to it, which makes no second stake
    await ok('stake', '--task', chain.task, '--key', keys.newKey!, '--wallet', keys.wallet!, '--amount', '1')
    expect((await stakeOf()).amount[0]?.value).to.equal(11n * KOII)
    expect(await chain.client.stakes(chain.task)).to.have.length(2)

    await refused(/the stake has 11 KOII, and 12 were asked for: take out all with --amount all/, 'unstake', ...owned, '--amount', '12')
    await refused(
      /0.5 KOII would be left, and the task asks for at least 1: leave as much, or take out all/,
      'unstake',
      ...owned,
      '--amount',
      '10.5'
    )
    await refused(
      /does not own the stake of .*: give that key with --wallet/,
      'unstake',
      ...alice,
      '--wallet',
      keys.newKey!,
      '--amount',
      '1'
    )
    const out = await ok('unstake', ...owned, '--amount', '4')
    expect(out).to.include({ stake: (7n * KOII).toString(), unstaking: (4n * KOII).toString() })
    await refused(/locked until slot \d+, and it is \d+/, 'withdraw', ...owned)
    goTo(out.unlockSlot)
    expect((await ok('withdraw', ...owned)).paid).to.equal((4n * KOII).toString())
    await refused(/nothing of this stake is on its way out/, 'withdraw', ...owned)
  })

  it('a task is funded, changed and closed', async () => {
    const wallet = ['--wallet', keys.wallet!]
    await ok('task', 'fund', chain.task, '--amount', '5.5', ...wallet)
    await refused(/nothing to change/, 'task', 'update', chain.task, ...wallet)
    await refused(/not the task’s manager/, 'task', 'update', chain.task, '--bounty', '1', '--wallet', keys.newKey!)
    const updated = await ok('task', 'update', chain.task, '--bounty', '2.5', '--bundle', 'k2-index', ...wallet)
    const { bounty, bundle } = await chain.client.task(chain.task)
    expect(bounty[0]).to.deep.equal({ value: (5n * KOII) / 2n, from: updated.bountyFromCycle })
    // a notice of eight rounds
    expect(updated.fromCycle).to.equal(Number(updated.bountyFromCycle) + 7)
    expect(bundle).to.deep.equal({ cid: updated.bundle, from: updated.fromCycle })

    const closed = await ok('task', 'close', chain.task, ...wallet)
    expect(closed.closedFromCycle).to.equal((await chain.client.task(chain.task)).closedFrom)
    await refused(/last cycle may be voted on until slot/, 'task', 'close', chain.task, ...wallet)
    const more = ['stake', '--task', chain.task, '--amount', '1', ...wallet]
    await refused(/another key signs for the stake/, ...more, '--key', keys.alice!)
    await refused(/the task is closed/, ...more, '--key', keys.newKey!)
    goTo(closed.settledFromSlot)
    expect((await ok('task', 'close', chain.task, ...wallet)).paid).to.equal(((1000n + 5n) * KOII + KOII / 2n).toString())
    expect((await ok('task', 'show', chain.task)).closedFromCycle).to.equal(closed.closedFromCycle)

    const owned = ['--task', chain.task, '--staker', chain.stakers[0]!.address, ...wallet]
    const out = await ok('unstake', ...owned, '--amount', 'all')
    goTo(out.unlockSlot)
    await ok('withdraw', ...owned)
    expect((await ok('withdraw', ...owned, '--close')).closed).to.equal(true)
    expect(await chain.client.stake(chain.task, chain.stakers[0]!.address)).to.equal(undefined)
  })
})
