/** Hostile text in everything that a command is given: what it says about it is one line that only shows. */

import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { generateKeyPair, writeKeyFile } from '../../src/identity/index.ts'
import { run, tempDir } from '../e2e/cli.ts'
import { ACTS, runOnTerminal } from '../e2e/terminal.ts'

const EVIL = '\x1b]0;pwn\x07\x1b[2J\x9b31m\u202eevil\u200b\u2028\nslot 99 cycle 9  accepted, paid 1000 KOII'
const ADDRESS = generateKeyPair().address

describe('CLI: hostile text', function () {
  this.timeout(300_000)
  let dir: string
  let remove: () => Promise<void>
  let key: string
  let unreachable: string
  let evilRpc: string
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify({ jsonrpc: '2.0', id: '1', error: { code: -32002, message: EVIL + EVIL.repeat(10_000), data: { logs: [EVIL] } } })
    )
  })
  before(async () => {
    ;({ dir, remove } = await tempDir())
    key = join(dir, 'key.json')
    await writeKeyFile(key, generateKeyPair())
    await mkdir(join(dir, EVIL))
    await writeFile(join(dir, EVIL, 'key.json'), EVIL)
    await writeFile(join(dir, 'config.json'), JSON.stringify({ k2: EVIL, task: EVIL, [EVIL]: EVIL }))
    await writeFile(join(dir, 'evil.mjs'), `throw new Error(${JSON.stringify(EVIL)})`)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    evilRpc = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    unreachable = 'http://127.0.0.1:1'
  })
  after(async () => {
    server.close()
    await remove()
  })

  const cases = (): Array<[args: string[], env?: Record<string, string>]> => {
    const k2 = ['--k2', unreachable]
    return [
      [[EVIL]],
      [['start', `--${EVIL}`]],
      [['start', ...k2, '--task', EVIL]],
      [['start', '--k2', EVIL, '--task', ADDRESS]],
      [['start', ...k2, '--task', ADDRESS, '--key', join(dir, EVIL, 'key.json')]],
      [['start', ...k2, '--task', ADDRESS, '--data-dir', join(dir, 'config.json', EVIL)]],
      [['start', ...k2, '--task', ADDRESS, '--listen', EVIL]],
      [['start', ...k2, '--task', ADDRESS, '--min-peers', EVIL]],
      [['start', ...k2, '--task', ADDRESS, '--params', EVIL]],
      [['start', '--config', join(dir, 'config.json')]],
      [['start', '--config', join(dir, EVIL, 'key.json')]],
      [['start'], { KOII_MESH_K2: unreachable, KOII_MESH_TASK: EVIL }],
      [['task', 'list'], { KOII_MESH_K2: EVIL }],
      [['task', 'show', EVIL, ...k2]],
      [['task', 'list', '--k2', evilRpc]],
      [['task', 'create', ...k2, '--bundle', EVIL, '--wallet', key]],
      [['task', 'create', ...k2, '--bundle', join(dir, 'evil.mjs'), '--wallet', key]],
      [['task', 'create', ...k2, '--bundle', 'k2-index', '--bounty', EVIL, '--wallet', key]],
      [['status', '--url', EVIL]],
      [['status', '--data-dir', join(dir, EVIL)]],
      [['task', 'add', EVIL]],
      [['task', 'add', ADDRESS, '--params', EVIL]],
      [['task', 'add', ADDRESS, '--data-dir', join(dir, EVIL)]],
      [['task', 'remove', EVIL]],
      [['proof', 'get', EVIL]],
      [['proof', 'get', 'bafybeih3z6zsso2u3zfsclofpftq7htrrljwn7yn5w2r7rrr2zsldnyxky', '--from', EVIL]],
      [['claim', ...k2, '--task', EVIL, '--key', EVIL]],
      [['claim', '--k2', evilRpc, '--task', ADDRESS, '--key', key]],
      [['slash', '--k2', evilRpc, '--task', ADDRESS, '--staker', EVIL, '--wallet', key]],
      [['stake', ...k2, '--task', ADDRESS, '--key', key, '--amount', EVIL]],
      [['hint', EVIL, ...k2, '--task', ADDRESS, '--key', key]],
      [['keygen', '--out', join(dir, 'config.json', EVIL)]],
      [['k2', '--host', EVIL]],
      [['k2', '--fund', EVIL]],
      [['k2', '--port', EVIL]],
      [['k2', 'verify', '--k2', evilRpc]],
      [['testnet', '--fault', EVIL]],
      [['testnet', '--nodes', EVIL]],
      [['testnet', '--bounty', EVIL]],
      [['testnet', '--task', join(dir, EVIL)]]
    ]
  }

  it('in arguments, variables, files, keys, bundles and answers: each error is one line of bounded length', async () => {
    const queue = cases()
    const next = async () => {
      for (let one = queue.shift(); one != null; one = queue.shift()) {
        const [args, env] = one
        const { code, stdout, stderr } = await run(args, { cwd: dir, env: { LC_ALL: 'C.UTF-8', ...env } })
        const what = JSON.stringify([args, stderr])
        expect(code, what).to.be.oneOf([1, 2, 3])
        expect(ACTS.test(stdout + stderr), what).to.equal(false)
        expect(stderr, what).to.match(/^koii-mesh: [^\n]+\n$/)
        expect(stderr.length, what).to.be.below(5000)
        expect(stdout, what).not.to.match(/^slot 99/m)
      }
    }
    await Promise.all([next(), next()])
  })

  it('with a stack, too', async () => {
    const { stderr } = await run(['task', 'list', '--k2', evilRpc], { env: { LC_ALL: 'C.UTF-8', KOII_MESH_DEBUG: '1' } })
    expect(stderr.split('\n').length).to.be.above(2)
    expect(ACTS.test(stderr), JSON.stringify(stderr)).to.equal(false)
    expect(stderr).not.to.match(/^slot 99/m)
  })

  it('on a terminal that knows no UTF-8, no byte of it is a control character', async () => {
    const { output } = await runOnTerminal(['task', 'show', 'ě31m 東京', '--k2', unreachable], { env: { LC_ALL: 'C' } })
    expect(output).to.match(/^[\n -~]*\\u011b31m[\n -~]*$/)
  })
})
