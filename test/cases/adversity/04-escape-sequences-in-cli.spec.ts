/** A stranger's text is printed in one line each, with what a terminal acts on written out. The lists are in ux/01. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { generateKeyPair, writeKeyFile } from '../../../src/identity/index.ts'
import { InstructionArgumentError } from '../../../src/k2/settlement/errors.ts'
import { createTask } from '../../../src/k2/settlement/index.ts'
import { run, tempDir } from '../../e2e/cli.ts'

const EVIL = '\x1b]0;pwn\x07\x1b[2J\x9b31m\u202eevil\nkoii-mesh: all is well'
const ACTS = /[^\P{Cc}\n]|[\u202a-\u202e\u2066-\u2069]/u

describe('cases: adversity/04, escape sequences', function () {
  this.timeout(120_000)
  let dir: string
  let remove: () => Promise<void>
  before(async () => {
    ;({ dir, remove } = await tempDir())
    await writeKeyFile(join(dir, 'key.json'), generateKeyPair())
  })
  after(() => remove())

  it('what an endpoint says is one line of bounded length', async () => {
    const server = createServer((_request, response) => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ jsonrpc: '2.0', id: '1', error: { code: -32002, message: EVIL + 'x'.repeat(1_000_000) } }))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      const { code, stdout, stderr } = await run(['task', 'list', '--k2', url])
      expect([code, stdout]).to.deep.equal([1, ''])
      expect(stderr).to.match(/^koii-mesh: [^\n]*\\x1b\]0;pwn\\x07[^\n]*\\u202eevil\\nkoii-mesh: all is well[^\n]*\n$/)
      expect(ACTS.test(stderr)).to.equal(false)
      expect(stderr.length).to.be.below(5000)
    } finally {
      server.close()
    }
  })

  it('what a node tells of its peers is shown as text', async () => {
    const status = {
      ...{ node: 'n', taskName: EVIL, task: 't', slot: 1, cycle: 1, staked: true, stake: '1', finalizedCycle: 1, rssBytes: 1 },
      ...{
        bundles: [{ cid: EVIL, from: 1, state: 'failed' }],
        notices: [EVIL],
        peers: { staked: 0, connected: 0, mesh: 0 },
        multiaddrs: []
      },
      cycles: [{ cycle: 1, entry: { outcome: 'invalid', reason: EVIL } }]
    }
    const server = createServer((_request, response) => response.end(JSON.stringify(status)))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      for (const more of [[], ['--json']]) {
        const { code, stdout, stderr } = await run(['status', '--url', url, ...more])
        expect(code, stderr).to.equal(0)
        expect(stdout).to.include('evil')
        expect(ACTS.test(stdout), JSON.stringify(stdout)).to.equal(false)
        expect(stdout).not.to.match(/^koii-mesh: all is well/m)
      }
    } finally {
      server.close()
    }
  })

  it('a name that cannot be seen is refused by who would write it', async () => {
    for (const name of ['a\x1b[2J', 'two\nlines', 'rtl\u202e', 'zero\u200bwidth', 'half\ufffd']) {
      const { code, stdout, stderr } = await run([
        ...['task', 'create', '--k2', 'http://127.0.0.1:1', '--bundle', 'k2-index', '--wallet', join(dir, 'key.json'), '--name', name]
      ])
      expect(stderr)
        .to.match(/--name is ".*", which holds characters that cannot be seen/)
        .and.to.match(/^koii-mesh: [^\n]*\n$/)
      expect([code, stdout]).to.deep.equal([2, ''])
    }
    const task = {
      ...{ task: generateKeyPair().address, manager: generateKeyPair().address, bundle: 'b', bountyPerRound: 1n, minStake: 1n },
      ...{ roundSlots: 30, submissionWindow: 10, auditWindow: 10 }
    }
    expect(() => createTask({ ...task, name: 'half \ud800' })).to.throw(InstructionArgumentError, 'half of a character')
  })
})
