import { join } from 'node:path'
import { expect } from 'chai'
import { generateKeyPair, readKeyFile, writeKeyFile } from '../../src/identity/index.ts'
import { type Cli, cli, run, tempDir } from '../e2e/cli.ts'

const COMMANDS = [
  ...['testnet', 'start', 'status', 'keygen', 'stake', 'claim', 'k2'].map((name) => [name]),
  ['task', 'create'],
  ['task', 'show'],
  ['task', 'list'],
  ['proof', 'get'],
  ['k2', 'deploy'],
  ['k2', 'verify']
]

describe('CLI: commands', function () {
  this.timeout(120_000)

  it('each shows its options and an example of itself', async () => {
    for (const command of COMMANDS) {
      const { code, stdout, stderr } = await run([...command, '--help'])
      const name = `koii-mesh ${command.join(' ')}`
      expect(code, name).to.equal(0)
      expect(stderr, name).to.equal('')
      expect(stdout, name).to.match(new RegExp(`^Usage: ${name} `))
      expect(stdout, name).to.match(new RegExp(`\\nExamples?:\\n {2}${name} `))
      expect(stdout, name).to.include('--json')
    }
  })

  it('the front page lists them all, and there is a version', async () => {
    const { code, stdout } = await run(['--help'])
    expect(code).to.equal(0)
    for (const [name] of COMMANDS) {
      expect(stdout).to.match(new RegExp(`\\n {2}${name} `))
    }
    expect((await run(['--version'])).stdout).to.match(/^\d+\.\d+\.\d+$/)
    // nothing asked for: the same page, but it is no success
    const bare = await run([])
    expect(bare.code).to.equal(2)
    expect(bare.stderr).to.include('Usage: koii-mesh')
  })

  describe('on a local K2', () => {
    let dir: string
    let remove: () => Promise<void>
    let k2: Cli
    let url: string
    let wallet: string
    let key: string
    before(async () => {
      ;({ dir, remove } = await tempDir())
      wallet = join(dir, 'wallet.json')
      key = join(dir, 'key.json')
      await writeKeyFile(wallet, generateKeyPair())
      await writeKeyFile(key, generateKeyPair())
      k2 = cli(['k2', '--port', '0', '--slot-ms', '50', '--data-dir', join(dir, 'k2'), '--json'])
      ;({ url } = await k2.event('listening K2', ({ event }) => event === 'listening'))
    })
    after(async () => {
      await k2?.clean()
      await remove?.()
    })

    const json = async (...args: string[]) => {
      const { code, stdout, stderr } = await run([...args, '--k2', url, '--json'])
      expect(stderr).to.equal('')
      expect(code).to.equal(0)
      expect(stdout.trimEnd().split('\n')).to.have.length(1)
      return JSON.parse(stdout)
    }

    it('create, list and show a task, and stake on it', async () => {
      const made = await json(
        ...['task', 'create', '--bundle', 'k2-index', '--round-slots', '60', '--bounty', '2.5', '--fund', '100'],
        ...['--min-stake', '3', '--wallet', wallet, '--airdrop']
      )
      expect(made).to.include({ name: 'k2-index', bounty: '2500000000', funded: '100000000000' })
      expect(made.bundle).to.match(/^baf/)
      expect(made).to.include({ largestSlash: 1000, bundleNotice: 8 })

      const { tasks } = await json('task', 'list')
      expect(tasks).to.have.length(1)
      expect(tasks[0]).to.include({ task: made.task, bundle: made.bundle, roundSlots: 60, stakers: 0, stake: '0', pot: '100000000000' })
      expect(tasks[0]).to.include({ largestSlash: 1000, bundleNotice: 8, nextBundle: null, slashed: '0' })

      const staker = (await readKeyFile(key)).address
      const little = await run(['stake', '--k2', url, '--task', made.task, '--amount', '2', '--key', key, '--wallet', wallet, '--airdrop'])
      expect(little.code).to.equal(2)
      expect(little.stderr).to.match(/^koii-mesh: the amount is 2 KOII, and the task asks for at least 3 KOII: give 3 or more\n$/)
      const hint = '/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWHFrmLWTTDD4NodngtRMEVYgxrsDMp4F9iSwYntZ9WjHa'
      const staked = await json(
        ...['stake', '--task', made.task, '--amount', '4', '--key', key, '--wallet', wallet, '--hint', hint, '--airdrop']
      )
      expect(staked).to.include({ task: made.task, staker, stake: '4000000000', withdrawAuthority: (await readKeyFile(wallet)).address })

      const shown = await json('task', 'show', made.task)
      expect(shown).to.include({ stakers: 1, stake: '4000000000', minStake: '3000000000', lastFinalized: null })
      expect(shown.stakes).to.have.length(1)
      expect(shown.stakes[0]).to.include({ staker, stake: '4000000000', claimed: '0', lastVote: null, address: hint })

      // and for people
      const table = await run(['task', 'show', made.task, '--k2', url])
      expect(table.code).to.equal(0)
      expect(table.stdout).to.include(staker)
      expect(table.stdout).to.include('4 KOII')
    })

    it('a notice too short to leave in: no task is created with it and nobody stakes on one, unless both say so', async () => {
      const create = ['task', 'create', '--k2', url, '--bundle', 'k2-index', '--wallet', wallet, '--airdrop', '--bundle-notice', '7']
      const refused = await run(create)
      expect(refused.code).to.equal(2)
      expect(refused.stderr).to.match(/^koii-mesh: a notice of 7 rounds is too short to leave in.*--bundle-notice 8.*--short-notice\n$/)
      const { task } = await json(...create.filter((one) => one !== '--k2' && one !== url), '--short-notice', '--largest-slash', '250')
      const list = await run(['task', 'list', '--k2', url])
      expect(list.stdout)
        .to.match(/largest slash.*notice/)
        .and.to.match(/2\.5 %.*7 rounds/)
        .and.to.match(/10 %.*8 rounds/)

      const stake = ['stake', '--k2', url, '--task', task, '--amount', '4', '--key', key, '--wallet', wallet]
      const unaware = await run(stake)
      expect(unaware.code).to.equal(2)
      expect(unaware.stdout).to.equal('')
      expect(unaware.stderr).to.match(/^koii-mesh: the task .* a notice of 7 rounds.*--accept-short-notice/)
      // what it would be told comes before the money moves: here there is too little of it
      const poor = join(dir, 'poor.json')
      await writeKeyFile(poor, generateKeyPair())
      const told = await run([...stake, '--wallet', poor, '--accept-short-notice'])
      expect(told.code).to.equal(1)
      expect(told.stdout)
        .to.match(/at most 2\.5 % of what a stake holds/)
        .and.to.match(/7 rounds .*too short to leave in/)
      const aware = await run([...stake, '--accept-short-notice', '--airdrop'])
      expect(aware.code, aware.stderr).to.equal(0)
      expect(aware.stdout.indexOf('2.5 %')).to.be.below(aware.stdout.indexOf('counted from cycle'))
      const shown = await run(['task', 'show', task, '--k2', url])
      expect(shown.stdout)
        .to.match(/at most 2\.5 %/)
        .and.to.match(/7 rounds/)
    })

    it('k2 stops at SIGTERM with status 0 and keeps its chain', async () => {
      const { tasks: before } = await json('task', 'list')
      k2.signal('SIGTERM')
      expect(await k2.ended).to.deep.equal({ code: 0, signal: null })
      k2 = cli(['k2', '--port', '0', '--slot-ms', '50', '--data-dir', join(dir, 'k2'), '--json'])
      ;({ url } = await k2.event('listening K2', ({ event }) => event === 'listening'))
      const { tasks: after } = await json('task', 'list')
      expect(after.map(({ task }: { task: string }) => task)).to.deep.equal(before.map(({ task }: { task: string }) => task))
    })
  })
})
