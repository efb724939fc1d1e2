/** What a command prints as the next one works when it is pasted: real commands, and a shell for each line that they print. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { picture, type ViewState } from '../../../src/testnet/view.ts'
import { type Cli, cli, run, tempDir } from '../../e2e/cli.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')
const NAME = 'npm run koii-mesh --'
/** From a clone, in its folder. */
const FROM_SOURCE = { KOII_MESH_CALLED_AS: '' }

describe('cases: ux/10, next steps as they are printed', function () {
  this.timeout(300_000)
  let dir: string
  let remove: () => Promise<void>
  let k2: Cli
  let url: string
  let env: Record<string, string>
  const children: ChildProcess[] = []

  before(async () => {
    const made = await tempDir()
    remove = made.remove
    // a name that a shell would take apart
    dir = join(made.dir, "it's a b")
    mkdirSync(dir)
    env = { ...FROM_SOURCE, HOME: dir, XDG_DATA_HOME: join(dir, 'data') }
    k2 = cli(['k2', '--port', '0', '--slot-ms', '50', '--json'])
    ;({ url } = await k2.event('listening K2', ({ event }) => event === 'listening'))
  })
  after(async () => {
    for (const { pid, exitCode, signalCode } of children) {
      if (exitCode == null && signalCode == null) {
        process.kill(-pid!, 'SIGKILL')
      }
    }
    await k2?.clean()
    await remove?.()
  })

  const command = (...args: string[]) => run(args, { cwd: ROOT, env })

  /** Pastes a line into a shell. */
  function paste(line: string) {
    const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('KOII_MESH_')))
    const child = spawn('sh', ['-c', line], { cwd: ROOT, env: { ...own, ...env, KOII_MESH_CALLED_AS: '' }, detached: true })
    children.push(child)
    let out = ''
    const waiting = new Set<() => void>()
    const hear = (chunk: Buffer) => {
      out += chunk.toString()
      for (const look of waiting) look()
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    const ended = new Promise<{ code: number | null; out: string }>((resolve) => child.once('close', (code) => resolve({ code, out })))
    return {
      ended,
      stop: async () => {
        process.kill(-child.pid!, 'SIGTERM')
        await ended
      },
      told: (what: RegExp) =>
        new Promise<string>((resolve, reject) => {
          const look = () => {
            const found = what.exec(out)
            if (found != null) {
              waiting.delete(look)
              resolve(found[1]!)
            }
          }
          waiting.add(look)
          look()
          ended.then(() => reject(new Error(`ended without ${what}: ${out}`)))
        })
    }
  }
  const pasted = (line: string) => paste(line).ended

  it('a missing key, a task, its first node, its stake, its status, and the way out', async () => {
    const wallet = join(dir, 'wallet.json')
    const create = ['task', 'create', '--k2', url, '--bundle', 'k2-index', '--wallet', wallet, '--airdrop', '--min-stake', '12']
    const keyless = await command(...create)
    const keygen = /make one with: (.*)\n/.exec(keyless.stderr)?.[1] ?? ''
    expect(keygen).to.match(new RegExp(`^${NAME} keygen --out '`))
    expect(await pasted(keygen)).to.include({ code: 0 })

    const created = await command(...create)
    expect(created.code, created.stderr).to.equal(0)
    const start = /^ {2}(.* start .*)$/m.exec(created.stdout)?.[1] ?? ''
    expect(start)
      .to.match(new RegExp(`^${NAME} start `))
      .and.to.include(`--k2 ${url}`)
    const node = paste(`${start} --listen /ip4/127.0.0.1/tcp/0 --log-level silent`)
    const status = await node.told(/how it is: (.*)\n/)
    const stake = await node.told(/from another terminal:\n {2}(.*)\n/)
    const before = await pasted(status)
    expect(before.code, before.out).to.equal(0)
    expect(before.out).to.match(/stake +none: npm run koii-mesh -- stake .*--amount 12 /)
    expect(stake).to.include('--amount 12').and.to.include('--hint').and.to.include('--data-dir')

    const staked = await pasted(stake)
    expect(staked.code, staked.out).to.equal(0)
    const after = await pasted(status)
    expect(after.out).to.match(/stake +12 KOII/)

    // the owner's key is the node's own here
    const key = /--key ('.*?staking-key.json'|\S+)/.exec(stake.replaceAll("'\\''", "'"))?.[1]?.replace(/^'|'$/g, '') ?? ''
    const task = /--task (\w+)/.exec(stake)![1]!
    const unstaked = await command('unstake', '--k2', url, '--task', task, '--key', key, '--amount', 'all')
    expect(unstaked.code, unstaked.stderr).to.equal(0)
    const withdrawn = await pasted(/^ {2}(npm .*)$/m.exec(unstaked.stdout)?.[1] ?? '')
    expect(withdrawn.out).to.match(/locked until slot|KOII paid/)
    const shown = await command('task', 'show', '9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin', '--k2', url)
    expect(await pasted(/list the tasks with: (.*)\n/.exec(shown.stderr)?.[1] ?? '')).to.include({ code: 0 })
    await node.stop()
    // the node that has gone: how to start one, where the K2 was
    const gone = await pasted(status)
    expect(gone.code).to.equal(1)
    expect(await pasted(/\((npm .*? --help)\)/.exec(gone.out)?.[1] ?? '')).to.include({ code: 0 })
  })

  it('a local K2 is started where one was looked for', async () => {
    const { stderr } = await command('task', 'list', '--k2', 'http://127.0.0.1:9')
    expect(stderr).to.include(`start a local one with: ${NAME} k2 --port 9`)
  })

  it('the testnet’s line to join has a data directory of its own, and no line of it is cut by the terminal', () => {
    const state = {
      url: 'http://127.0.0.1:8899',
      task: 'T'.repeat(44),
      setup: [],
      rows: [],
      messages: [],
      gets: [],
      roundSlots: 1
    } as unknown as ViewState
    for (const columns of [60, 80, 200]) {
      const lines = picture(state, columns).split('\n')
      const from = lines.findIndex((line) => line.includes('koii-mesh start'))
      const joined = lines.slice(from, -1)
      expect(joined.join(' ').replaceAll(/ \\ +/g, ' ')).to.include('--data-dir bob')
      expect(joined.every((line, at) => line.length <= columns && line.endsWith(' \\') === at < joined.length - 1)).to.equal(true)
    }
  })
})
