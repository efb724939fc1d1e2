/** One staker's malformed address on K2 costs nobody else a claim, a slash, a proof or a peer. Everything here is real: K2, nodes, commands. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { windowOf } from '../../../src/clock/index.ts'
import { generateKeyPair, type KeyPair, signEd25519, writeKeyFile } from '../../../src/identity/index.ts'
import { createTask, createTaskAccount, TASK_BYTES, vote } from '../../../src/k2/settlement/index.ts'
import { readHint } from '../../../src/network/index.ts'
import { buildRecord, tally } from '../../../src/record/index.ts'
import { type Body, networkOf, seal } from '../../../src/wire/index.ts'
import { type Cli, cli, run, tempDir } from '../../e2e/cli.ts'
import { type Chain, KOII, signerOf, startChain } from '../../k2/chain.ts'
import { hostileHints } from '../../node/hostile-hints.ts'
import { Lab } from '../../proofs/fixtures.ts'

/** What a terminal acts on, or what turns its text around; a line's own end is none. */
const ACTS = /[^\P{Cc}\n]|[\u202a-\u202e\u2066-\u2069]/u

describe('cases: ux/01, a bad hint', function () {
  this.timeout(300_000)
  const lab = new Lab()
  let chain: Chain
  let dir: string
  let remove: () => Promise<void>
  let node: Cli | undefined
  let recordCid: string
  let voterKey: string
  let walletKey: string
  const [keeper, runner] = [generateKeyPair(), generateKeyPair()]
  const hostile: string[] = []

  before(async () => {
    ;({ dir, remove } = await tempDir())
    // far ahead: a node has started and all stakes are in, however long that takes, and then time leaps
    chain = await startChain({ stakers: 1, slotMs: 100, leadSlots: 100_000 })
    const voter = chain.stakers[0]!
    await chain.stake(voter, 1000n * KOII)
    voterKey = join(dir, 'voter.json')
    walletKey = join(dir, 'wallet.json')
    await writeKeyFile(voterKey, voter)
    await writeKeyFile(walletKey, chain.wallet)

    // an honest node, and an honest keeper of the record: both with the least stake, so that the hostile ones come first
    const runnerKey = join(dir, 'runner.json')
    await writeKeyFile(runnerKey, runner)
    await chain.client.airdrop(runner.address, 3n * KOII)
    // the slash is left for the command below
    node = cli(start('runner', '--key', runnerKey, '--no-apply-slashes'))
    const { multiaddrs, peerId } = await node.event('listening node', ({ event }) => event === 'listening')
    await chain.stake(runner, KOII, multiaddrs[0])
    const holder = await lab.node()
    await chain.stake(keeper, KOII, (holder.hint.multiaddrs as string[])[0]!)
    hostile.push(...hostileHints(peerId).slice(0, 25), ...hostileHints(holder.hint.peerId).slice(25))
    await Promise.all(hostile.map((hint) => chain.stake(generateKeyPair(), 2n * KOII, hint)))

    // cycle 0 is finalized: the voter is owed a reward, the keeper contradicted itself and loses a tenth
    const genesisHash = await chain.client.genesisHash()
    const network = networkOf(genesisHash, chain.task)
    const { from: slot } = windowOf(chain.timing, 0, 'submission')
    const says = (by: KeyPair, body: Body) =>
      seal(body, network, { publicKey: by.publicKey, sign: async (bytes) => signEd25519(bytes, by.secretKey) })
    const [first, second] = await Promise.all(
      ['one', 'another'].map((value) =>
        says(keeper, { cycle: 0, slot, submission: { value: new Uint8Array(Buffer.from(value)), proofs: [] } })
      )
    )
    const evidence = await says(voter, { cycle: 0, slot, equivocation: { first: first!.envelope, second: second!.envelope } })
    const inputs = {
      taskId: chain.task,
      genesisHash,
      cycle: 0,
      previous: null,
      beacon: new Uint8Array(32),
      ledger: new Map(),
      stakes: new Map([voter, keeper].map(({ address }) => [address, KOII])),
      bounty: 10n * KOII,
      messages: [evidence]
    }
    const built = buildRecord(inputs, tally(inputs), [{ staker: voter.address, amount: 3n * KOII }])
    for (const { cid, bytes } of built.blocks) {
      await holder.proofs.helia.blockstore.put(cid, bytes)
    }
    recordCid = built.cid.toString()
    chain.toRound(2, 2)
    const { root, digest: recordDigest, totalRewards } = built
    await chain.client.send(
      [vote({ task: chain.task, stakingKey: voter.address, cycle: 0, root, recordDigest, totalRewards })],
      [signerOf(voter)]
    )
    expect((await chain.client.task(chain.task)).finalized?.cycle).to.equal(0)
  })
  after(async () => {
    await node?.clean()
    await lab.end()
    await chain?.close()
    await remove?.()
  })

  const start = (name: string, ...more: string[]) => [
    ...['start', '--k2', chain.k2.url, '--task', chain.task, '--data-dir', join(dir, name), '--json', '--log-level', 'silent'],
    ...['--allow-private', '--listen', '/ip4/127.0.0.1/tcp/0', '--api-port', '0', ...more]
  ]
  const call = (...args: string[]) => run([...args, '--k2', chain.k2.url, '--task', chain.task], { cwd: dir })
  /** Said once, in one line, with nothing in it that acts. */
  const expectTold = (stderr: string) => {
    const lines = stderr.split('\n').filter((line) => line.includes('passed over'))
    const bad = hostile.filter((hint) => 'fault' in readHint(hint)).length
    expect(lines, stderr).to.have.length(1)
    expect(lines[0]).to.match(new RegExp(`^koii-mesh: passed over the addresses of ${bad} stakers: .*; and ${bad - 3} more$`))
    expect(ACTS.test(stderr), JSON.stringify(stderr)).to.equal(false)
  }

  it('claim pays', async () => {
    const { code, stdout, stderr } = await call('claim', '--key', voterKey, '--json')
    expect(code, stderr).to.equal(0)
    expect(JSON.parse(stdout)).to.include({ amount: (3n * KOII).toString(), to: chain.wallet.address })
    expectTold(stderr)
  })

  it('slash takes', async () => {
    const { code, stdout, stderr } = await call('slash', '--staker', keeper.address, '--wallet', walletKey, '--json')
    expect(code, stderr).to.equal(0)
    expect(JSON.parse(stdout).amount).to.equal((KOII / 10n).toString())
    expectTold(stderr)
  })

  it('proof get brings the record', async () => {
    const { code, stdout, stderr } = await call('proof', 'get', recordCid, '--out', join(dir, 'record.json'))
    expect(code, stderr).to.equal(0)
    expect(stdout).to.match(/the record of cycle 0 and its ledger/)
    expectTold(stderr)
    expect(JSON.parse(await readFile(join(dir, 'record.json'), 'utf8')).root).to.deep.equal({ '/': recordCid })
  })

  it('a newcomer finds the honest node', async () => {
    const newcomer = cli(start('newcomer'))
    try {
      const peer = await newcomer.event('honest peer', ({ event }) => event === 'peer')
      expect(peer.staker).to.equal(runner.address)
    } finally {
      await newcomer.clean()
    }
  })

  it('task show and task list print every line as text (adversity/04)', async () => {
    const task = generateKeyPair()
    const { wallet, client } = chain
    await client.send(
      [
        createTaskAccount({ payer: wallet.address, task: task.address, lamports: await client.rentExemption(TASK_BYTES) }),
        createTask({
          ...chain.timing,
          task: task.address,
          manager: wallet.address,
          name: '\x1b]0;pwn\x07\x1b[2Jok\n\u202eevil',
          bountyPerRound: 1n,
          minStake: KOII,
          bundle: '\x1b[2Jno CID'
        })
      ],
      [signerOf(wallet), signerOf(task)]
    )
    for (const args of [
      ['task', 'list'],
      ['task', 'list', '--json'],
      ['task', 'show', task.address],
      ['task', 'show', chain.task],
      ['task', 'show', chain.task, '--json']
    ]) {
      const { code, stdout, stderr } = await run([...args, '--k2', chain.k2.url])
      expect(code, stderr).to.equal(0)
      expect(ACTS.test(stdout), JSON.stringify(stdout.match(ACTS))).to.equal(false)
      expect(stdout).to.include(args[2] === chain.task ? runner.address : 'evil')
    }
    const shown = await run(['task', 'show', task.address, '--k2', chain.k2.url])
    expect(shown.stdout.split('\n')[0]).to.equal(`\\x1b]0;pwn\\x07\\x1b[2Jok\\n\\u202eevil  ${task.address}`)
  })

  it('hint and stake --hint refuse what is no address of this node, before anything is sent', async () => {
    const own = join(dir, 'runner')
    const address = '/ip4/203.0.113.7/tcp/4001'
    const stranger = `${address}/p2p/12D3KooWHFrmLWTTDD4NodngtRMEVYgxrsDMp4F9iSwYntZ9WjHa`
    const refused: Array<[hint: string, says: RegExp, more?: string[]]> = [
      ['foo', /"foo" is not a multiaddr.*such as \/ip4/],
      [address, /does not name the peer.*PeerId/],
      [`${address}/p2p/garbage`, /"garbage" for a PeerId/],
      ['\x1b[2J', /"\\x1b\[2J" holds characters/],
      [stranger, /names the peer 12D3KooWHF.* is 12D3KooW.*: nobody would find it there/, ['--data-dir', own]],
      [stranger, /no node has run with the data directory .*nowhere/, ['--data-dir', join(dir, 'nowhere')]]
    ]
    for (const [hint, says, more = []] of refused) {
      for (const args of [
        ['hint', hint, '--key', voterKey],
        ['stake', '--amount', '1', '--hint', hint, '--key', voterKey]
      ]) {
        const { code, stdout, stderr } = await call(...args, ...more)
        expect(stderr)
          .to.match(says)
          .and.to.match(/^koii-mesh: [^\n]*\n$/)
        expect([code, stdout]).to.deep.equal([2, ''])
      }
    }
    expect((await chain.client.stake(chain.task, chain.stakers[0]!.address))?.addressHint).to.equal(undefined)
  })
})
