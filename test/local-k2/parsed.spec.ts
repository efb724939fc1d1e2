import { expect } from 'chai'
import fc from 'fast-check'
import { decodeBase58 } from '../../src/local-k2/base58.ts'
import { parseAccount } from '../../src/local-k2/rpc/parsed/accounts.ts'
import { memosOf, parseInstruction } from '../../src/local-k2/rpc/parsed/instructions.ts'
import { viewExtension } from '../../src/local-k2/rpc/parsed/token-extensions.ts'
import { tokenBalances, viewAmount } from '../../src/local-k2/token-state.ts'

const PROGRAMS = [
  '11111111111111111111111111111111',
  'TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA',
  'TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb',
  'ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL',
  'MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr',
  'BPFLoaderUpgradeab1e11111111111111111111111',
  'AddressLookupTab1e1111111111111111111111111',
  'Stake11111111111111111111111111111111111111',
  'Sysvar1111111111111111111111111111111111111'
]
const CLOCK = 'SysvarC1ock11111111111111111111111111111111'

/** Bytes that begin as some instruction or account does, and go on as they like. */
const bytes = fc
  .tuple(fc.uint8Array({ maxLength: 2 }), fc.uint8Array({ maxLength: 400 }), fc.constantFrom(0, 36, 82, 165, 166, 200, 355))
  .map(([head, tail, size]) => {
    const data = Buffer.concat([head, tail])
    return Uint8Array.from(size === 0 ? data : Buffer.concat([data, Buffer.alloc(355)]).subarray(0, size))
  })

describe('local K2: what programs write, read', () => {
  it('never fails on what is no instruction and no account', () => {
    fc.assert(
      fc.property(fc.constantFrom(...PROGRAMS), bytes, fc.nat(9), (programId, data, count) => {
        const accounts = Array.from({ length: count }, () => CLOCK)
        parseInstruction({ programId, accounts, data })
        const account = { lamports: 1n, owner: decodeBase58(programId), data, executable: false, rentEpoch: 0n }
        parseAccount(account, CLOCK, () => account)
        tokenBalances([decodeBase58(CLOCK)], () => account)
        viewExtension({ type: data[0] ?? 0, bytes: data.subarray(1) })
        memosOf([{ programId, data }])
      }),
      { numRuns: 3000 }
    )
  })

  it('writes amounts so that they can be read back', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 64n - 1n), fc.nat(255), (amount, decimals) => {
        const view = viewAmount(amount, decimals)
        const [whole, fraction = ''] = view.uiAmountString.split('.')
        expect(BigInt(`${whole}${fraction.padEnd(decimals, '0')}`)).to.equal(amount)
        expect(view.uiAmountString).to.not.match(/\.$|\.\d*0$|^0\d/)
        expect(view).to.include({ amount: `${amount}`, decimals })
      })
    )
    expect(viewAmount(1_000_500n, 6).uiAmountString).to.equal('1.0005')
    expect([viewAmount(10n ** 19n, 19).uiAmount, viewAmount(1n, 20).uiAmount]).to.deep.equal([1, null])
    expect(viewAmount(0n, 9)).to.deep.equal({ amount: '0', decimals: 9, uiAmount: 0, uiAmountString: '0' })
  })

  it('tells a multisig and its signers from one that signs alone', () => {
    const transfer = (accounts: string[]) =>
      parseInstruction({ programId: PROGRAMS[1]!, accounts, data: Uint8Array.of(3, 5, 0, 0, 0, 0, 0, 0, 0) })!.parsed
    expect(transfer(['a', 'b', 'c'])).to.deep.equal({
      type: 'transfer',
      info: { amount: '5', source: 'a', destination: 'b', authority: 'c' }
    })
    expect(transfer(['a', 'b', 'c', 'd', 'e'])).to.deep.equal({
      type: 'transfer',
      info: { amount: '5', source: 'a', destination: 'b', multisigAuthority: 'c', signers: ['d', 'e'] }
    })
    expect(parseInstruction({ programId: PROGRAMS[1]!, accounts: ['a', 'b'], data: Uint8Array.of(3, 5, 0, 0, 0, 0, 0, 0, 0) })).to.equal(
      undefined
    )
  })

  it('reads the extensions of Token-2022', () => {
    const key = 'So11111111111111111111111111111111111111112'
    const parse = (count: number, ...parts: Array<number[] | Uint8Array>) =>
      parseInstruction({
        programId: PROGRAMS[2]!,
        accounts: Array.from({ length: count }, (_, i) => `k${i}`),
        data: Buffer.concat(parts.map((part) => Uint8Array.from(part)))
      })?.parsed
    const [some, none] = [decodeBase58(key), new Uint8Array(32)]
    expect(parse(1, [33, 0], some, [0x30, 0x75])).to.deep.equal({
      type: 'initializeInterestBearingConfig',
      info: { mint: 'k0', rateAuthority: key, rate: 30_000 }
    })
    expect(parse(2, [33, 1], [0xff, 0xff])).to.deep.equal({
      type: 'updateInterestBearingConfigRate',
      info: { mint: 'k0', rateAuthority: 'k1', newRate: -1 }
    })
    expect(parse(1, [36, 0], some, none)).to.deep.equal({ type: 'initializeTransferHook', info: { mint: 'k0', authority: key } })
    expect(parse(2, [36, 1], some)).to.deep.equal({ type: 'updateTransferHook', info: { mint: 'k0', authority: 'k1', programId: key } })
    expect(parse(1, [39, 0], none, some)).to.deep.equal({ type: 'initializeMetadataPointer', info: { mint: 'k0', metadataAddress: key } })
    expect(parse(3, [40, 1], some)).to.deep.equal({
      type: 'updateGroupPointer',
      info: { mint: 'k0', multisigAuthority: 'k1', signers: ['k2'], groupAddress: key }
    })
    expect(parse(1, [41, 0], some, some)).to.deep.equal({
      type: 'initializeGroupMemberPointer',
      info: { mint: 'k0', authority: key, memberAddress: key }
    })
    expect(parse(1, [44, 0], some)).to.deep.equal({ type: 'initializePausableConfig', info: { mint: 'k0', authority: key } })
    expect(parse(2, [44, 2])).to.deep.equal({ type: 'resume', info: { mint: 'k0', authority: 'k1' } })
    expect(parse(2, [27, 0])).to.equal(undefined)
  })

  it('reads the upgradeable loader: deploys, upgrades and hands on', () => {
    const loader = (data: number[], count: number) =>
      parseInstruction({
        programId: 'BPFLoaderUpgradeab1e11111111111111111111111',
        accounts: Array.from({ length: count }, (_, i) => `k${i}`),
        data: Uint8Array.from(data)
      })
    expect(loader([1, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 2], 2)).to.deep.equal({
      program: 'bpf-upgradeable-loader',
      parsed: { type: 'write', info: { offset: 7, bytes: 'AQI=', account: 'k0', authority: 'k1' } }
    })
    expect(loader([4, 0, 0, 0], 2)!.parsed).to.deep.equal({
      type: 'setAuthority',
      info: { account: 'k0', authority: 'k1', newAuthority: null }
    })
    expect(loader([3, 0, 0, 0], 7)!.parsed).to.deep.include({ type: 'upgrade' })
    expect(loader([3, 0, 0, 0], 6)).to.equal(undefined)
    expect(loader([2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], 8)!.parsed).to.deep.nested.include({
      type: 'deployWithMaxDataLen',
      'info.maxDataLen': 256n,
      'info.authority': 'k7'
    })
  })
})
