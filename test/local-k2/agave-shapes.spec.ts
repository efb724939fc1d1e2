import { zstdDecompressSync } from 'node:zlib'
import { Keypair, PublicKey } from '@solana/web3.js'
import { expect } from 'chai'
import { type Fixture, startK2 } from './support.ts'

const [NODE, WITHDRAWER, VOTER, VOTE, LATER, INFO, COLLECTOR] = [1, 2, 3, 4, 5, 6, 7].map(
  (byte) => Keypair.fromSeed(new Uint8Array(32).fill(byte)).publicKey
) as [PublicKey, PublicKey, PublicKey, PublicKey, PublicKey, PublicKey, PublicKey]

const u8 = (value: number) => Buffer.from([value])
const u16 = (value: number) => {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return bytes
}
const u32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
const u64 = (value: number | bigint) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

const LARGE = 9_223_372_036_854_775_809n
const votes = [u64(2), u8(1), u64(40), u32(2), u8(3), u64(LARGE), u32(1)]
const voters = [u64(1), u64(7), VOTER.toBytes()]
const credits = [u64(1), u64(7), u64(LARGE), u64(5)]
const last = [u64(41), u64(1_700_000_000)]
/** The third version of a vote account, with room behind it. */
const vote3 = Buffer.concat([
  ...[u32(2), NODE.toBytes(), WITHDRAWER.toBytes(), u8(50), ...votes, u8(1), u64(9), ...voters],
  ...[Buffer.alloc(32 * 48 + 8 + 1), ...credits, ...last, Buffer.alloc(100)]
])
const vote4 = Buffer.concat([
  ...[u32(3), NODE.toBytes(), WITHDRAWER.toBytes(), COLLECTOR.toBytes(), NODE.toBytes(), u16(1234), u16(9000), u64(LARGE), u8(0)],
  ...[...votes, u8(0), ...voters, ...credits, ...last]
])
const json = JSON.stringify({ name: 'me', website: 'https://example.com' })
const config = Buffer.concat([
  ...[u8(2), new PublicKey('Va1idator1nfo111111111111111111111111111111').toBytes(), u8(0), NODE.toBytes(), u8(1)],
  ...[u64(json.length), Buffer.from(json), Buffer.alloc(40)]
])

describe('local K2: shapes of Agave', () => {
  let f: Fixture
  before(async () => {
    const account = (address: PublicKey, owner: string, data: Uint8Array) => ({
      address: address.toBase58(),
      state: { lamports: 10_000_000n, owner: new PublicKey(owner).toBytes(), data, executable: false, rentEpoch: 0n },
      from: 'the test'
    })
    f = await startK2({
      genesis: {
        accounts: [
          account(VOTE, 'Vote111111111111111111111111111111111111111', vote3),
          account(LATER, 'Vote111111111111111111111111111111111111111', vote4),
          account(VOTER, 'Vote111111111111111111111111111111111111111', Buffer.concat([u32(2), Buffer.alloc(65), u64(LARGE)])),
          account(INFO, 'Config1111111111111111111111111111111111111', config),
          account(NODE, NODE.toBase58(), Buffer.from('test data')),
          account(WITHDRAWER, NODE.toBase58(), Buffer.alloc(3_000_000, 'abcdefg'))
        ]
      }
    })
    f.slots()
  })
  after(() => f.close())

  const parsed = async (address: PublicKey) => {
    const response = await fetch(f.k2.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'getAccountInfo', params: [address.toBase58(), { encoding: 'jsonParsed' }] })
    })
    const text = await response.text()
    return { text, data: JSON.parse(text).result.value.data }
  }

  it('vote accounts are told in the words of their fourth version', async () => {
    const { text, data } = await parsed(VOTE)
    expect(data).to.include({ program: 'vote', space: vote3.length })
    expect(data.parsed.type).to.equal('vote')
    expect(data.parsed.info).to.deep.include({
      nodePubkey: NODE.toBase58(),
      authorizedWithdrawer: WITHDRAWER.toBase58(),
      commission: 50,
      inflationRewardsCollector: VOTE.toBase58(),
      blockRevenueCollector: NODE.toBase58(),
      inflationRewardsCommissionBps: 5000,
      blockRevenueCommissionBps: 10_000,
      pendingDelegatorRewards: '0',
      blsPubkeyCompressed: null,
      rootSlot: 9,
      authorizedVoters: [{ epoch: 7, authorizedVoter: VOTER.toBase58() }],
      priorVoters: [],
      epochCredits: [{ epoch: 7, credits: `${LARGE}`, previousCredits: '5' }],
      lastTimestamp: { slot: 41, timestamp: 1_700_000_000 }
    })
    // no digit is lost on the way
    expect(text).to.contain(`{"latency":3,"slot":${LARGE},"confirmationCount":1}`)
    const later = (await parsed(LATER)).data.parsed.info
    expect(later).to.include({
      commission: 12,
      inflationRewardsCollector: COLLECTOR.toBase58(),
      inflationRewardsCommissionBps: 1234,
      blockRevenueCommissionBps: 9000,
      pendingDelegatorRewards: `${LARGE}`,
      rootSlot: null
    })
    expect(later.votes[0]).to.deep.equal({ latency: 1, slot: 40, confirmationCount: 2 })
  })

  it('what is not in their layout comes as it is', async () => {
    expect((await parsed(VOTER)).data[1]).to.equal('base64')
    expect((await parsed(new PublicKey('StakeConfig11111111111111111111111111111111'))).data).to.deep.equal(['AAAAAAAAANA/DA==', 'base64'])
  })

  it('infos of validators are read', async () => {
    expect((await parsed(INFO)).data).to.deep.equal({
      program: 'config',
      parsed: {
        type: 'validatorInfo',
        info: {
          keys: [
            { pubkey: 'Va1idator1nfo111111111111111111111111111111', signer: false },
            { pubkey: NODE.toBase58(), signer: true }
          ],
          configData: JSON.parse(json)
        }
      },
      space: config.length
    })
  })

  it('sysvars are exempt from rent, and as long as a validator’s', async () => {
    const { result } = await f.call('getProgramAccounts', 'Sysvar1111111111111111111111111111111111111', { encoding: 'jsonParsed' })
    type Told = {
      pubkey: string
      account: { lamports: number; space: number; data: { parsed: { type: string; info: { bits?: string } } } }
    }
    const told = Object.fromEntries((result as Told[]).map(({ account }) => [account.data.parsed.type, account]))
    const shapes = Object.entries(told).map(([type, { lamports, space }]) => [type, lamports, space])
    expect(shapes).to.deep.include.members([
      ['clock', 1_169_280, 40],
      ['epochSchedule', 1_120_560, 33],
      ['recentBlockhashes', 42_706_560, 6008],
      ['rent', 1_009_200, 17],
      ['slotHistory', 913_326_000, 131_097],
      ['stakeHistory', 114_979_200, 16_392]
    ])
    const { bits } = told.slotHistory!.data.parsed.info
    expect(bits).to.have.length(1_048_576)
    // slot 0 has a block
    expect(bits!.slice(0, 3)).to.equal('100')
  })

  it('base64+zstd is the very frame that a node streams', async () => {
    const data = async (address: PublicKey) =>
      (await f.call('getAccountInfo', address.toBase58(), { encoding: 'base64+zstd' })).result.value.data[0] as string
    expect(await data(NODE)).to.equal('KLUv/QBYSQAAdGVzdCBkYXRh')
    expect(zstdDecompressSync(Buffer.from(await data(WITHDRAWER), 'base64')).equals(Buffer.alloc(3_000_000, 'abcdefg'))).to.equal(true)
  })
})
