/** What a new chain is given on the command line, in the words of solana-test-validator. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Connection, Keypair } from '@solana/web3.js'
import { expect } from 'chai'
import { type Cli, cli, run, tempDir } from '../e2e/cli.ts'
import { tokenElf } from '../local-k2/support.ts'

const [ONE, TWO, THREE, FOUR, AUTHORITY] = [1, 2, 3, 4, 5].map((byte) => Keypair.fromSeed(new Uint8Array(32).fill(byte)))

describe('CLI: k2 --account, --account-dir, --bpf-program, --upgradeable-program, --clone', function () {
  this.timeout(120_000)

  let dir: string
  let remove: () => Promise<void>
  const started: Cli[] = []
  beforeEach(async () => {
    ;({ dir, remove } = await tempDir())
  })
  afterEach(async () => {
    await Promise.all(started.splice(0).map((one) => one.clean()))
    await remove()
  })

  const start = async (...more: string[]) => {
    const k2 = cli(['k2', '--port', '0', '--slot-ms', '50', '--json', ...more])
    started.push(k2)
    const { url } = await k2.event('listening K2', ({ event }) => event === 'listening')
    return { k2, url: url as string, connection: new Connection(url as string, 'processed') }
  }
  const refused = async (args: string[], says: RegExp) => {
    const { stdout, stderr, code } = await run(['k2', '--port', '0', ...args])
    expect(stdout).to.equal('')
    expect(stderr).to.match(/^koii-mesh: [^\n]*\n$/)
    expect(stderr).to.match(says)
    expect(code).to.be.oneOf([1, 2])
  }
  const accountFile = async (pair: Keypair, lamports: number, name: string) => {
    const account = {
      lamports,
      data: ['AQ==', 'base64'],
      owner: AUTHORITY!.publicKey.toBase58(),
      executable: false,
      rentEpoch: 0,
      space: 1
    }
    const path = join(dir, name)
    await writeFile(path, JSON.stringify({ pubkey: pair.publicKey.toBase58(), account }))
    return path
  }
  const address = (pair: Keypair | undefined) => pair!.publicKey.toBase58()

  it('takes them together, and another K2 clones them', async () => {
    await mkdir(join(dir, 'more'))
    const file = await accountFile(ONE!, 1_000_000, 'one.json')
    await accountFile(THREE!, 3_000_000, 'more/three.json')
    const so = join(dir, 'program.so')
    await writeFile(so, tokenElf())
    const keypair = join(dir, 'program.json')
    await writeFile(keypair, JSON.stringify([...FOUR!.secretKey]))
    const upgradeable = Keypair.generate()
    const first = await start(
      ...['--account', '-', file, '--account', address(TWO), file, '--account-dir', join(dir, 'more')],
      ...['--bpf-program', keypair, so, '--upgradeable-program', address(upgradeable), so, address(AUTHORITY)]
    )
    const lamports = [ONE, TWO, THREE].map((pair) => first.connection.getBalance(pair!.publicKey))
    expect(await Promise.all(lamports)).to.deep.equal([1_000_000, 1_000_000, 3_000_000])
    expect((await first.connection.getAccountInfo(FOUR!.publicKey))?.executable).to.equal(true)

    const second = await start(
      ...['--clone', address(TWO), '--clone', address(upgradeable), '--maybe-clone', address(AUTHORITY), '--url', first.url]
    )
    expect(await second.connection.getBalance(TWO!.publicKey)).to.equal(1_000_000)
    expect((await second.connection.getAccountInfo(upgradeable.publicKey))?.executable).to.equal(true)
    expect(await second.connection.getBalance(THREE!.publicKey)).to.equal(0)
  })

  it('refuses, in one line, what cannot be, and before a chain is thrown away', async () => {
    const file = await accountFile(ONE!, 1_000_000, 'one.json')
    const dataDir = join(dir, 'k2')
    const { k2 } = await start('--data-dir', dataDir, '--account', '-', file)
    await k2.clean()
    await refused(['--data-dir', dataDir, '--account', '-', file], /--account: only a new chain is given accounts.*--reset/)
    await refused(['--data-dir', dataDir, '--reset', '--account', '-', join(dir, 'none.json')], /cannot read the account file .*none\.json/)
    const kept = await start('--data-dir', dataDir)
    expect(await kept.connection.getBalance(ONE!.publicKey)).to.equal(1_000_000)
    await refused(['--account', file], /--account ADDRESS FILE takes 2 values/)
    await refused(['--account', 'nobody', file], /--account is "nobody", which is not an address/)
    await refused(['--clone', address(ONE)], /--clone needs --url/)
    await refused(['--clone', 'nobody', '--url', kept.url], /--clone is "nobody"/)
    await refused(['--clone', address(TWO), '--url', kept.url], /is not on http.*so it cannot be cloned/)
    await refused(['--clone', address(TWO), '--url', 'devnet'], /--url is "devnet"/)
    await refused(['--clone', address(TWO), '--url', 'http://127.0.0.1:9'], /127\.0\.0\.1:9 does not answer.*given with --url/)
    await refused(['--upgradeable-program', address(ONE), file, 'somebody'], /authority of --upgradeable-program is "somebody"/)
    await refused(['--bpf-program', address(ONE), file], /one\.json is no program/)
    await refused(
      ['--clone', address(TWO), '--url', 'http://127.0.0.1:1'],
      /127\.0\.0\.1:1 does not answer.*check the URL given with --url/
    )
  })
})
