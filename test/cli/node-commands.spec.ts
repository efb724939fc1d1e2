/** What `start` and `status` say when they are called wrongly. */
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { API_FILE } from '../../src/node/index.ts'
import { run, tempDir } from '../e2e/cli.ts'

const TASK = '9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin'

describe('CLI: start and status', function () {
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
    const { code, stderr } = await run(['status', '--data-dir', dir])
    expect(code).to.equal(1)
    expect(stderr).to.match(/^koii-mesh: the node at [^\n]*koii-mesh start[^\n]*--data-dir[^\n]*\n$/)
  })
})
