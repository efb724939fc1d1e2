/** What an author did wrong says where: before a task is made, in what a node tells, and with its stack in the node's log. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { generateKeyPair, readKeyFile } from '../../../src/identity/index.ts'
import { createK2Client, signerOf } from '../../../src/k2/index.ts'
import { createTask, createTaskAccount, TASK_BYTES } from '../../../src/k2/settlement/index.ts'
import { cidOfFiles } from '../../../src/proofs/index.ts'
import { cli, run, tempDir } from '../../e2e/cli.ts'
import { cleanTestnets, RUN_TIMEOUT_MS, testnet } from '../../e2e/testnet.ts'
import { eventually } from '../../k2/chain.ts'

const SYNTAX = "export const manifest = { name: 'syn', version: '1.0.0' }\nexport function task () {}\n  const x v = 3\n"
const BUG = `export const manifest = { name: 'bug', version: '1.0.0' }
export function task () {}
export async function submission (ctx, cycle) {
  return { value: 'v', proofs: [await ctx.proofs.putNode({ staker: ctx.staker, cycle })] }
}
function look (ctx) {
  return ctxx.params.urls
}
export async function audit (ctx) {
  await 0
  return look(ctx).length > 0
}
`

describe('case ux/08: errors of a task', function () {
  this.timeout(RUN_TIMEOUT_MS)
  let dir: string
  let remove: () => Promise<void>
  before(async () => {
    ;({ dir, remove } = await tempDir())
    await writeFile(join(dir, 'syn.mjs'), SYNTAX)
    await writeFile(join(dir, 'bug.mjs'), BUG)
  })
  afterEach(async function () {
    await cleanTestnets(this.currentTest?.state === 'failed')
  })
  after(() => remove())

  it('in its syntax: file, line, column and the line, before anything is made, and by a node that is given it', async () => {
    const where = /SyntaxError: .* \(syn\.mjs:3:11: const x v = 3\)/
    const { command } = await testnet(['--task', 'k2-index', '--nodes', '1'])
    const { url } = await command.event('K2', ({ event }) => event === 'k2')
    const wallet = join(dir, 'wallet.json')
    expect((await run(['keygen', '--out', wallet])).code).to.equal(0)
    for (const args of [
      ['task', 'create', '--k2', url, '--bundle', join(dir, 'syn.mjs'), '--wallet', wallet],
      ['testnet', '--task', join(dir, 'syn.mjs'), '--nodes', '1']
    ]) {
      const refused = await run(args)
      expect(refused.code).to.equal(1)
      expect(refused.stderr).to.match(where)
    }
    // somebody else's tool made this one
    const k2 = createK2Client({ url })
    const [task, manager] = [generateKeyPair(), signerOf(await readKeyFile(wallet))]
    await k2.airdrop(manager.address, 10_000_000_000n)
    const bundle = (await cidOfFiles([{ path: 'main.mjs', content: Buffer.from(SYNTAX) }])).toString()
    const windows = { roundSlots: 150, submissionWindow: 50, auditWindow: 75 }
    const terms = { bountyPerRound: 1n, minStake: 1n, largestSlash: 0, bundleNotice: 8 }
    await k2.send(
      [
        createTaskAccount({ payer: manager.address, task: task.address, lamports: await k2.rentExemption(TASK_BYTES) }),
        createTask({ task: task.address, manager: manager.address, name: 'syn', ...windows, ...terms, bundle })
      ],
      [manager, signerOf(task)]
    )
    const node = cli([
      ...['start', '--k2', url, '--task', task.address, '--bundle', join(dir, 'syn.mjs'), '--data-dir', join(dir, 'node')],
      ...['--allow-private', '--json', '--listen', '/ip4/127.0.0.1/tcp/0']
    ])
    try {
      const failed = await node.event('the failure', ({ event }) => event === 'task-failed')
      expect(failed.reason).to.match(/SyntaxError: .* \(main\.mjs:3:11: const x v = 3\)/)
    } finally {
      await node.clean()
    }
  })

  it('in its audit: the place in what is told, the stack in the log, and nothing of this machine in either', async () => {
    const { command, dir: state } = await testnet(['--task', join(dir, 'bug.mjs'), '--nodes', '3'])
    const told = await command.event('an audit that threw', ({ event, finding }) => event === 'audited' && finding === 'abstained')
    expect(told.reason).to.match(/^the task's audit threw: ReferenceError: ctxx is not defined \(main\.mjs:7:\d+\)$/)
    const file = join(state, told.name, 'node.log')
    // the log comes another way than the event
    const line = await eventually('the line of the log', async () =>
      (await readFile(file, 'utf8'))
        .split('\n')
        .slice(0, -1)
        .find((one) => one.includes('the task failed'))
    )
    const { level, text } = JSON.parse(line)
    expect(level).to.equal(40)
    expect(text).to.match(
      /^audit, cycle 0: threw: ReferenceError: ctxx is not defined \(main\.mjs:7:\d+\); at look \(main\.mjs:7:\d+\); at (async )?audit \(main\.mjs:11:\d+\)$/
    )
  })

  it('is in the live view, too', async () => {
    const command = cli(['testnet', '--task', join(dir, 'bug.mjs'), '--nodes', '2', '--slot-ms', '100'])
    try {
      while (!/abstained in cycle/.test(command.stdout()) && command.alive()) {
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
      expect(command.stdout()).to.match(
        /node-\d abstained in cycle 0: the task's audit threw: ReferenceError: ctxx is not defined \(main\.mjs:7:\d+\)/
      )
    } finally {
      await command.clean()
    }
  })
})
