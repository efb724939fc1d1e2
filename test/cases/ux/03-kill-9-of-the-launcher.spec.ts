import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { cli, run, sleep, tempDir } from '../../e2e/cli.ts'
import { loneNodeOfSuite } from '../../e2e/lone-node.ts'
import { isAlive } from '../../processes.ts'

const LAUNCHER = join(import.meta.dirname, '..', '..', '..', 'scripts', 'koii-mesh.mjs')

const untilGone = async (pid: number) => {
  while (isAlive(pid)) {
    await sleep(20)
  }
}

describe('cases: what was started ends with what started it', function () {
  this.timeout(180_000)
  const suite = loneNodeOfSuite()
  const args = () => {
    const { chain, key, data } = suite()
    return [
      ...['start', '--json', '--k2', chain.k2.url, '--task', chain.task, '--key', key, '--data-dir', data],
      ...['--allow-private', '--listen', '/ip4/127.0.0.1/tcp/0']
    ]
  }
  const pidOf = () => JSON.parse(readFileSync(join(suite().data, 'api.json'), 'utf8')).pid as number

  it('kill -9 of the launcher ends the node, and the next one starts at once', async () => {
    for (let time = 0; time < 2; time++) {
      const launcher = spawn(process.execPath, [LAUNCHER, ...args()], { stdio: ['ignore', 'pipe', 'inherit'] })
      await new Promise<void>((resolve, reject) => {
        let text = ''
        launcher.stdout.on('data', (chunk) => {
          text += chunk
          if (/"listening"/.test(text)) {
            resolve()
          }
        })
        launcher.once('exit', () => reject(new Error(`it ended: ${text}`)))
      })
      const pid = pidOf()
      expect(pid).not.to.equal(launcher.pid)
      launcher.removeAllListeners('exit')
      const gone = once(launcher, 'exit')
      launcher.kill('SIGKILL')
      await gone
      await untilGone(pid)
    }
  })

  it('names the process that has the data directory, with the exit status of a key that is in use', async () => {
    const { node } = await suite().up()
    const refused = await run(args())
    expect(refused.stderr).to.include(`is in use by another running node (process ${node.pid})`)
    expect(refused.code).to.equal(3)
    const sameKey = await run([...args(), '--data-dir', join(suite().dir, 'other')])
    expect(sameKey.stderr).to.include(`process ${node.pid} on `)
    expect(sameKey.code).to.equal(3)
    // a terminal that closes, which tells a process twice where there is a launcher
    node.signal('SIGHUP')
    node.signal('SIGHUP')
    expect(await node.ended).to.deep.equal({ code: 0, signal: null })
    expect(node.events.at(-1)).to.include({ event: 'stopped' })
  })

  it('kill -9 of a node ends a task that is busy and sees nothing', async function () {
    if (!existsSync('/usr/bin/setpriv')) {
      this.test!.title += ' (skipped: this machine has no setpriv)'
      this.skip()
    }
    const { dir, remove } = await tempDir()
    const script = join(dir, 'node.ts')
    const support = new URL('../../tasks/support.ts', import.meta.url).href
    await writeFile(
      script,
      `import { makeRunner, source } from ${JSON.stringify(support)}
       const { runner } = await makeRunner({ bundle: source(\`
         export const manifest = { name: 'busy', version: '1.0.0' }
         export async function task (ctx) { await ctx.kv.put('a', ''); for (;;); }
         export async function submission () { return null }
         export async function audit () { return true }\`),
         store: { get: async () => undefined, put: async () => void process.send(runner.status().pid), delete: async () => {}, list: async () => [] } })
       runner.task({ cycle: 1, startSlot: 0, endSlot: 1, slotMs: 400 }, { timeoutMs: 100_000 })`
    )
    const node = fork(script)
    try {
      const [pid] = await once(node, 'message')
      expect(isAlive(pid)).to.equal(true)
      node.kill('SIGKILL')
      await untilGone(pid)
    } finally {
      node.kill('SIGKILL')
      await remove()
    }
  })

  it('kill -9 of a testnet ends its nodes', async () => {
    const { dir, remove } = await tempDir()
    const command = cli(['testnet', '--nodes', '2', '--json', '--data-dir', dir])
    try {
      await command.event('a node that listens', ({ event }) => event === 'listening')
      process.kill(command.pid, 'SIGKILL')
      await command.ended
      while (command.alive()) {
        await sleep(20)
      }
    } finally {
      await command.clean()
      await remove()
    }
  })
})
