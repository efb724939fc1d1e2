/** Escape sequences are for terminals that want them, and borders are those that the locale has. From the sources, as a checkout runs. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { run } from '../../e2e/cli.ts'
import { ACTS, runOnTerminal, terminal } from '../../e2e/terminal.ts'
import { type Chain, startChain } from '../../k2/chain.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')
const ESC = String.fromCharCode(0x1b)
const COLOUR = new RegExp(`${ESC}\\[[0-9;]*m`)

describe('cases: ux/05, colour codes in pipes', function () {
  this.timeout(300_000)
  let chain: Chain
  before(async () => {
    chain = await startChain({ stakers: 1 })
  })
  after(() => chain.close())
  const list = () => ['task', 'list', '--k2', chain.k2.url]

  it('no escape reaches a pipe, whatever the environment asks for', async () => {
    const environments: Array<Record<string, string>> = [{}, { NO_COLOR: '1', TERM: 'dumb' }, { FORCE_COLOR: '3', COLORTERM: 'truecolor' }]
    for (const env of environments) {
      const { code, stdout, stderr } = await run(list(), { env: { TERM: 'xterm', LC_ALL: 'C.UTF-8', ...env } })
      expect([code, stderr]).to.deep.equal([0, ''])
      expect(ACTS.test(stdout), JSON.stringify(stdout)).to.equal(false)
      expect(stdout).to.match(/^┌─/)
    }
    const { stdout } = await promisify(execFile)('npm', ['run', '--silent', 'koii-mesh', '--', ...list()], {
      cwd: ROOT,
      env: { ...process.env, TERM: 'xterm', LC_ALL: 'C.UTF-8' }
    })
    expect(stdout).to.match(/^┌─/)
    expect(ACTS.test(stdout), JSON.stringify(stdout)).to.equal(false)
  })

  it('borders are ASCII where the locale is C, in pipes and on terminals', async () => {
    const { stdout } = await run(list(), { env: { LC_ALL: 'C', LANG: 'en_US.UTF-8' } })
    expect(stdout)
      .to.match(/^\+-+\+/)
      .and.to.match(/^[\n -~]*$/)
    const wide = await runOnTerminal(list(), { columns: 200, env: { LC_ALL: '', LC_CTYPE: '', LANG: 'C' } })
    expect(wide.output)
      .to.match(/^\+-+\+/)
      .and.to.match(/^[\n -~]*$/)
  })

  it('the picture of a testnet has colours on a terminal, none with NO_COLOR, and is lines on a dumb one', async () => {
    const setUp = async (env: Record<string, string>) => {
      const shown = terminal(['testnet', '--nodes', '1', '--rounds', '1'], { env })
      try {
        await shown.shows(/│ node-1|\| node-1|setting up, |├/)
        return shown.output()
      } finally {
        await shown.close()
      }
    }
    expect(await setUp({})).to.match(COLOUR)
    const plain = await setUp({ NO_COLOR: 'yes' })
    expect(plain).not.to.match(COLOUR)
    expect(plain).to.include(`${ESC}[?2026h`)
    expect(ACTS.test(await setUp({ TERM: 'dumb' }))).to.equal(false)
  })
})
