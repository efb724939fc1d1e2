/** A task that throws and prints escape sequences and forged lines: its node, on a terminal and in a pipe, and the node's status. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { generateKeyPair, writeKeyFile } from '../../../src/identity/index.ts'
import { type Cli, cli, run, sleep, tempDir } from '../../e2e/cli.ts'
import { ACTS, terminal } from '../../e2e/terminal.ts'

const BUNDLE = `
export const manifest = { name: 'ansi', version: '1.0.0', memoryMb: 64 }
export async function task() {
  console.log('\\u001b[2Jstdout\\u009b31m')
  throw new Error('\\u001b[2K\\u001b[1A\\u001b]0;pwned\\u0007\\nslot 99 cycle 9  accepted, paid 1000 KOII, 1000 KOII in all \\u009b31m\\u202eevil')
}
export async function submission() { return null }
export async function audit() { return { valid: false, reason: '\\u001b[31mred\\u009b31m \\u202e rtl' } }
`

describe('cases: sandbox/06, terminal spoof', function () {
  this.timeout(300_000)
  let dir: string
  let remove: () => Promise<void>
  let k2: Cli
  let url: string
  let start: string[]
  before(async () => {
    ;({ dir, remove } = await tempDir())
    k2 = cli(['k2', '--port', '0', '--slot-ms', '200', '--pace', 'auto', '--json'])
    ;({ url } = await k2.event('local K2', ({ event }) => event === 'listening'))
    const [wallet, bundle] = [join(dir, 'wallet.json'), join(dir, 'ansi.mjs')]
    await writeKeyFile(wallet, generateKeyPair())
    await writeFile(bundle, BUNDLE)
    const terms = ['--round-slots', '40', '--short-notice', '--bundle-notice', '1']
    const made = await run(['task', 'create', '--k2', url, '--bundle', bundle, '--wallet', wallet, '--airdrop', '--json', ...terms])
    expect(made.code, made.stderr).to.equal(0)
    start = [
      ...[
        'start',
        '--k2',
        url,
        '--task',
        JSON.parse(made.stdout).task,
        '--bundle',
        bundle,
        '--data-dir',
        join(dir, 'node'),
        '--stake',
        '10'
      ],
      ...['--accept-short-notice', '--airdrop', '--allow-private', '--listen', '/ip4/127.0.0.1/tcp/0', '--key-is-idle']
    ]
  })
  after(async () => {
    await k2?.clean()
    await remove?.()
  })

  it('on a terminal: text, one line for each, with a time of day, and nothing that acts', async () => {
    const shown = terminal(start, { columns: 300 })
    try {
      // the log and the events come by two ways, in whatever order
      await shown.shows(/missed the work: [^\n]*evil[^\n]*\n/)
      await shown.shows(/info {2}task [^\n]*stdout[^\n]*\n/)
      const lines = shown.output().trimEnd().split('\n')
      expect(ACTS.test(lines.join('\n')), JSON.stringify(lines)).to.equal(false)
      expect(lines.filter((line) => line.startsWith('slot 99'))).to.deep.equal([])
      // the task's own output is in the log, and both are text
      expect(
        lines.some((line) => /^\d\d:\d\d:\d\d {2}info {2}task .*stdout/.test(line)),
        lines.join('\n')
      ).to.equal(true)
      expect(lines.some((line) => /^\d\d:\d\d:\d\d {2}slot \d+ cycle \d+ {2}missed the work: /.test(line))).to.equal(true)
      expect(lines.filter((line) => line.startsWith('{'))).to.deep.equal([])

      for (const more of [[], ['--json']]) {
        const { code, stdout, stderr } = await run(['status', '--data-dir', join(dir, 'node'), ...more])
        expect(code, stderr).to.equal(0)
        expect(ACTS.test(stdout), JSON.stringify(stdout)).to.equal(false)
        expect(stdout).not.to.match(/^slot 99/m)
      }
    } finally {
      await shown.close()
    }
  })

  it('in pipes and files: the same, and the log is JSON that holds nothing raw', async () => {
    const node = cli([...start, '--json'])
    try {
      await node.event('missed work', ({ event }) => event === 'missed')
      // by two ways, as above
      while (!node.stderr().includes('"source":"stdout"')) {
        await sleep(50)
      }
      node.signal('SIGINT')
      await node.ended
      expect(ACTS.test(node.stdout() + node.stderr()), JSON.stringify(node.stdout() + node.stderr())).to.equal(false)
      const logged = node
        .stderr()
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
      expect(logged.some(({ source }) => source === 'stdout')).to.equal(true)
    } finally {
      await node.clean()
    }
  })
})
