/** Who cannot pay is told whose money is missing and how much; a key that speaks for nothing any more is told so. */
import { join } from 'node:path'
import { expect } from 'chai'
import { generateKeyPair, type KeyPair, writeKeyFile } from '../../../src/identity/index.ts'
import { createReplacedKey, replacedStake } from '../../../src/participant/replaced.ts'
import { cli, run, tempDir } from '../../e2e/cli.ts'
import { type Chain, KOII, startChain } from '../../k2/chain.ts'

describe('cases: ux/10, money and keys', function () {
  this.timeout(240_000)
  let chain: Chain
  let dir: string
  let remove: () => Promise<void>
  const poor = generateKeyPair()
  const keys: Record<string, string> = {}
  before(async () => {
    ;({ dir, remove } = await tempDir())
    chain = await startChain({ stakers: 2, slotMs: 50 })
    const pairs: Record<string, KeyPair> = {
      poor,
      wallet: chain.wallet,
      alice: chain.stakers[0]!,
      bob: chain.stakers[1]!,
      next: generateKeyPair()
    }
    for (const [name, pair] of Object.entries(pairs)) {
      keys[name] = join(dir, `${name}.json`)
      await writeKeyFile(keys[name], pair)
    }
  })
  after(async () => {
    await chain?.close()
    await remove?.()
  })

  const refusal = async (...args: string[]) => {
    const { code, stderr } = await run([...args, '--k2', chain.k2.url])
    expect(code, stderr).to.be.oneOf([1, 2])
    expect(stderr)
      .to.match(/^koii-mesh: [^\n]*\n$/)
      .and.not.to.match(/\(\s*\)|Simulation failed|\. \)/)
    return { code, stderr }
  }

  it('a stake, a task and a pot that cannot be paid: who pays, what it has, what it needs', async () => {
    const stake = ['stake', '--task', chain.task, '--key', keys.poor!, '--amount', '10', '--accept-short-notice']
    const told = new RegExp(
      `not enough KOII: ${poor.address}, which pays, has 0 KOII and needs 10\\.\\d+ KOII \\(10 for the stake, 0\\.\\d+ for the rent.*fund`
    )
    const first = (await refusal(...stake)).stderr
    expect(first, first).to.match(told)
    await chain.client.airdrop(poor.address, 2n * KOII)
    expect((await refusal(...stake)).stderr).to.match(/has 2 KOII and needs 10\.\d+ KOII/)
    const fund = ['task', 'fund', chain.task, '--amount', '5', '--wallet', keys.poor!]
    expect((await refusal(...fund)).stderr).to.match(/has 2 KOII and needs 5\.000005 KOII \(5 for the pot, 0\.000005 in fees\)/)
    const create = ['task', 'create', '--bundle', 'k2-index', '--fund', '7', '--wallet', keys.poor!]
    expect((await refusal(...create)).stderr).to.match(/has 2 KOII and needs 7\.\d+ KOII/)
    // a fee alone
    const key = join(dir, 'none.json')
    await writeKeyFile(key, generateKeyPair())
    const claim = await refusal('hint', '--remove', '--task', chain.task, '--key', keys.poor!)
    expect(claim.stderr).to.match(/has no stake in the task/)
  })

  it('a key is replaced by one that is free, and by no other', async () => {
    const alice = ['replace-key', '--task', chain.task, '--staker', chain.stakers[0]!.address, '--wallet', keys.wallet!]
    const same = await refusal(...alice, '--new-key', keys.alice!)
    expect([same.code, same.stderr]).to.satisfy(
      ([code, text]: [number, string]) => code === 2 && /signs for this stake already.*keygen --out/.test(text)
    )
    const others = await refusal(...alice, '--new-key', keys.bob!)
    expect(others.code).to.equal(2)
    expect(others.stderr)
      .to.include(`the key of another stake in this task, that of ${chain.stakers[1]!.address}`)
      .and.to.include('keygen --out')
  })

  it('the node with the replaced key says so', async () => {
    const node = cli([
      ...['start', '--k2', chain.k2.url, '--task', chain.task, '--key', keys.alice!, '--data-dir', join(dir, 'node')],
      ...['--allow-private', '--listen', '/ip4/127.0.0.1/tcp/0', '--json', '--key-is-idle']
    ])
    try {
      await node.event('listening node', ({ event }) => event === 'listening')
      const replaced = await run([
        ...['replace-key', '--k2', chain.k2.url, '--task', chain.task, '--staker', chain.stakers[0]!.address],
        ...['--wallet', keys.wallet!, '--new-key', keys.next!]
      ])
      expect(replaced.code, replaced.stderr).to.equal(0)
      const told = await node.event('replaced key', ({ event }) => event === 'key-replaced')
      expect(told.reason).to.match(/the staking key of this node, \w+, was replaced: \w+ signs for the stake/)
      const status = await run(['status', '--data-dir', join(dir, 'node')])
      expect(status.stdout).to.match(/NOTICE +the staking key of this node/)
    } finally {
      await node.clean()
    }
  })

  it('whose key it was, and who is only new', () => {
    const stake = (staker: string, stakingKey: string, formerKey?: string) => ({ staker, stakingKey, formerKey, keyFrom: 7 })
    expect(replacedStake('a', [stake('a', 'a')])).to.equal(undefined)
    expect(replacedStake('a', [stake('b', 'b')])).to.equal(undefined)
    expect(replacedStake('a', [stake('a', 'b')])?.stakingKey).to.equal('b')
    expect(replacedStake('b', [stake('a', 'c', 'b')])?.stakingKey).to.equal('c')
    // it speaks for another one
    expect(replacedStake('a', [stake('a', 'b'), stake('x', 'a')])).to.equal(undefined)
    const told: string[] = []
    let accounts = [stake('a', 'a')]
    const replaced = createReplacedKey({
      self: 'a',
      accounts: () => accounts,
      events: { emit: (event, ..._detail) => void told.push(event) },
      log: { warn: () => {} } as never
    })
    replaced.look()
    accounts = [stake('a', 'b')]
    replaced.look()
    replaced.look()
    expect(told).to.deep.equal(['key-replaced'])
    expect(replaced.notice()).to.include('from cycle 7 on')
  })
})
