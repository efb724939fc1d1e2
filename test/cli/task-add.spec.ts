/** `task add`, `task remove` and `events` against the control API of a node with nothing behind it. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { NotNowError, TaskRefusedError } from '../../src/control/index.ts'
import { OTHER_TASK, TASK } from '../control/fake-node.ts'
import { controlOfSuite } from '../control/suite.ts'
import { run } from '../e2e/cli.ts'

describe('CLI: more and fewer tasks for a running node', function () {
  // each case starts processes, on a machine that may be busy
  this.timeout(120_000)
  const suite = controlOfSuite()
  const task = (...args: string[]) => run(['task', ...args, '--data-dir', suite().dir], { cwd: suite().dir })

  it('are added with what is given, paths made absolute, and nothing of the environment', async () => {
    const { dir, node } = suite()
    await writeFile(join(dir, 'params.json'), '{ "urls": ["https://example.com/"] }')
    const flags = [
      ...['--key', 'keys/b.json', '--bundle', './my.mjs', '--params', '@params.json', '--allow-network', '--no-follow-bundle'],
      ...['--no-apply-slashes', '--keep-cycles', '5', '--keep-records', '100', '--quota-mib', '64', '--task-memory-mib', '32'],
      ...['--task-store-mib', '4', '--max-fee', '0.1', '--min-peers', '2']
    ]
    const env = { KOII_MESH_KEY: '/other.json', KOII_MESH_PARAMS: '{"x":1}', KOII_MESH_BUNDLE: '/x', KOII_MESH_DATA_DIR: dir }
    const added = await run(['task', 'add', OTHER_TASK, ...flags], { cwd: dir, env })
    expect(added.code, added.stderr).to.equal(0)
    expect(added.stdout).to.equal(`added   more ${OTHER_TASK}, from now on and after each start`)
    expect(node.added).to.deep.equal([
      {
        ...{ task: OTHER_TASK, key: join(dir, 'keys', 'b.json'), bundle: join(dir, 'my.mjs'), params: { urls: ['https://example.com/'] } },
        ...{ allowNetwork: true, followBundle: false, applySlashes: false, keepCycles: 5, keepRecords: 100, quotaMiB: 64 },
        ...{ taskMemoryMiB: 32, taskStoreMiB: 4, maxFee: '0.1', minPeers: 2 }
      }
    ])
    node.added = []
    const plain = await run(['task', 'add', OTHER_TASK, '--bundle', 'k2-index', '--json', '--data-dir', dir], { env })
    expect(JSON.parse(plain.stdout)).to.include({ task: OTHER_TASK, state: 'running' })
    expect(node.added).to.deep.equal([{ task: OTHER_TASK, bundle: 'k2-index' }])
  })

  it('are told to do no work where their code cannot run', async () => {
    const { node, dir } = suite()
    node.add = async () => ({ ...node.tasks()[0]!, configured: false, bundles: [{ cid: 'bafy', from: 0, state: 'failed' }] })
    const added = await task('add', OTHER_TASK, '--bundle', 'none.mjs')
    expect(added.code, added.stderr).to.equal(0)
    expect(added.stdout.split('\n')[1]).to.match(/^code {4}cannot run, so the node does no work in it: .* events --data-dir .* says why$/)
    expect(added.stdout).to.include(dir)
  })

  it('are removed, with a word on the next start where the settings name them', async () => {
    const { node } = suite()
    node.added = [{ task: OTHER_TASK }]
    const removed = await task('remove', OTHER_TASK, '--json')
    expect(removed.code, removed.stderr).to.equal(0)
    expect(JSON.parse(removed.stdout)).to.deep.equal({ task: OTHER_TASK, configured: false })
    node.added = [{ task: OTHER_TASK }]
    const configured = await task('remove', TASK)
    expect(configured.stdout).to.match(new RegExp(`^removed ${TASK}; its stake.*\n.*next start does it again.*$`))
  })

  it('say in one line what is wrong, with 2 for what was asked and 1 for what cannot be now', async () => {
    const { node, dir } = suite()
    const refused = (err: Error) => {
      node.add = () => Promise.reject(err)
    }
    const cases: Array<[args: string[], code: number, says: RegExp, prepare?: () => void]> = [
      [['add', 'x'], 2, /TASK is "x"/],
      [['add', OTHER_TASK, '--params', '{'], 2, /--params is not JSON/],
      [['add', OTHER_TASK, '--params', '@none.json'], 2, /none\.json/],
      [['add', OTHER_TASK, '--max-fee', 'much'], 2, /--max-fee/],
      [['add', OTHER_TASK, '--keep-records', 'most'], 2, /--keep-records is "most"/],
      [['add', OTHER_TASK, '--quota-mib', '-1'], 2, /--quota-mib/],
      [['add', TASK], 1, /does that task already/],
      [['remove', TASK], 1, /only task of the node: stop the node/],
      [['remove', OTHER_TASK], 1, /does not run that task/],
      [['add', OTHER_TASK], 2, /says: "key" \\x1b\[2J/, () => refused(new TaskRefusedError('bad-task', '"key" \x1b[2J'))],
      [['add', OTHER_TASK], 1, /says: K2 is away/, () => refused(new NotNowError('K2 is away'))]
    ]
    for (const [args, code, says, prepare] of cases) {
      prepare?.()
      const { stderr, stdout, ...ended } = await run(['task', ...args, '--data-dir', dir], { cwd: dir })
      expect(ended.code, `${args.join(' ')}: ${stderr}`).to.equal(code)
      expect(stderr)
        .to.match(says)
        .and.match(/^koii-mesh: [^\n]+\n$/)
      expect(stdout).to.equal('')
    }
    expect(node.added).to.deep.equal([])
  })

  it('stand before the lines of events, and a task has to be named to be paused', async () => {
    const { node, events, dir } = suite()
    const of = (one: string) => events.of({ task: one, node: 'n' })
    of(TASK).emit('submitted', { cycle: 3, value: 'x', proofs: [] })
    events.emit('k2-back', { seconds: 3 })
    const one = await run(['events', '--data-dir', dir])
    expect(one.stdout).to.match(/^\S+ {2}slot 320 cycle 3 {2}submitted the work\n\S+ {2}slot 320 {2}K2 answers again, after 3 s$/)
    node.added = [{ task: OTHER_TASK }]
    of(OTHER_TASK).emit('missed', { cycle: 9, stage: 'work', reason: 'no \x1b[2J' })
    const two = await run(['events', '--data-dir', dir])
    expect(two.stdout).to.match(
      /^\S+ {2}slot 320 cycle 3 {2}\[count\] {2}submitted the work\n\S+ {2}slot 320 {2}K2 answers again.*\n\S+ {2}slot 320 cycle 9 {2}\[more\] {2}missed the work: no \\x1b\[2J$/
    )
    const json = await run(['events', '--data-dir', dir, '--json'])
    const tasks = json.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).task)
    expect(tasks).to.deep.equal([TASK, null, OTHER_TASK])
    const unnamed = await task('pause')
    expect(unnamed.code).to.equal(1)
    expect(unnamed.stderr).to.match(new RegExp(`runs 2 tasks: name one of ${TASK}, ${OTHER_TASK}`))
  })
})
