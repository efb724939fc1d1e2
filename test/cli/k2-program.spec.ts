/** `koii-mesh k2 deploy` and `koii-mesh k2 verify`, against a local K2 in a process of its own. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Connection, Keypair, PublicKey, Transaction, TransactionInstruction } from '@solana/web3.js'
import { expect } from 'chai'
import { SETTLEMENT_SO } from '../../src/cli/common.ts'
import { generateKeyPair, readKeyFile, writeKeyFile } from '../../src/identity/index.ts'
import { PROGRAM_ID } from '../../src/k2/settlement/program-id.ts'
import { type Cli, cli, run, tempDir } from '../e2e/cli.ts'

const LOADER = 'BPFLoaderUpgradeab1e11111111111111111111111'

describe('CLI: k2 deploy and k2 verify', function () {
  this.timeout(120_000)

  let dir: string
  let remove: () => Promise<void>
  let k2: Cli
  let url: string
  let wallet: string
  let otherBuild: string
  let elf: Buffer
  before(async () => {
    ;({ dir, remove } = await tempDir())
    wallet = join(dir, 'wallet.json')
    await writeKeyFile(wallet, generateKeyPair())
    elf = await readFile(SETTLEMENT_SO)
    // other words in its log: the least that can be seen to run
    const at = elf.indexOf('UnknownInstructionError')
    expect(at).to.be.greaterThan(0)
    const other = Buffer.from(elf)
    other[at] = 'X'.charCodeAt(0)
    otherBuild = join(dir, 'other.so')
    await writeFile(otherBuild, other)
    await start()
  })
  after(async () => {
    await k2?.clean()
    await remove?.()
  })

  const start = async () => {
    k2 = cli(['k2', '--port', '0', '--slot-ms', '100', '--data-dir', join(dir, 'k2'), '--json'])
    ;({ url } = await k2.event('listening K2', ({ event }) => event === 'listening'))
  }
  const deployArgs = (...more: string[]) => ['k2', 'deploy', '--k2', url, '--keypair', wallet, '--json', ...more]
  const deploy = async (...more: string[]) => {
    const { code, stdout, stderr } = await run(deployArgs(...more))
    expect(stderr).to.equal('')
    expect(code).to.equal(0)
    return JSON.parse(stdout.trimEnd().split('\n').at(-1)!)
  }
  const verify = async (...more: string[]) => {
    const { code, stdout, stderr } = await run(['k2', 'verify', '--k2', url, '--json', ...more])
    expect(stderr).to.equal('')
    return { code, ...JSON.parse(stdout) }
  }
  const refused = async (args: string[], says: RegExp) => {
    const { code, stdout, stderr } = await run(args)
    expect(stdout).to.equal('')
    expect(stderr)
      .to.match(/^koii-mesh: [^\n]*\n$/)
      .and.to.match(says)
    expect(code).to.be.oneOf([1, 2])
  }
  /** What a program says to an instruction that it does not know. */
  const logsOf = async (program: string) => {
    const connection = new Connection(url, 'confirmed')
    const payer = Keypair.fromSecretKey((await readKeyFile(wallet)).secretKey)
    const transaction = new Transaction({ feePayer: payer.publicKey, ...(await connection.getLatestBlockhash()) }).add(
      new TransactionInstruction({ programId: new PublicKey(program), keys: [], data: Buffer.from([250]) })
    )
    transaction.sign(payer)
    return (await connection.simulateTransaction(transaction)).value.logs!.join('\n')
  }

  it('verify knows the program that a local K2 begins with', async () => {
    const found = await verify()
    expect(found).to.include({ code: 0, equal: true, programId: PROGRAM_ID, authority: null, slot: 0 })
    expect(found.deployedHash).to.equal(found.expectedHash)
    expect(await verify('--so', otherBuild)).to.include({ code: 1, equal: false })
    await refused(['k2', 'deploy', '--k2', url, '--keypair', wallet, '--program', PROGRAM_ID, '--so', otherBuild], /can never be changed/)
  })

  it('deploys at a new address, where a task is created and staked on; upgrades; tells when the bytes differ', async () => {
    const programKey = join(dir, 'program.json')
    const made = await deploy('--program-keypair', programKey, '--airdrop')
    const { address } = await readKeyFile(programKey)
    const authority = (await readKeyFile(wallet)).address
    expect(made).to.include({ outcome: 'deployed', programId: address, authority, bytes: elf.length })
    const same = await verify('--program', address)
    expect(same).to.include({ code: 0, equal: true, authority, loader: LOADER, slot: made.slot, dataAddress: made.dataAddress })

    const onIt = ['--k2', url, '--program', address, '--json']
    const created = await run(['task', 'create', '--bundle', 'k2-index', '--wallet', wallet, '--airdrop', ...onIt])
    expect(created.stderr).to.equal('')
    const { task } = JSON.parse(created.stdout)
    const staked = await run(['stake', '--task', task, '--amount', '10', '--key', wallet, '--airdrop', ...onIt])
    expect(staked.stderr).to.equal('')
    expect(JSON.parse(staked.stdout)).to.include({ task, stake: '10000000000' })
    const connection = new Connection(url, 'confirmed')
    expect((await connection.getAccountInfo(new PublicKey(task)))!.owner.toBase58()).to.equal(address)

    // once more: nothing to do, and nothing is paid
    expect(await deploy('--program-keypair', programKey)).to.include({ outcome: 'unchanged', paid: '0' })

    // a program that grows: the account has to be made larger first
    const grown = join(dir, 'grown.so')
    await writeFile(grown, Buffer.concat([await readFile(otherBuild), Buffer.alloc(12_000, 1)]))
    expect(await logsOf(address)).to.include('UnknownInstructionError')
    expect(await deploy('--program', address, '--so', grown, '--airdrop')).to.include({ outcome: 'upgraded', programId: address })
    expect(await logsOf(address)).to.include('XnknownInstructionError')
    expect(await verify('--program', address)).to.include({ code: 1, equal: false })
    expect(await verify('--program', address, '--so', grown)).to.include({ code: 0, equal: true })
    // and shrinks again: zeros behind it make no difference
    expect(await deploy('--program', address)).to.include({ outcome: 'upgraded' })
    expect(await verify('--program', address)).to.include({ code: 0, equal: true })

    // in people's words
    const { stdout } = await run(['k2', 'verify', '--k2', url, '--program', address])
    expect(stdout).to.include(address).and.to.include('equal').and.to.include(same.deployedHash).and.to.include(authority)

    // what was deployed is there after a kill, and still runs
    k2.signal('SIGKILL')
    await k2.ended
    await start()
    expect(await verify('--program', address)).to.include({ code: 0, equal: true })
    expect(await logsOf(address)).to.include('UnknownInstructionError')
  })

  it('goes on with the buffer of a deployment that was interrupted', async () => {
    const programKey = join(dir, 'interrupted.json')
    const first = cli(deployArgs('--program-keypair', programKey, '--airdrop'))
    const { buffer } = await first.event('buffer', ({ event }) => event === 'buffer')
    first.signal('SIGINT')
    expect((await first.ended).code).to.equal(1)
    expect(first.stderr()).to.match(/^koii-mesh: [^\n]*\n$/)
    expect(first.stderr()).to.include('interrupted').and.to.include(`--buffer ${buffer}`)
    const { address } = await readKeyFile(programKey)
    await refused(['k2', 'verify', '--k2', url, '--program', address], /there is no program/)

    // a second time, past all manners
    const second = cli(deployArgs('--program-keypair', programKey, '--buffer', buffer))
    await second.event('buffer', (event) => event.buffer === buffer)
    second.signal('SIGKILL')
    await second.ended

    const done = cli(deployArgs('--program-keypair', programKey, '--buffer', buffer))
    const made = await done.event('deployed', ({ event }) => event === 'deployed')
    expect(done.events[0]).to.include({ event: 'buffer', buffer })
    expect(made).to.include({ programId: address, outcome: 'deployed' })
    await done.ended
    expect(await verify('--program', address)).to.include({ code: 0, equal: true })
    expect(await new Connection(url, 'confirmed').getAccountInfo(new PublicKey(buffer)), 'emptied').to.equal(null)
  })

  it('names what is wrong in one line', async () => {
    const poor = join(dir, 'poor.json')
    await writeKeyFile(poor, generateKeyPair())
    const programKey = join(dir, 'never.json')
    const args = ['k2', 'deploy', '--k2', url, '--program-keypair', programKey]
    await refused([...args, '--keypair', poor], /has 0 ROE and needs about \d+/)
    await refused([...args, '--keypair', join(dir, 'absent.json')], /absent\.json/)
    await refused([...args, '--keypair', wallet, '--so', wallet], /not an ELF/)
    await refused([...args, '--keypair', wallet, '--so', join(dir, 'absent.so')], /absent\.so/)
    await refused([...args, '--keypair', wallet, '--buffer', 'abc'], /--buffer is "abc"/)
    const nobody = Keypair.generate().publicKey.toBase58()
    await refused([...args, '--keypair', wallet, '--buffer', nobody], /there is no buffer/)
    await refused(['k2', 'deploy', '--k2', url, '--keypair', wallet, '--program', nobody], /--program-keypair/)
    await refused([...args, '--keypair', wallet, '--program', nobody], /give one of them/)
    await refused(['k2', 'verify', '--k2', url, '--program', nobody], /there is no program/)
    await refused(['k2', 'verify', '--k2', url, '--program', (await readKeyFile(wallet)).address], /is not a program/)
    await refused(['k2', 'verify', '--k2', 'http://127.0.0.1:1'], /does not answer/)
    // a program that is somebody else's
    const theirs = join(dir, 'theirs.json')
    await deploy('--program-keypair', theirs, '--airdrop')
    const { address } = await readKeyFile(theirs)
    await refused(['k2', 'deploy', '--k2', url, '--keypair', poor, '--program', address, '--so', otherBuild], /upgrade authority .* is/)
  })
})
