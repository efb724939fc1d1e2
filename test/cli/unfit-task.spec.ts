/** K2 takes a task with an audit window that is too short to audit in: nobody is to lose a stake to it. */
import { join } from 'node:path'
import { expect } from 'chai'
import { MIN_AUDIT_WINDOW } from '../../src/clock/index.ts'
import { generateKeyPair, writeKeyFile } from '../../src/identity/index.ts'
import { createTask, createTaskAccount, TASK_BYTES } from '../../src/k2/settlement/index.ts'
import { run, tempDir } from '../e2e/cli.ts'
import { BUNDLE, type Chain, KOII, signerOf, startChain } from '../k2/chain.ts'

describe('CLI: a task that leaves no time to audit', function () {
  this.timeout(120_000)
  let chain: Chain
  let dir: string
  let remove: () => Promise<void>
  let key: string
  before(async () => {
    ;({ dir, remove } = await tempDir())
    chain = await startChain({ stakers: 1, slotMs: 100 })
    key = join(dir, 'key.json')
    await writeKeyFile(key, chain.stakers[0]!)
  })
  after(async () => {
    await chain?.close()
    await remove()
  })

  async function taskOf(auditWindow: number): Promise<string> {
    const { wallet, client } = chain
    const task = generateKeyPair()
    await client.send(
      [
        createTaskAccount({ payer: wallet.address, task: task.address, lamports: await client.rentExemption(TASK_BYTES) }),
        createTask({
          ...{ task: task.address, manager: wallet.address, name: 'hasty', bundle: BUNDLE },
          ...{ roundSlots: 30, submissionWindow: 10, auditWindow, bountyPerRound: KOII, minStake: KOII }
        })
      ],
      [signerOf(wallet), signerOf(task)]
    )
    return task.address
  }

  it('is neither run nor staked on: one line says what is wrong and what to do', async () => {
    const task = await taskOf(MIN_AUDIT_WINDOW - 1)
    const common = ['--k2', chain.k2.url, '--task', task, '--key', key]
    for (const args of [
      ['start', '--data-dir', join(dir, 'data'), '--allow-private', '--listen', '/ip4/127.0.0.1/tcp/0', ...common],
      ['stake', '--amount', '1', ...common]
    ]) {
      const { code, stdout, stderr } = await run(args)
      expect(code, stderr).to.equal(2)
      expect(stderr).to.match(
        /^koii-mesh: the task \w+ has an audit window of 7 slots, and with fewer than 8 [^\n]*koii-mesh unstake[^\n]*\n$/
      )
      expect(stdout).to.equal('')
    }
    expect(await chain.client.stakes(task)).to.deep.equal([])
  })

  it('one with the shortest window is staked on', async () => {
    const task = await taskOf(MIN_AUDIT_WINDOW)
    const { code, stderr } = await run(['stake', '--amount', '1', '--k2', chain.k2.url, '--task', task, '--key', key, '--airdrop'])
    expect(code, stderr).to.equal(0)
  })
})
