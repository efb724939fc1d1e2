import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import { Keypair, PublicKey, SystemProgram, Transaction, TransactionInstruction } from '@solana/web3.js'
import { expect } from 'chai'
import { programDataAddress } from '../../src/k2/loader/index.ts'
import {
  cloneAccounts,
  createLocalK2,
  type GenesisAccount,
  GenesisError,
  readAccountDir,
  readAccountFile,
  readProgramFile
} from '../../src/local-k2/index.ts'
import { type Fixture, failureOf, startK2, tokenElf } from './support.ts'

const ADDRESS = Keypair.fromSeed(new Uint8Array(32).fill(5)).publicKey.toBase58()
const OTHER = Keypair.fromSeed(new Uint8Array(32).fill(6)).publicKey.toBase58()
const OWNER = Keypair.fromSeed(new Uint8Array(32).fill(7)).publicKey.toBase58()
const MOST = 18446744073709551615n
const LOADER = 'BPFLoaderUpgradeab1e11111111111111111111111'

/** As `solana account --output json` writes it; a field that is given as text stands in the file as it is. */
function accountText(fields: Record<string, string> = {}, pubkey = ADDRESS): string {
  const all = {
    lamports: '10290815',
    data: '["AQIDBA==","base64"]',
    owner: `"${OWNER}"`,
    executable: 'false',
    rentEpoch: `${MOST}`,
    space: '4',
    ...fields
  }
  const body = Object.entries(all).map(([name, value]) => `"${name}": ${value}`)
  return `{"pubkey": "${pubkey}", "account": {${body.join(', ')}}}`
}

describe('local K2: accounts of a new chain', () => {
  let dir: string
  let f: Fixture | undefined
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'koii-mesh-accounts-'))
  })
  afterEach(async () => {
    await f?.close()
    f = undefined
    await rm(dir, { recursive: true })
  })

  const write = async (text: string | Uint8Array, name = 'account.json') => {
    const path = join(dir, name)
    await writeFile(path, text)
    return path
  }
  const read = async (address: string) => (await f!.call('getAccountInfo', address, { encoding: 'base64' })).result.value

  it('come from files of the Solana CLI, to the last lamport', async () => {
    const path = await write(accountText({ lamports: '9223372036854775809' }))
    const account = readAccountFile(path)
    expect(account).to.deep.include({ address: ADDRESS, from: path })
    expect(account.state).to.deep.include({ lamports: 9223372036854775809n, executable: false, rentEpoch: MOST })
    expect([...account.state.data]).to.deep.equal([1, 2, 3, 4])
    expect(readAccountFile(path, OTHER).address).to.equal(OTHER)
    f = await startK2({ genesis: { accounts: [readAccountFile(await write(accountText()))] } })
    f.slots()
    expect(await read(ADDRESS)).to.deep.include({ lamports: 10290815, data: ['AQIDBA==', 'base64'], owner: OWNER, space: 4 })
    expect((await f.call('getProgramAccounts', OWNER)).result).to.have.length(1)
  })

  it('come in every encoding that nodes write', async () => {
    const zstd = zstdCompressSync(Buffer.from([1, 2, 3, 4])).toString('base64')
    for (const data of ['["2VfUX","base58"]', '"2VfUX"', `["${zstd}","base64+zstd"]`]) {
      expect([...readAccountFile(await write(accountText({ data }))).state.data]).to.deep.equal([1, 2, 3, 4])
    }
    // what programs make of the largest number that read it as a double
    expect(readAccountFile(await write(accountText({ rentEpoch: '18446744073709552000' }))).state.rentEpoch).to.equal(MOST)
  })

  const HOSTILE: Array<[what: string, text: string, says: RegExp]> = [
    ['nothing', '', /not JSON/],
    ['half a file', accountText().slice(0, 60), /not JSON/],
    ['a list', '[1,2,3]', /should be an object/],
    ['no account', `{"pubkey":"${ADDRESS}"}`, /account should be an object/],
    ['a wrong address', accountText({}, 'abc'), /pubkey is not an address/],
    ['a wrong owner', accountText({ owner: '"0OIl"' }), /account\.owner is not an address/],
    ['an owner without end', accountText({ owner: `"${'1'.repeat(1_000_000)}"` }), /account\.owner is not an address/],
    ['too many lamports', accountText({ lamports: '18446744073709551616' }), /account\.lamports is 18446744073709551616/],
    ['lamports without end', accountText({ lamports: '9'.repeat(1_000_000) }), /\(an integer of 1000000 characters/],
    ['negative lamports', accountText({ lamports: '-1' }), /account\.lamports is -1/],
    ['a fraction', accountText({ lamports: '1.5' }), /account\.lamports is 1\.5/],
    ['lamports as text', accountText({ lamports: '"5"' }), /account\.lamports should be a whole number/],
    ['no lamports', accountText({ lamports: '0' }), /account has no lamports/],
    ['no flag', accountText({ executable: '1' }), /account\.executable should be true or false/],
    ['parsed data', accountText({ data: '{"program":"spl-token"}' }), /account\.data is parsed/],
    ['a wrong encoding', accountText({ data: '["AQ==","base32"]' }), /account\.data is in "base32"/],
    ['no base64', accountText({ data: '["A$==","base64"]' }), /account\.data is not base64/],
    ['no zstd', accountText({ data: '["AQIDBA==","base64+zstd"]' }), /account\.data is not zstd/],
    [
      'a bomb',
      accountText({ data: `["${zstdCompressSync(Buffer.alloc(64 * 1024 * 1024)).toString('base64')}","base64+zstd"]` }),
      /account\.data is not zstd, or has more than 10485760 bytes/
    ],
    ['base58 without end', accountText({ data: `["${'1'.repeat(100_000)}","base58"]` }), /too long for base58/],
    ['too much data', accountText({ data: `["${Buffer.alloc(10 * 1024 * 1024 + 1).toString('base64')}","base64"]` }), /has 10485761 bytes/],
    ['too long a file', `${accountText()}${' '.repeat(15_000_000)}`, /cannot read .*15000\d+ bytes/]
  ]
  for (const [what, text, says] of HOSTILE) {
    it(`are refused, with file and field: ${what}`, async () => {
      const path = await write(text)
      expect(() => readAccountFile(path)).to.throw(GenesisError, says)
      expect(() => readAccountFile(path)).to.throw(path)
    })
  }

  it('come from a folder, and what is no .json file is left alone', async () => {
    await write(accountText({}, OTHER), 'b.json')
    await write(accountText(), 'a.json')
    await write('not read', 'README.md')
    await mkdir(join(dir, 'folder.json'))
    expect(readAccountDir(dir).map(({ address }) => address)).to.deep.equal([ADDRESS, OTHER])
    await write('{', 'c.json')
    expect(() => readAccountDir(dir)).to.throw(GenesisError, /c\.json is no account file/)
    expect(() => readAccountDir(join(dir, 'nowhere'))).to.throw(GenesisError, /cannot read the folder of accounts .*nowhere/)
  })

  const refusal = async (accounts: GenesisAccount[], more = {}) =>
    (await failureOf(createLocalK2({ port: 0, genesis: { accounts }, ...more }))) as Error

  it('are refused where they cannot be', async () => {
    const account = readAccountFile(await write(accountText()))
    expect((await refusal([account, { ...account, from: 'elsewhere' }])).message).to.match(
      new RegExp(`${ADDRESS} is given twice, by .*account.json and by elsewhere`)
    )
    const executable = { ...account, state: { ...account.state, executable: true, owner: new PublicKey(LOADER).toBytes() } }
    expect((await refusal([executable])).message).to.match(/is executable, and its program is not one that runs here/)
    const clock = 'SysvarC1ock11111111111111111111111111111111'
    expect((await refusal([{ ...account, address: clock }])).message).to.contain("is the chain's own")
    expect((await refusal([{ ...account, address: 'Vote111111111111111111111111111111111111111' }])).message).to.contain("the chain's own")
    const rich = { ...account, state: { ...account.state, lamports: MOST } }
    expect((await refusal([rich])).message).to.contain('less than 2^64')
  })

  it('leave the stake configuration as it is, as a validator does', async () => {
    const stakeConfig = 'StakeConfig11111111111111111111111111111111'
    f = await startK2({ genesis: { accounts: [readAccountFile(await write(accountText()), stakeConfig)] } })
    f.slots()
    expect(await read(stakeConfig)).to.deep.include({ lamports: 960_480, data: ['AAAAAAAAANA/DA==', 'base64'] })
  })

  it('are for a new chain alone, and stay with it', async () => {
    const dataDir = join(dir, 'k2')
    const account = readAccountFile(await write(accountText()))
    f = await startK2({ dataDir, genesis: { accounts: [account] } })
    await f.close()
    expect((await refusal([account], { dataDir })).message).to.match(
      /exists already, and accounts and programs are given to a new one alone/
    )
    f = await startK2({ dataDir })
    f.slots()
    expect(await read(ADDRESS)).to.deep.include({ lamports: 10290815, owner: OWNER })
  })

  /** Calls the token program under another address: whether it runs. */
  const runs = async (program: string) => {
    const alice = await f!.funded(1_000_000_000)
    const call = new Transaction({ feePayer: alice.publicKey, ...(await f!.connection.getLatestBlockhash()) }).add(
      new TransactionInstruction({ programId: new PublicKey(program), keys: [], data: Buffer.from([255]) })
    )
    call.sign(alice)
    const { value } = await f!.connection.simulateTransaction(call)
    return value.logs!.some((line) => line === `Program ${program} invoke [1]`) && !value.logs!.includes('Program is not deployed')
  }

  it('are programs of .so files, with and without an authority', async () => {
    const so = await write(tokenElf(), 'program.so')
    f = await startK2({ genesis: { accounts: [...readProgramFile(ADDRESS, so), ...readProgramFile(OTHER, so, OWNER)] } })
    f.slots()
    expect(await runs(ADDRESS)).to.equal(true)
    expect(await runs(OTHER)).to.equal(true)
    const parsed = async (address: string) => {
      const { result } = await f!.call('getAccountInfo', programDataAddress(address), { encoding: 'jsonParsed' })
      return result.value.data.parsed.info
    }
    expect(await parsed(ADDRESS)).to.include({ authority: null, slot: 0 })
    expect(await parsed(OTHER)).to.include({ authority: OWNER, slot: 0 })
    const data = await read(programDataAddress(OTHER))
    expect(data.lamports).to.equal((await f.call('getMinimumBalanceForRentExemption', data.space)).result)
  })

  it('are no programs of other files', async () => {
    const text = await write('hello', 'program.so')
    expect(() => readProgramFile(ADDRESS, text)).to.throw(GenesisError, /program\.so is no program/)
    expect(() => readProgramFile(ADDRESS, join(dir, 'none.so'))).to.throw(GenesisError, /cannot read the program .*none\.so/)
    const broken = await write(Buffer.concat([Buffer.from('\x7fELF', 'latin1'), Buffer.alloc(100)]), 'broken.so')
    expect((await refusal(readProgramFile(ADDRESS, broken))).message).to.match(/broken\.so is executable, and its program is not one/)
  })

  describe('cloned from another K2', () => {
    let source: Fixture
    beforeEach(async () => {
      const so = await write(tokenElf(), 'program.so')
      const account = readAccountFile(await write(accountText({ lamports: '9223372036854775809' })))
      source = await startK2({ genesis: { accounts: [account, ...readProgramFile(OTHER, so, OWNER)] } })
      source.slots()
    })
    afterEach(() => source.close())

    it('are equal to the lamport, and programs come with their code', async () => {
      const accounts = await cloneAccounts({ url: source.k2.url, accounts: [ADDRESS], programs: [OTHER], maybe: [OWNER] })
      expect(accounts.map(({ address }) => address)).to.have.members([ADDRESS, OTHER, programDataAddress(OTHER)])
      f = await startK2({ genesis: { accounts } })
      f.slots()
      for (const address of [ADDRESS, OTHER, programDataAddress(OTHER)]) {
        const before = (await source.call('getAccountInfo', address, { encoding: 'base64' })).result.value
        expect(await read(address)).to.deep.equal(before)
      }
      expect(await runs(OTHER)).to.equal(true)
      // --clone of a program brings its code, too
      expect(await cloneAccounts({ url: source.k2.url, accounts: [OTHER] })).to.have.length(2)
    })

    it('of a program that was deployed later there run from the first slot on here', async () => {
      const [program, data] = await cloneAccounts({ url: source.k2.url, accounts: [OTHER] })
      const late = Uint8Array.from(data!.state.data)
      new DataView(late.buffer).setBigUint64(4, 300_000_000n, true)
      f = await startK2({ genesis: { accounts: [program!, { ...data!, state: { ...data!.state, data: late } }] } })
      f.slots()
      expect(await runs(OTHER)).to.equal(true)
      const { result } = await f.call('getAccountInfo', programDataAddress(OTHER), { encoding: 'jsonParsed' })
      expect(result.value.data.parsed.info.slot).to.equal(0)
    })

    it('are refused by name where there is none, or no program', async () => {
      const { url } = source.k2
      const missing = (await failureOf(cloneAccounts({ url, accounts: [ADDRESS, OWNER] }))) as Error
      expect(missing).to.be.instanceOf(GenesisError)
      expect(missing.message).to.contain(`${OWNER} is not on ${url}`)
      expect(((await failureOf(cloneAccounts({ url, programs: [ADDRESS] }))) as Error).message).to.contain(
        'is no program of the upgradeable loader'
      )
    })

    it('a hundred at a time and more', async () => {
      const payer = await source.funded(10_000_000_000)
      const keys = Array.from({ length: 12 }, () => Keypair.generate().publicKey)
      const pay = new Transaction({ feePayer: payer.publicKey, ...(await source.connection.getLatestBlockhash()) }).add(
        ...keys.map((toPubkey) => SystemProgram.transfer({ fromPubkey: payer.publicKey, toPubkey, lamports: 1_000_000 }))
      )
      pay.sign(payer)
      await source.connection.sendRawTransaction(pay.serialize())
      source.slots()
      const names = keys.map((key) => key.toBase58())
      expect((await cloneAccounts({ url: source.k2.url, accounts: names })).map(({ address }) => address)).to.deep.equal(names)
    })
  })

  describe('cloned from what is no K2', () => {
    let server: Server | undefined
    afterEach(async () => {
      server?.closeAllConnections()
      await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())))
      server = undefined
    })
    const answering = async (result: string) => {
      server = createServer((_request, response) => response.end(`{"jsonrpc":"2.0","id":1,"result":${result}}`))
      await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve))
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    }
    for (const [what, result, says] of [
      ['no list', '{"value":7}', /no list of accounts: value /],
      ['too few', '{"value":[]}', /asked for 1 accounts and answers with 0/],
      [
        'a wrong owner',
        `{"value":[{"lamports":1,"data":["","base64"],"owner":"x","executable":false,"rentEpoch":0}]}`,
        /value\.0\.owner is not an address/
      ],
      ['an error', 'null', /no list of accounts/]
    ] as const) {
      it(`are refused: ${what}`, async () => {
        const url = await answering(result)
        const err = (await failureOf(cloneAccounts({ url, accounts: [ADDRESS] }))) as Error
        expect(err).to.be.instanceOf(GenesisError)
        expect(err.message).to.match(says)
        expect(err.message).to.contain(url)
      })
    }
  })
})
