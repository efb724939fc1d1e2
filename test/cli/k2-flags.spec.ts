/** What `koii-mesh k2` can be told: a new chain, a later slot, money; and what it says to what cannot be. */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Connection, Keypair, PublicKey } from '@solana/web3.js'
import { expect } from 'chai'
import { type Cli, cli, run, tempDir } from '../e2e/cli.ts'
import { eventually } from '../k2/waits.ts'

describe('CLI: k2 --reset, --warp, --fund', function () {
  this.timeout(120_000)

  let dir: string
  let remove: () => Promise<void>
  let k2: Cli | undefined
  beforeEach(async () => {
    ;({ dir, remove } = await tempDir())
  })
  afterEach(async () => {
    await k2?.clean()
    k2 = undefined
    await remove()
  })

  const start = async (...more: string[]) => {
    await k2?.clean()
    k2 = cli(['k2', '--port', '0', '--slot-ms', '50', '--data-dir', join(dir, 'k2'), '--json', ...more])
    const { url, slot } = await k2.event('listening K2', ({ event }) => event === 'listening')
    return { connection: new Connection(url, 'confirmed'), slot: slot as number, url: url as string }
  }
  /** One line on standard error, nothing on standard output. */
  const refused = async (code: 1 | 2 | 3, args: string[], ...says: RegExp[]) => {
    const result = await run(['k2', ...args])
    expect(result.stdout).to.equal('')
    expect(result.stderr).to.match(/^koii-mesh: [^\n]*\n$/)
    for (const what of says) {
      expect(result.stderr).to.match(what)
    }
    expect(result.code).to.equal(code)
  }

  it('brings accounts to what is asked for, to the lamport, and takes from nobody', async () => {
    const [alice, bob] = [Keypair.generate().publicKey, Keypair.generate().publicKey]
    const funds = ['--fund', `${alice.toBase58()}=2.500000001`, '--fund', `${bob.toBase58()}=90071.992547409`]
    let { connection } = await start(...funds)
    // there at once, in a block that is stored
    const supply = async () => (await connection.getSupply()).value.total
    expect(await connection.getBalance(alice)).to.equal(2_500_000_001)
    expect(await connection.getBalance(bob)).to.equal(90_071_992_547_409)
    expect(await connection.getTransactionCount()).to.equal(2)
    const before = await supply()

    // the same command again finds nothing to do, even after a kill; less takes nothing away; more tops up
    ;({ connection } = await start(...funds))
    expect(await connection.getTransactionCount()).to.equal(2)
    ;({ connection } = await start('--fund', `${alice.toBase58()}=1`, '--fund', `${bob.toBase58()}=90072`))
    expect(await connection.getBalance(alice)).to.equal(2_500_000_001)
    expect(await connection.getBalance(bob)).to.equal(90_072_000_000_000)
    expect(await connection.getTransactionCount()).to.equal(3)
    // from the faucet, and not out of the air: a fee is burnt
    expect(await supply()).to.equal(before - 5000)
  })

  it('jumps to a later slot, goes on from there, and never goes back', async () => {
    const first = await start('--warp', '5000')
    expect(first.slot).to.equal(5000)
    const reached = await eventually('slot 5003', async () => {
      const slot = await first.connection.getSlot()
      return slot > 5002 ? slot : undefined
    })
    expect((await first.connection.getBlocks(0, 5001)).slice(-2)).to.deep.equal([5000, 5001])
    expect(await first.connection.getBlocks(2, 4999)).to.deep.equal([])
    await k2!.clean()
    await refused(2, ['--port', '0', '--data-dir', join(dir, 'k2'), '--warp', '4999'], /--warp 4999 would go back/, /--reset/)
    const again = await start('--warp', '1000000')
    expect(again.slot).to.equal(1_000_000)
    expect(await again.connection.getBlockTime(reached)).to.be.a('number')
    await refused(2, ['--port', '0', '--warp', '-1'], /--warp/)
    await refused(2, ['--port', '0', '--warp', '1e3'], /--warp/)
  })

  it('throws the chain away on --reset, that of another version too, and nothing else', async () => {
    const folder = join(dir, 'k2')
    await mkdir(folder)
    await writeFile(join(folder, 'notes.txt'), 'mine')
    let { connection } = await start('--warp', '100')
    const genesis = await connection.getGenesisHash()
    await refused(3, ['--port', '0', '--data-dir', folder, '--reset'], /is in use by another local K2 \(process \d+\)/)
    ;({ connection } = await start())
    expect(await connection.getGenesisHash()).to.equal(genesis)
    await k2!.clean()
    const db = new DatabaseSync(join(folder, 'k2.sqlite'))
    db.exec('PRAGMA wal_checkpoint(TRUNCATE); PRAGMA user_version = 7')
    db.close()
    await refused(1, ['--port', '0', '--data-dir', folder], /format 7/, /--reset/)
    const { connection: fresh, slot } = await start('--reset')
    expect(slot).to.be.below(100)
    expect(await fresh.getGenesisHash()).to.not.equal(genesis)
    expect(await readdir(folder)).to.include('notes.txt')
    await refused(2, ['--port', '0', '--reset'], /--data-dir/)
    // damaged beyond reading
    await k2!.clean()
    await writeFile(join(folder, 'k2.sqlite'), 'this is no chain '.repeat(500))
    await refused(1, ['--port', '0', '--data-dir', folder], /is not a database/, /--reset/)
    await start('--reset')
  })

  it('names a port that is in use, for HTTP and for WebSocket', async () => {
    const listen = async (port: number) => {
      const server = createServer()
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
      return server
    }
    // one whose lower neighbour is free, for the K2 that wants its WebSocket here
    let taken = await listen(0)
    const portOf = () => (taken.address() as AddressInfo).port
    for (;;) {
      const neighbour = await listen(portOf() - 1).catch(() => undefined)
      if (neighbour !== undefined) {
        await new Promise((resolve) => neighbour.close(resolve))
        break
      }
      taken.close()
      taken = await listen(0)
    }
    try {
      await refused(1, ['--port', String(portOf())], new RegExp(`port ${portOf()} .* in use`), /--port/)
      await refused(1, ['--port', String(portOf() - 1)], new RegExp(`port ${portOf()} .* in use`), /WebSocket/)
    } finally {
      taken.close()
    }
  })

  it('names a bad address, amount and slot', async () => {
    const someone = new PublicKey(new Uint8Array(32).fill(3)).toBase58()
    const fund = (text: string, ...says: RegExp[]) => refused(2, ['--port', '0', '--fund', text], ...says)
    await fund('abc=1', /"abc", which is not an address/)
    await fund(someone, /is not ADDRESS=KOII/)
    await fund(`${someone}=1=2`, /is not ADDRESS=KOII/)
    await fund(`${someone}=0.0000000001`, /at most nine decimals/)
    await fund(`${someone}=1e3`, /such as 2 or 0\.25/)
    await fund(`${someone}=-1`, /such as 2 or 0\.25/)
    await refused(2, ['--port', '0', '--fund', `${someone}=1`, '--fund', `${someone}=1`], /twice/)
    await refused(1, ['--port', '0', '--fund', `${someone}=0.0001`], /the least that an account may have is 890880/)
    await refused(1, ['--port', '0', '--fund', `${someone}=5000000`], /the faucet has/)
  })
})
