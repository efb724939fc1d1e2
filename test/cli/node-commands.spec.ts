/** What `start`, `status`, `task create` and `testnet` say when they are called wrongly. */
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { expect } from 'chai'
import { API_FILE, TOKEN_FILE } from '../../src/control/files.ts'
import { STATUS } from '../control/fake-node.ts'
import { run, tempDir } from '../e2e/cli.ts'

const TASK = '9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin'

describe('CLI: start, status, and rounds too short to audit', function () {
  // each case starts a process, on a machine that may be busy
  this.timeout(120_000)

  let dir: string
  let remove: () => Promise<void>
  before(async () => {
    ;({ dir, remove } = await tempDir())
  })
  after(() => remove())

  it('sizes are flags whose unit is one word', async () => {
    const base = ['start', '--k2', 'http://127.0.0.1:1', '--task', TASK, '--data-dir', join(dir, 'node')]
    for (const flag of ['--quota-mib', '--task-memory-mib', '--task-store-mib']) {
      const { code, stderr } = await run([...base, flag, '0'])
      expect(code, stderr).to.equal(2)
      expect(stderr).to.match(new RegExp(`^koii-mesh: ${flag} is "0": [^\n]*\n$`))
    }
  })

  it('status of a node that was killed says how to start it, and how to name another', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    await new Promise((resolve) => server.close(resolve))
    await writeFile(join(dir, API_FILE), JSON.stringify({ url: `http://127.0.0.1:${port}`, pid: 1 }))
    await writeFile(join(dir, TOKEN_FILE), 'token')
    const { code, stderr } = await run(['status', '--data-dir', dir])
    expect(code).to.equal(1)
    expect(stderr).to.match(/^koii-mesh: the node at [^\n]*koii-mesh start[^\n]*--data-dir[^\n]*\n$/)
  })

  it('status tells for each cycle what became of its submission, and why there was none', async () => {
    const status = {
      ...STATUS,
      bundles: [
        { cid: 'bafynew', from: 6, state: 'fetching' },
        { cid: 'bafyold', from: 0, state: 'here' }
      ],
      notices: ['the task is closed'],
      cycles: [
        { cycle: 4, entry: { outcome: 'accepted', paid: '0', total: '0', voted: 'aa' } },
        {
          cycle: 3,
          entry: { outcome: 'no submission', missed: 'the task timeout: task took longer than the 9 s that it had', paid: '0', total: '0' }
        },
        { cycle: 2, entry: { outcome: 'invalid', reason: 'slot 3 is counted wrong', paid: '0', total: '0' } }
      ]
    }
    const server = createServer((_request, response) => response.end(JSON.stringify(status)))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const token = join(dir, 'token')
      await writeFile(token, 'x')
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      const { code, stdout: shown, stderr } = await run(['status', '--url', url, '--token-file', token])
      expect(code, stderr).to.equal(0)
      const stdout = stripVTControlCharacters(shown)
      expect(stdout)
        .to.match(/bundle +bafynew, from cycle 6 on, is being fetched/)
        .and.not.to.include('bafyold')
      expect(stdout).to.match(/^NOTICE +the task is closed$/m)
      expect(stdout).to.match(/4 +│ accepted +│ on K2/)
      expect(stdout).to.match(/3 +│ missed: the task timeout: task took longer than the 9 s that it had/)
      expect(stdout).to.match(/2 +│ invalid: slot 3 is counted wrong/)
    } finally {
      server.close()
    }
  })

  it('a task or a testnet whose rounds leave no time to audit is refused, with the minimum and the reason', async () => {
    const create = ['task', 'create', '--k2', 'http://127.0.0.1:1', '--bundle', 'k2-index']
    for (const [args, says] of [
      [[...create, '--round-slots', '15'], /an audit window of 7 slots is too short.*fewer than 8.*--audit-window 8/],
      [[...create, '--round-slots', '100', '--audit-window', '7'], /an audit window of 7 slots/],
      [['testnet', '--round-slots', '5'], /a round of 5 slots is too short.*leaves 2 for audits.*fewer than 8.*--round-slots 14/],
      [['testnet', '--round-slots', '13'], /a round of 13 slots is too short.*--round-slots 14/]
    ] as const) {
      const { code, stderr, stdout } = await run([...args], { cwd: dir })
      expect(stderr)
        .to.match(says)
        .and.to.match(/^koii-mesh: [^\n]*\n$/)
      expect(stdout).to.equal('')
      expect(code, stderr).to.equal(2)
    }
    // the least that is taken is not refused for its audits, but because there is no such K2
    const { stderr } = await run([...create, '--round-slots', '16'], { cwd: dir })
    expect(stderr).not.to.match(/audit window/)
  })
})
