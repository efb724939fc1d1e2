import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { tempDir } from '../../e2e/cli.ts'
import { loneNodeOfSuite } from '../../e2e/lone-node.ts'

const MAIN = join(import.meta.dirname, '..', '..', '..', 'src', 'cli', 'main.ts')

describe('cases: standard output that closes', function () {
  this.timeout(180_000)
  const suite = loneNodeOfSuite()

  const start = (args: string[], env: Record<string, string> = {}) => {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    let stderr = ''
    child.stderr.on('data', (chunk) => {
      stderr += chunk
    })
    return { child, stderr: () => stderr, ended: once(child, 'exit') }
  }

  it('is no reason for a node to stop', async () => {
    const lone = suite()
    const { child, stderr, ended } = start([
      ...['start', '--json', '--k2', lone.chain.k2.url, '--task', lone.chain.task, '--key', lone.key, '--data-dir', lone.data],
      ...['--allow-private', '--listen', '/ip4/127.0.0.1/tcp/0']
    ])
    await once(child.stdout, 'data')
    child.stdout.destroy()
    // the next event of each round
    while (!/standard output cannot be written/.test(stderr())) {
      await Promise.race([once(child.stderr, 'data'), ended.then(() => Promise.reject(new Error(`it ended: ${stderr()}`)))])
    }
    expect(stderr().match(/standard output cannot be written/g)).to.have.length(1)
    child.kill('SIGTERM')
    expect((await ended)[0]).to.equal(0)
  })

  it('nor is a closed standard error', async () => {
    const lone = suite()
    const { child, ended } = start([
      ...['start', '--json', '--k2', lone.chain.k2.url, '--task', lone.chain.task, '--key', lone.key, '--data-dir', lone.data],
      ...['--allow-private', '--listen', '/ip4/127.0.0.1/tcp/0', '--log-level', 'trace']
    ])
    await once(child.stdout, 'data')
    child.stderr.destroy()
    for (let events = 0; events < 3; events++) {
      await Promise.race([once(child.stdout, 'data'), ended.then(() => Promise.reject(new Error('it ended')))])
    }
    child.stdout.resume()
    child.kill('SIGTERM')
    expect((await ended)[0]).to.equal(0)
  })

  it('stops a testnet in order, and its folder goes', async () => {
    const { dir, remove } = await tempDir()
    try {
      const { child, ended, stderr } = start(['testnet', '--nodes', '2', '--json'], { TMPDIR: dir })
      await once(child.stdout, 'data')
      child.stdout.destroy()
      const [code, signal] = await ended
      expect(signal).to.equal(null)
      expect(code, stderr()).to.be.oneOf([0, 1])
      expect(stderr()).not.to.match(/EPIPE|at .*\.ts:/)
      expect(readdirSync(dir).filter((name) => name.startsWith('koii-mesh-testnet-'))).to.deep.equal([])
    } finally {
      await remove()
    }
  })

  it('makes a command fail that could not say its answer', async function () {
    if (process.platform !== 'linux') {
      this.skip()
    }
    const { openSync, closeSync } = await import('node:fs')
    const full = openSync('/dev/full', 'w')
    const child = spawn(process.execPath, [MAIN, '--version'], { stdio: ['ignore', full, 'pipe'] })
    closeSync(full)
    let said = ''
    child.stderr!.on('data', (chunk) => {
      said += chunk
    })
    expect((await once(child, 'close'))[0]).to.equal(1)
    expect(said).to.match(/standard output cannot be written .*ENOSPC/)
  })
})
