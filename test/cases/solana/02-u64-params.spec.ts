import { Keypair } from '@solana/web3.js'
import { expect } from 'chai'
import { type Fixture, startK2 } from '../../local-k2/support.ts'

const LARGE = '9223372036854775807'
const MOST = '18446744073709551615'
const KEY = Keypair.fromSeed(new Uint8Array(32).fill(3)).publicKey.toBase58()

describe('cases: integers of 64 bits in parameters', () => {
  let f: Fixture
  before(async () => {
    f = await startK2()
    f.slots(3)
  })
  after(() => f.close())

  /** The answer to a request whose parameters are given as text: JavaScript would round them. */
  async function ask(
    method: string,
    params: string
  ): Promise<{ text: string; result?: unknown; error?: { code: number; message: string } }> {
    const body = `{"jsonrpc":"2.0","id":1,"method":"${method}","params":${params}}`
    const response = await fetch(f.k2.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    const text = await response.text()
    return { text, ...JSON.parse(text) }
  }

  const epoch = BigInt(LARGE) / 432_000n
  const RIGHT: Array<[string, string, { code: number; message: string } | { result: unknown }]> = [
    ['getSlot', `[{"minContextSlot":${LARGE}}]`, { code: -32016, message: 'Minimum context slot has not been reached' }],
    ['getBalance', `["${KEY}",{"minContextSlot":${MOST}}]`, { code: -32016, message: 'Minimum context slot has not been reached' }],
    ['getBlockTime', `[${LARGE}]`, { code: -32004, message: `Block not available for slot ${LARGE}` }],
    ['getBlock', `[${MOST}]`, { code: -32004, message: `Block not available for slot ${MOST}` }],
    ['getBlocks', `[${LARGE}]`, { result: [] }],
    ['getBlocks', `[0,${LARGE}]`, { result: [0, 1, 2, 3] }],
    ['getBlocksWithLimit', `[${LARGE},3]`, { result: [] }],
    ['getBlocksWithLimit', `[0,${LARGE}]`, { code: -32602, message: 'Limit too large; max 500000' }],
    ['getBlockCommitment', `[${LARGE}]`, { result: { commitment: null, totalStake: 0 } }],
    ['getLeaderSchedule', `[${LARGE}]`, { result: null }],
    [
      'getBlockProduction',
      `[{"range":{"firstSlot":0,"lastSlot":${LARGE}}}]`,
      { code: -32602, message: `lastSlot, ${LARGE}, is too large; max 3` }
    ],
    [
      'getBlockProduction',
      `[{"range":{"firstSlot":${LARGE},"lastSlot":1}}]`,
      { code: -32602, message: `lastSlot, 1, cannot be less than firstSlot, ${LARGE}` }
    ],
    ['getSlotLeaders', `[${LARGE},5]`, { code: -32602, message: `Invalid slot range: leader schedule for epoch ${epoch} is unavailable` }],
    ['getSlotLeaders', '[863998,5]', { code: -32602, message: 'Invalid slot range: leader schedule for epoch 2 is unavailable' }],
    ['getSlotLeaders', `[0,${LARGE}]`, { code: -32602, message: 'Invalid limit; max 5000' }],
    ['getInflationReward', `[["${KEY}"],{"epoch":${LARGE}}]`, { code: -32004, message: `Block not available for slot ${MOST}` }],
    ['getMinimumBalanceForRentExemption', `[${LARGE}]`, { code: -32600, message: 'Invalid request' }],
    ['getRecentPerformanceSamples', `[${LARGE}]`, { code: -32602, message: 'Invalid limit; max 720' }],
    ['getSignaturesForAddress', `["${KEY}",{"limit":${LARGE}}]`, { code: -32602, message: 'Invalid limit; max 1000' }],
    ['getVoteAccounts', `[{"delinquentSlotDistance":${MOST}}]`, { result: { current: [], delinquent: [] } }],
    ['getProgramAccounts', `["${KEY}",{"filters":[{"dataSize":${MOST}}]}]`, { result: [] }],
    ['getProgramAccounts', `["${KEY}",{"filters":[{"memcmp":{"offset":${MOST},"bytes":"1"}}]}]`, { result: [] }],
    // and what no u64 is
    ['getBlockTime', '[18446744073709551616]', wrong('invalid type: floating point `18446744073709552000.0`, expected u64')],
    ['getBlockTime', '[-1]', wrong('invalid value: integer `-1`, expected u64')],
    ['getBlockTime', '[-9223372036854775807]', wrong('invalid value: integer `-9223372036854775807`, expected u64')],
    ['getBlockTime', '[1.5]', wrong('invalid type: floating point `1.5`, expected u64')],
    ['getBlockTime', '["7"]', wrong('invalid type: string "7", expected u64')],
    ['getBlockTime', '[true]', wrong('invalid type: boolean `true`, expected u64')],
    ['getBlockTime', '[null]', wrong('invalid type: null, expected u64')],
    ['getBlockTime', '[[7]]', wrong('invalid type: sequence, expected u64')],
    ['getBlockTime', '[{}]', wrong('invalid type: map, expected u64')],
    ['getSlot', '[{"minContextSlot":-1}]', wrong('invalid value: integer `-1`, expected u64')],
    ['requestAirdrop', `["${KEY}",-1]`, wrong('invalid value: integer `-1`, expected u64')],
    ['getMinimumBalanceForRentExemption', '[-1]', wrong('invalid value: integer `-1`, expected usize')],
    [
      'getBlock',
      '[0,{"maxSupportedTransactionVersion":256}]',
      wrong('data did not match any variant of untagged enum RpcEncodingConfigWrapper')
    ]
  ]
  for (const [method, params, right] of RIGHT) {
    it(`${method} ${params}`, async () => {
      const { result, error } = await ask(method, params)
      if ('result' in right) {
        expect(result).to.deep.equal(right.result)
      } else {
        expect(error).to.include(right)
      }
    })
  }

  it('takes slices beyond the end of an account', async () => {
    const { text } = await ask(
      'getAccountInfo',
      `["${f.k2.faucetAddress}",{"encoding":"base64","dataSlice":{"offset":0,"length":${MOST}}}]`
    )
    expect(JSON.parse(text).result.value.data).to.deep.equal(['', 'base64'])
  })

  it('airdrops an amount that a double would round, and writes it out whole', async () => {
    const amount = '4611686018427387'
    await ask('requestAirdrop', `["${KEY}",${amount}]`)
    f.slots()
    expect((await ask('getBalance', `["${KEY}"]`)).text).to.contain(`"value":${amount}`)
    const [owner] = [(await ask('getAccountInfo', `["${KEY}",{"encoding":"base64"}]`)).text]
    expect(owner).to.contain(`"rentEpoch":${MOST}`)
  })

  it('over WebSocket, too', async () => {
    const socket = new WebSocket(f.k2.wsUrl)
    const answers: string[] = []
    const all = new Promise<void>((resolve) => {
      socket.onmessage = ({ data }) => {
        answers.push(String(data))
        if (answers.length === 3) {
          resolve()
        }
      }
    })
    await new Promise((resolve) => {
      socket.onopen = resolve
    })
    const say = (method: string, params: string) => socket.send(`{"jsonrpc":"2.0","id":${LARGE},"method":"${method}","params":${params}}`)
    say('accountSubscribe', `["${KEY}",{"encoding":"base64","dataSlice":{"offset":${MOST},"length":${MOST}}}]`)
    say('accountUnsubscribe', `[${LARGE}]`)
    say('accountUnsubscribe', '[-1]')
    await all
    socket.close()
    expect(answers[0]).to.match(new RegExp(`"result":\\d+,"id":${LARGE}`))
    expect(answers[1]).to.contain('Invalid subscription id.')
    expect(answers[2]).to.contain('expected u64')
  })
})

function wrong(words: string) {
  return { code: -32602, message: `Invalid params: ${words}.` }
}
