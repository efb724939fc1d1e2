/** `start --stake` says what it has staked, to people and to programs. */
import { join } from 'node:path'
import { expect } from 'chai'
import { type Cli, cli, run, tempDir } from '../e2e/cli.ts'
import { eventually } from '../k2/chain.ts'

describe('cli: a stake that start makes', function () {
  this.timeout(300_000)
  let dir: string
  let remove: () => Promise<void>
  const started: Cli[] = []
  const up = (args: string[]) => {
    const command = cli(args)
    started.push(command)
    return command
  }
  before(async () => {
    ;({ dir, remove } = await tempDir())
  })
  after(async () => {
    await Promise.all(started.reverse().map((command) => command.clean()))
    await remove?.()
  })

  it('is told with its amount, its staker and the cycle from which it counts, and one that was there is, too', async () => {
    const k2 = up(['k2', '--port', '0', '--slot-ms', '100', '--json'])
    const { url } = await k2.event('listening K2', ({ event }) => event === 'listening')
    const wallet = join(dir, 'wallet.json')
    await run(['keygen', '--out', wallet])
    const made = await run(['task', 'create', '--k2', url, '--bundle', 'k2-index', '--wallet', wallet, '--airdrop', '--json'])
    const { task } = JSON.parse(made.stdout)
    const start = (name: string, ...more: string[]) =>
      up([
        ...['start', '--k2', url, '--task', task, '--data-dir', join(dir, name), '--allow-private', '--log-level', 'silent'],
        ...['--listen', '/ip4/127.0.0.1/tcp/0', '--stake', '10', '--airdrop', ...more]
      ])
    const onK2 = async (staker: string) => {
      const { stdout } = await run(['task', 'show', task, '--k2', url, '--json'])
      return (JSON.parse(stdout).stakes as Array<{ staker: string; stake: string }>).find((one) => one.staker === staker)?.stake
    }

    const machine = start('machine', '--json')
    const told = await machine.event('its stake', ({ event }) => event === 'staked')
    expect(told).to.include({ staker: told.node, stake: '10000000000', withdrawAuthority: told.node })
    expect(told.countsFromCycle).to.be.a('number')
    expect(told.signature).to.be.a('string')
    expect(await onK2(told.staker)).to.equal('10000000000')

    const person = start('person')
    const words = /staked 10 KOII for (\w+), counted from cycle \d+ on; rewards and the stake itself go to (\w+)/
    const [, staker, owner] = await eventually('the word of it', async () => words.exec(person.stdout()) ?? undefined)
    expect(owner).to.equal(staker)
    person.signal('SIGINT')
    await person.ended

    const again = start('person')
    await eventually('the word of the one before', async () =>
      again.stdout().includes('a stake of 10 KOII is there already: --stake adds nothing to it') ? true : undefined
    )
  })

  it('of several tasks: none is staked on where one of them is refused, and each is named', async () => {
    const k2 = up(['k2', '--port', '0', '--slot-ms', '100', '--json'])
    const { url } = await k2.event('listening K2', ({ event }) => event === 'listening')
    const wallet = join(dir, 'wallet-of-several.json')
    await run(['keygen', '--out', wallet])
    const create = async (...more: string[]) => {
      const made = await run(['task', 'create', '--k2', url, '--bundle', 'k2-index', '--wallet', wallet, '--airdrop', '--json', ...more])
      return JSON.parse(made.stdout).task as string
    }
    const long = await create()
    const short = await create('--bundle-notice', '1', '--short-notice')
    const start = (...more: string[]) =>
      up([
        ...['start', '--k2', url, '--task', long, '--task', short, '--data-dir', join(dir, 'several'), '--allow-private'],
        ...['--log-level', 'silent', '--listen', '/ip4/127.0.0.1/tcp/0', '--stake', '10', '--airdrop', ...more]
      ])
    const stakers = async (task: string) =>
      JSON.parse((await run(['task', 'show', task, '--k2', url, '--json'])).stdout).stakes as Array<{ staker: string }>

    const refused = start()
    await refused.ended
    expect(refused.stderr()).to.include(`the task ${short} gives a new bundle a notice of 1 round`)
    expect(await stakers(long)).to.deep.equal([])

    const accepted = start('--accept-short-notice')
    await eventually('both stakes', async () => (accepted.stdout().match(/staked 10 KOII/g)?.length === 2 ? true : undefined))
    for (const task of [long, short]) {
      expect(accepted.stdout()).to.include(`task      k2-index ${task}\nslashes `)
      expect(await stakers(task)).to.have.length(1)
    }
  })
})
