import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type AccountsModeBlockResponse,
  AddressLookupTableProgram,
  Authorized,
  type Blockhash,
  ComputeBudgetProgram,
  Connection,
  Keypair,
  Lockup,
  NONCE_ACCOUNT_LENGTH,
  NonceAccount,
  type ParsedInstruction,
  type PartiallyDecodedInstruction,
  PublicKey,
  StakeProgram,
  SYSVAR_CLOCK_PUBKEY,
  SYSVAR_EPOCH_SCHEDULE_PUBKEY,
  SYSVAR_RECENT_BLOCKHASHES_PUBKEY,
  SYSVAR_RENT_PUBKEY,
  SYSVAR_SLOT_HASHES_PUBKEY,
  SYSVAR_STAKE_HISTORY_PUBKEY,
  SystemProgram,
  Transaction,
  TransactionInstruction,
  TransactionMessage,
  VersionedTransaction
} from '@solana/web3.js'
import { expect } from 'chai'
import { eventually, type Fixture, failureOf, pay, startK2, tokenElf } from './support.ts'

const MEMO = new PublicKey('MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr')
const PROGRAM = Keypair.fromSeed(new Uint8Array(32).fill(9)).publicKey

/** Signs and sends a legacy transaction, and completes its slot. */
async function run(f: Fixture, payer: Keypair, instructions: TransactionInstruction[], ...signers: Keypair[]): Promise<string> {
  const transaction = new Transaction({ feePayer: payer.publicKey, ...(await f.connection.getLatestBlockhash()) }).add(...instructions)
  transaction.sign(payer, ...signers)
  const signature = await f.connection.sendRawTransaction(transaction.serialize())
  f.slots()
  return signature
}

const memo = (text: string) => new TransactionInstruction({ programId: MEMO, keys: [], data: Buffer.from(text) })

describe('local K2: the methods of web3.js, which checks the shapes of what it gets', () => {
  let f: Fixture
  let alice: Keypair
  before(async () => {
    f = await startK2({ genesis: { programs: [{ programId: PROGRAM.toBase58(), bytes: tokenElf() }] } })
    alice = await f.funded(100_000_000_000)
  })
  after(() => f.close())

  it('knows its cluster of one', async () => {
    const { identity } = (await f.call('getIdentity')).result
    expect((await f.connection.getSlotLeader()).toString()).to.equal(identity)
    expect((await f.connection.getSlotLeaders(5, 3)).map(String)).to.deep.equal([identity, identity, identity])
    expect((await f.call('getSlotLeaders', 0, 5001)).error).to.deep.equal({ code: -32602, message: 'Invalid limit; max 5000' })
    const schedule = await f.connection.getLeaderSchedule()
    expect(Object.keys(schedule)).to.deep.equal([identity])
    expect(schedule[identity]).to.have.length(432_000)
    const [nobody] = [Keypair.generate().publicKey.toBase58()]
    expect((await f.call('getLeaderSchedule', null, { identity: nobody })).result).to.deep.equal({})
    expect((await f.call('getLeaderSchedule', { identity: nobody })).result).to.deep.equal({})
    expect((await f.call('getLeaderSchedule', 2 * 432_000)).result).to.equal(null)
    const [node] = await f.connection.getClusterNodes()
    expect(node).to.include({ pubkey: identity, rpc: new URL(f.k2.url).host, gossip: null, version: '4.1.0' })
    expect(await f.connection.getVoteAccounts()).to.deep.equal({ current: [], delinquent: [] })
    expect(await f.connection.getEpochSchedule()).to.deep.include({ slotsPerEpoch: 432_000, warmup: false, firstNormalSlot: 0 })
    expect(await f.connection.getInflationGovernor()).to.include({ initial: 0, terminal: 0 })
    expect(await f.connection.getInflationRate()).to.deep.equal({ epoch: 0, total: 0, validator: 0, foundation: 0 })
    expect(await f.connection.getInflationReward([alice.publicKey])).to.deep.equal([null])
    expect((await f.call('getInflationReward', [identity], { epoch: 0 })).error).to.include({ code: -32004 })
    expect((await f.connection.getStakeMinimumDelegation()).value)
      .to.be.a('number')
      .that.is.greaterThan(0)
    expect(await f.connection.getMinimumLedgerSlot()).to.equal(0)
    expect((await f.call('getHighestSnapshotSlot')).error).to.deep.equal({ code: -32008, message: 'No snapshot' })
    // gone from Solana as well
    expect((await f.call('getStakeActivation', identity)).error).to.deep.equal({ code: -32601, message: 'Method not found' })
  })

  it('counts its blocks', async () => {
    const { identity } = (await f.call('getIdentity')).result
    const done = f.k2.slot() - 1
    expect((await f.connection.getBlockProduction()).value).to.deep.equal({
      byIdentity: { [identity]: [done + 1, done + 1] },
      range: { firstSlot: 0, lastSlot: done }
    })
    f.k2.warpTo(f.k2.slot() + 11)
    f.slots()
    const { value } = await f.connection.getBlockProduction({ identity, range: { firstSlot: 1, lastSlot: done + 12 } })
    expect(value.byIdentity[identity]).to.deep.equal([done + 12, done + 2])
    // the slot in progress counts as well, for who looks at it
    const { value: now } = await f.connection.getBlockProduction({ commitment: 'processed', range: { firstSlot: done + 12 } })
    expect(now.byIdentity[identity]).to.deep.equal([2, 2])
    const none = await f.connection.getBlockProduction({ identity: PublicKey.default.toBase58() })
    expect(none.value.byIdentity).to.deep.equal({})
    const wrong = async (range: object) => (await f.call('getBlockProduction', { range })).error!
    expect((await wrong({ firstSlot: 0, lastSlot: 10_000 })).message).to.equal(`lastSlot, 10000, is too large; max ${f.k2.slot() - 1}`)
    expect((await wrong({ firstSlot: 5, lastSlot: 4 })).message).to.equal('lastSlot, 4, cannot be less than firstSlot, 5')
    expect((await f.call('getBlocksWithLimit', done - 1, 4)).result).to.deep.equal([done - 1, done, done + 1, done + 12])
    expect((await f.call('getBlocksWithLimit', 0, 500_001)).error).to.include({ code: -32602 })
    expect((await f.call('getBlockCommitment', done)).result).to.deep.equal({
      commitment: Array.from({ length: 32 }, () => 0),
      totalStake: 0
    })
    expect((await f.call('getBlockCommitment', 100_000)).result).to.deep.equal({ commitment: null, totalStake: 0 })
  })

  it('names the largest accounts and what others paid to be heard', async () => {
    const [first, second] = (await f.connection.getLargestAccounts()).value
    expect(first!.address.toBase58()).to.equal(f.k2.faucetAddress)
    expect(first!.lamports).to.equal(await f.connection.getBalance(new PublicKey(f.k2.faucetAddress)))
    expect(second!.address.toBase58()).to.equal(alice.publicKey.toBase58())
    expect((await f.connection.getLargestAccounts({ filter: 'nonCirculating' })).value).to.deep.equal([])
    // one of a program that owned nothing until now
    const pot = Keypair.generate()
    const create = SystemProgram.createAccount({
      fromPubkey: alice.publicKey,
      newAccountPubkey: pot.publicKey,
      lamports: 20_000_000_000,
      space: 0,
      programId: Keypair.generate().publicKey
    })
    await run(f, alice, [create], pot)
    expect((await f.connection.getLargestAccounts()).value[2]!.address.toBase58()).to.equal(pot.publicKey.toBase58())
    const bob = Keypair.generate().publicKey
    const transferTo = (to: PublicKey) => SystemProgram.transfer({ fromPubkey: alice.publicKey, toPubkey: to, lamports: 2_000_000 })
    const cheap = new Transaction({ feePayer: alice.publicKey, ...(await f.connection.getLatestBlockhash()) }).add(
      ComputeBudgetProgram.setComputeUnitPrice({ microLamports: 300 }),
      transferTo(Keypair.generate().publicKey)
    )
    cheap.sign(alice)
    await f.connection.sendRawTransaction(cheap.serialize())
    await run(f, alice, [ComputeBudgetProgram.setComputeUnitPrice({ microLamports: 700 }), transferTo(bob)])
    const slot = await f.connection.getSlot()
    const paid = async (...accounts: PublicKey[]) =>
      (await f.connection.getRecentPrioritizationFees({ lockedWritableAccounts: accounts })).at(-1)
    expect(await paid(bob)).to.deep.equal({ slot, prioritizationFee: 700 })
    expect(await paid(Keypair.generate().publicKey), 'the least in the block').to.deep.equal({ slot, prioritizationFee: 300 })
    expect(await paid(alice.publicKey), 'in both').to.deep.equal({ slot, prioritizationFee: 300 })
    expect(await paid(alice.publicKey, bob), 'the dearest account').to.deep.equal({ slot, prioritizationFee: 700 })
    f.slots()
    expect(await paid(bob)).to.deep.equal({ slot: slot + 1, prioritizationFee: 0 })
    await run(f, alice, [transferTo(Keypair.generate().publicKey)])
    expect(await paid(bob)).to.deep.include({ prioritizationFee: 0 })
    expect((await f.connection.getRecentPrioritizationFees()).length).to.be.within(3, 150)
    expect(
      (
        await f.call(
          'getRecentPrioritizationFees',
          Array.from({ length: 129 }, () => bob.toBase58())
        )
      ).error
    ).to.include({
      code: -32602
    })
  })

  it('tells its pace by the minute', async () => {
    const { manualClock } = await import('./support.ts')
    const clock = manualClock(1_800_000_000_000)
    const timed = await startK2({ clock, slotMs: 10_000, ticking: true })
    try {
      const bob = await timed.connection.requestAirdrop(alice.publicKey, 1_000_000)
      expect(bob).to.be.a('string')
      clock.advance(205_000)
      const samples = await timed.connection.getRecentPerformanceSamples()
      expect(samples.map(({ numTransactions, numSlots, samplePeriodSecs }) => [numTransactions, numSlots, samplePeriodSecs])).to.deep.equal(
        [
          [0, 6, 60],
          [0, 6, 60],
          [1, 7, 60]
        ]
      )
      expect(await timed.connection.getRecentPerformanceSamples(1)).to.deep.equal(samples.slice(0, 1))
      expect((await timed.call('getRecentPerformanceSamples', 721)).error).to.include({ code: -32602 })
    } finally {
      await timed.close()
    }
  })

  it('parses accounts: sysvars, programs, lookup tables, nonces and stakes', async () => {
    const parsed = async (key: PublicKey) => {
      const { value } = await f.connection.getParsedAccountInfo(key)
      return value!.data as unknown as { program: string; parsed: { type: string; info: Record<string, unknown> }; space: number }
    }
    const clock = await parsed(SYSVAR_CLOCK_PUBKEY)
    expect(clock).to.deep.include({ program: 'sysvar', space: 40 })
    expect(clock.parsed.info).to.include({ slot: await f.connection.getSlot(), epoch: 0, leaderScheduleEpoch: 1 })
    expect((await parsed(SYSVAR_RENT_PUBKEY)).parsed).to.deep.equal({ type: 'rent', info: { lamportsPerByte: '6960' } })
    expect((await parsed(SYSVAR_EPOCH_SCHEDULE_PUBKEY)).parsed.info).to.include({ slotsPerEpoch: 432_000 })
    expect((await parsed(SYSVAR_STAKE_HISTORY_PUBKEY)).parsed).to.deep.equal({ type: 'stakeHistory', info: [] })
    const tip = await f.connection.getSlot()
    const { blockhash: previous } = (await f.call('getBlock', (await f.call('getBlock', tip)).result.parentSlot)).result
    const [newest] = (await parsed(SYSVAR_RECENT_BLOCKHASHES_PUBKEY)).parsed.info as unknown as [object]
    expect(newest).to.deep.equal({ blockhash: previous, feeCalculator: { lamportsPerSignature: '5000' } })
    const [hash] = (await parsed(SYSVAR_SLOT_HASHES_PUBKEY)).parsed.info as unknown as [object]
    expect(hash).to.include({ hash: previous })
    const program = await parsed(PROGRAM)
    expect(program).to.deep.include({ program: 'bpf-upgradeable-loader' })
    const code = await parsed(new PublicKey(program.parsed.info.programData as string))
    expect(code.parsed.type).to.equal('programData')
    expect(Buffer.from((code.parsed.info.data as [string])[0], 'base64')).to.deep.equal(Buffer.from(tokenElf()))
    // what nobody reads goes out in base64
    expect(await parsed(alice.publicKey)).to.deep.equal(Buffer.alloc(0))
    const recentSlot = await f.connection.getSlot()
    const [create, table] = AddressLookupTableProgram.createLookupTable({
      authority: alice.publicKey,
      payer: alice.publicKey,
      recentSlot
    })
    const bob = Keypair.generate().publicKey
    const extend = AddressLookupTableProgram.extendLookupTable({
      lookupTable: table,
      authority: alice.publicKey,
      payer: alice.publicKey,
      addresses: [bob]
    })
    await run(f, alice, [create, extend])
    const lookup = await parsed(table)
    expect(lookup.program).to.equal('address-lookup-table')
    expect(lookup.parsed).to.deep.equal({
      type: 'lookupTable',
      info: {
        addresses: [bob.toBase58()],
        authority: alice.publicKey.toBase58(),
        deactivationSlot: '18446744073709551615',
        lastExtendedSlot: `${await f.connection.getSlot()}`,
        lastExtendedSlotStartIndex: 0
      }
    })
    const stake = Keypair.generate()
    const rent = await f.connection.getMinimumBalanceForRentExemption(StakeProgram.space)
    const createStake = StakeProgram.createAccount({
      fromPubkey: alice.publicKey,
      stakePubkey: stake.publicKey,
      authorized: new Authorized(alice.publicKey, bob),
      lockup: new Lockup(0, 0, alice.publicKey),
      lamports: rent + 1_000_000_000
    })
    const signature = await run(f, alice, createStake.instructions, stake)
    expect((await parsed(stake.publicKey)).parsed).to.deep.equal({
      type: 'initialized',
      info: {
        meta: {
          authorized: { staker: alice.publicKey.toBase58(), withdrawer: bob.toBase58() },
          lockup: { custodian: alice.publicKey.toBase58(), epoch: 0, unixTimestamp: 0 },
          rentExemptReserve: `${rent}`
        },
        stake: null
      }
    })
    const types = (await f.connection.getParsedTransaction(signature))!.transaction.message.instructions.map(
      (one) => [(one as ParsedInstruction).program, (one as ParsedInstruction).parsed.type] as const
    )
    expect(types).to.deep.equal([
      ['system', 'createAccount'],
      ['stake', 'initialize']
    ])
    const several = await f.connection.getMultipleParsedAccounts([table, SYSVAR_CLOCK_PUBKEY, bob])
    expect(several.value.map((one) => (one?.data as { program?: string } | undefined)?.program)).to.deep.equal([
      'address-lookup-table',
      'sysvar',
      undefined
    ])
  })

  it('parses instructions, and gives those that it cannot read as they are', async () => {
    const bob = Keypair.generate()
    const base = alice.publicKey
    const seeded = await PublicKey.createWithSeed(base, 'pot', SystemProgram.programId)
    const unknown = new TransactionInstruction({
      programId: PROGRAM,
      keys: [{ pubkey: bob.publicKey, isSigner: false, isWritable: false }],
      data: Buffer.from([99])
    })
    const lamports = 2_000_000
    const signature = await run(
      f,
      alice,
      [
        SystemProgram.transfer({ fromPubkey: base, toPubkey: bob.publicKey, lamports }),
        SystemProgram.createAccountWithSeed({
          fromPubkey: base,
          newAccountPubkey: seeded,
          basePubkey: base,
          seed: 'pot',
          lamports,
          space: 8,
          programId: SystemProgram.programId
        }),
        SystemProgram.assign({ accountPubkey: bob.publicKey, programId: PROGRAM }),
        memo('guten Tag'),
        ComputeBudgetProgram.setComputeUnitLimit({ units: 100_000 })
      ],
      bob
    )
    const { transaction, meta } = (await f.connection.getParsedTransaction(signature))!
    const parsed = transaction.message.instructions.map((one) => ('parsed' in one ? one.parsed : undefined))
    expect(parsed).to.deep.equal([
      { type: 'transfer', info: { source: base.toBase58(), destination: bob.publicKey.toBase58(), lamports } },
      {
        type: 'createAccountWithSeed',
        info: {
          source: base.toBase58(),
          newAccount: seeded.toBase58(),
          base: base.toBase58(),
          seed: 'pot',
          lamports,
          space: 8,
          owner: SystemProgram.programId.toBase58()
        }
      },
      { type: 'assign', info: { account: bob.publicKey.toBase58(), owner: PROGRAM.toBase58() } },
      'guten Tag',
      undefined
    ])
    expect((transaction.message.instructions[3] as ParsedInstruction).program).to.equal('spl-memo')
    const budget = transaction.message.instructions[4] as PartiallyDecodedInstruction
    expect(budget.programId.equals(ComputeBudgetProgram.programId)).to.equal(true)
    expect(budget.accounts).to.deep.equal([])
    expect(meta!.innerInstructions).to.deep.equal([])
    const failed = new Transaction({ feePayer: base, ...(await f.connection.getLatestBlockhash()) }).add(unknown)
    failed.sign(alice)
    const lost = await f.connection.sendRawTransaction(failed.serialize(), { skipPreflight: true })
    f.slots()
    const raw = (await f.connection.getParsedTransaction(lost))!
    expect(raw.meta!.err).to.not.equal(null)
    const [asItIs] = raw.transaction.message.instructions as [PartiallyDecodedInstruction]
    expect(asItIs.accounts.map(String)).to.deep.equal([bob.publicKey.toBase58()])
    expect(asItIs.data).to.equal('2i')
    const block = (await f.connection.getParsedBlock(await f.connection.getSlot()))!
    expect(block.transactions.map((one) => one.transaction.signatures[0])).to.deep.equal([lost])
  })

  it('tells memos beside signatures', async () => {
    const bob = Keypair.generate().publicKey
    await run(f, alice, [
      memo('für Bob'),
      SystemProgram.transfer({ fromPubkey: alice.publicKey, toPubkey: bob, lamports: 1_000_000 }),
      memo('x')
    ])
    await pay(f, alice, bob, 1_000_001)
    const told = await f.connection.getSignaturesForAddress(bob)
    expect(told.map((one) => one.memo)).to.deep.equal([null, '[8] für Bob; [1] x'])
    expect(told[0]).to.include({ transactionIndex: 0 })
  })

  it('gives versioned transactions through lookup tables in every encoding', async () => {
    const recentSlot = await f.connection.getSlot()
    const [create, lookupTable] = AddressLookupTableProgram.createLookupTable({
      authority: alice.publicKey,
      payer: alice.publicKey,
      recentSlot
    })
    const [bob, carol] = [Keypair.generate().publicKey, Keypair.generate().publicKey]
    const keys = { lookupTable, authority: alice.publicKey, payer: alice.publicKey }
    await run(f, alice, [create, AddressLookupTableProgram.extendLookupTable({ ...keys, addresses: [bob, carol] })])
    f.slots()
    const table = (await f.connection.getAddressLookupTable(lookupTable)).value!
    const message = new TransactionMessage({
      payerKey: alice.publicKey,
      recentBlockhash: (await f.connection.getLatestBlockhash()).blockhash,
      instructions: [SystemProgram.transfer({ fromPubkey: alice.publicKey, toPubkey: carol, lamports: 1_500_000 })]
    }).compileToV0Message([table])
    const transaction = new VersionedTransaction(message)
    transaction.sign([alice])
    const simulated = (await f.call('simulateTransaction', Buffer.from(transaction.serialize()).toString('base64'), { encoding: 'base64' }))
      .result.value
    expect(simulated.loadedAddresses).to.deep.equal({ writable: [carol.toBase58()], readonly: [] })
    expect(simulated.postBalances[2]).to.equal(1_500_000)
    // a table counts with its full length against the limit on what a transaction loads
    const limited = async (bytes: number) => {
      const data = Buffer.alloc(5, 4)
      data.writeUInt32LE(bytes, 1)
      const limit = new TransactionInstruction({ programId: ComputeBudgetProgram.programId, keys: [], data })
      const payment = SystemProgram.transfer({ fromPubkey: alice.publicKey, toPubkey: carol, lamports: 1_500_000 })
      const { blockhash: recentBlockhash } = await f.connection.getLatestBlockhash()
      const bounded = new TransactionMessage({ payerKey: alice.publicKey, recentBlockhash, instructions: [limit, payment] })
      const text = Buffer.from(new VersionedTransaction(bounded.compileToV0Message([table])).serialize()).toString('base64')
      return (await f.call('simulateTransaction', text, { encoding: 'base64' })).result.value
    }
    const { loadedAccountsDataSize: needed } = await limited(100_000)
    expect(needed).to.be.greaterThan(8248)
    expect((await limited(needed)).err).to.equal(null)
    expect((await limited(needed - 1)).err).to.equal('MaxLoadedAccountsDataSizeExceeded')
    const signature = await f.connection.sendTransaction(transaction)
    f.slots()
    const get = async (encoding: string) =>
      (await f.call('getTransaction', signature, { encoding, maxSupportedTransactionVersion: 0 })).result
    const json = await get('json')
    expect(json.transaction.message.addressTableLookups).to.deep.equal([
      { accountKey: lookupTable.toBase58(), writableIndexes: [1], readonlyIndexes: [] }
    ])
    expect(json.meta.loadedAddresses).to.deep.equal({ writable: [carol.toBase58()], readonly: [] })
    const parsed = (await f.connection.getParsedTransaction(signature, { maxSupportedTransactionVersion: 0 }))!
    expect(parsed.transaction.message.accountKeys.at(-1)).to.deep.include({ signer: false, source: 'lookupTable', writable: true })
    expect((parsed.transaction.message.instructions[0] as ParsedInstruction).parsed.info.destination).to.equal(carol.toBase58())
    expect((await get('base64')).transaction).to.deep.equal([Buffer.from(transaction.serialize()).toString('base64'), 'base64'])
    expect((await get('base58')).transaction[1]).to.equal('base58')
    expect((await get('base64')).version).to.equal(0)
    const { slot } = json
    expect((await f.connection.getBlock(slot, { maxSupportedTransactionVersion: 0 }))!.transactions).to.have.length(1)
    const accounts = await f.connection.getBlock(slot, { maxSupportedTransactionVersion: 0, transactionDetails: 'accounts' })
    expect((accounts as unknown as AccountsModeBlockResponse).transactions[0]!.transaction.accountKeys.at(-1)!.pubkey.toString()).to.equal(
      carol.toBase58()
    )
    const none = await f.connection.getBlock(slot, { maxSupportedTransactionVersion: 0, transactionDetails: 'none', rewards: false })
    expect(none).to.not.have.any.keys('transactions', 'rewards')
    expect((await f.connection.getBlockSignatures(slot)).signatures).to.deep.equal([signature])
  })

  it('simulates as Solana does: inner calls parsed, accounts within bounds', async () => {
    const latest = await f.connection.getLatestBlockhash()
    const payment = new Transaction({ feePayer: alice.publicKey, ...latest }).add(
      SystemProgram.transfer({ fromPubkey: alice.publicKey, toPubkey: Keypair.generate().publicKey, lamports: 1_000_000 })
    )
    payment.sign(alice)
    const text = payment.serialize().toString('base64')
    const ask = (accounts: object) => f.call('simulateTransaction', text, { encoding: 'base64', accounts })
    const keys = Array.from({ length: 4 }, () => alice.publicKey.toBase58())
    expect((await ask({ addresses: keys })).error).to.deep.equal({ code: -32602, message: 'Too many accounts provided; max 3' })
    expect((await ask({ addresses: [keys[0]], encoding: 'base58' })).error).to.include({ message: 'base58 encoding not supported' })
    const parsed = (await ask({ addresses: [SYSVAR_CLOCK_PUBKEY.toBase58()], encoding: 'jsonParsed' })).result.value
    expect(parsed.accounts[0].data).to.deep.include({ program: 'sysvar' })
    expect(parsed).to.deep.include({ fee: 5000, replacementBlockhash: null, innerInstructions: null })
    expect(parsed.preBalances[0] - parsed.postBalances[0]).to.equal(1_005_000)
    const behind = await f.call('simulateTransaction', text, { encoding: 'base64', minContextSlot: 10_000 })
    expect(behind.error).to.include({ code: -32016 })
    expect((await failureOf(f.connection.sendRawTransaction(payment.serialize(), { minContextSlot: 10_000 }))).message).to.contain(
      'Minimum context slot has not been reached'
    )
  })
})

describe('local K2: durable nonces', () => {
  let f: Fixture
  let alice: Keypair
  let nonce: Keypair
  beforeEach(async () => {
    f = await startK2()
    alice = await f.funded(10_000_000_000)
    nonce = Keypair.generate()
    const lamports = await f.connection.getMinimumBalanceForRentExemption(NONCE_ACCOUNT_LENGTH)
    const create = SystemProgram.createNonceAccount({
      fromPubkey: alice.publicKey,
      noncePubkey: nonce.publicKey,
      authorizedPubkey: alice.publicKey,
      lamports: lamports + 1_000_000
    })
    await run(f, alice, create.instructions, nonce)
  })
  afterEach(() => f.close())

  const held = async () => NonceAccount.fromAccountData((await f.connection.getAccountInfo(nonce.publicKey, 'processed'))!.data)
  const advance = () => SystemProgram.nonceAdvance({ noncePubkey: nonce.publicKey, authorizedPubkey: alice.publicKey })
  const withNonce = async (instructions: TransactionInstruction[], options: { value?: Blockhash; signers?: Keypair[] } = {}) => {
    const transaction = new Transaction({
      feePayer: alice.publicKey,
      nonceInfo: { nonce: options.value ?? (await held()).nonce, nonceInstruction: advance() },
      minContextSlot: await f.connection.getSlot()
    }).add(...instructions)
    transaction.sign(...(options.signers ?? [alice]))
    return transaction
  }
  const transferTo = (to: PublicKey, lamports = 2_000_000) =>
    SystemProgram.transfer({ fromPubkey: alice.publicKey, toPubkey: to, lamports })

  /** Tries a transaction as it is (web3.js would give it another blockhash): how it ends, and the nonce that it would leave. */
  const tried = async (transaction: Transaction) => {
    const accounts = { addresses: [nonce.publicKey.toBase58()], encoding: 'jsonParsed' }
    const text = transaction.serialize().toString('base64')
    const { value } = (await f.call('simulateTransaction', text, { encoding: 'base64', accounts })).result
    return { err: value.err, nonceAfter: value.accounts[0]?.data.parsed.info.blockhash }
  }

  it('keep a transaction alive past any blockhash, once', async () => {
    const bob = Keypair.generate().publicKey
    const first = (await held()).nonce
    const transaction = await withNonce([transferTo(bob)])
    f.slots(400)
    expect((await f.connection.isBlockhashValid(first)).value).to.equal(false)
    expect((await f.connection.getFeeForMessage(transaction.compileMessage())).value).to.equal(5000)
    const trial = await tried(transaction)
    expect(trial.err).to.equal(null)
    expect((await held()).nonce, 'a trial moves nothing on').to.equal(first)
    const signature = await f.connection.sendRawTransaction(transaction.serialize())
    expect((await held()).nonce).to.not.equal(first)
    expect((await held()).nonce, 'as the trial said').to.equal(trial.nonceAfter)
    f.slots()
    expect(await f.connection.getBalance(bob)).to.equal(2_000_000)
    expect((await f.connection.getSignatureStatus(signature)).value!.err).to.equal(null)
    const { transaction: parsed } = (await f.connection.getParsedTransaction(signature))!
    expect((parsed.message.instructions[0] as ParsedInstruction).parsed).to.deep.equal({
      type: 'advanceNonce',
      info: {
        nonceAccount: nonce.publicKey.toBase58(),
        nonceAuthority: alice.publicKey.toBase58(),
        recentBlockhashesSysvar: SYSVAR_RECENT_BLOCKHASHES_PUBKEY.toBase58()
      }
    })
    for (const slots of [0, 1, 10]) {
      f.slots(slots)
      expect((await failureOf(f.connection.sendRawTransaction(transaction.serialize()))).message).to.contain('Blockhash not found')
      await f.connection.sendRawTransaction(transaction.serialize(), { skipPreflight: true })
    }
    f.slots()
    expect(await f.connection.getBalance(bob)).to.equal(2_000_000)
  })

  it('are those that Solana would give: a hash of the newest blockhash', async () => {
    const { createHash } = await import('node:crypto')
    const { default: bs58 } = await import('bs58')
    for (let i = 0; i < 3; i++) {
      f.slots(i)
      const { blockhash } = await f.connection.getLatestBlockhash()
      await f.connection.sendRawTransaction((await withNonce([memo('on')])).serialize())
      const expected = createHash('sha256').update('DURABLE_NONCE').update(bs58.decode(blockhash)).digest()
      const { nonce: value, authorizedPubkey, feeCalculator } = await held()
      expect(value).to.equal(bs58.encode(expected))
      expect(authorizedPubkey.equals(alice.publicKey)).to.equal(true)
      expect(feeCalculator.lamportsPerSignature).to.equal(5000)
      f.slots()
    }
    const { result } = await f.call('getAccountInfo', nonce.publicKey.toBase58(), { encoding: 'jsonParsed' })
    expect(result.value.data.parsed.type).to.equal('initialized')
    expect(result.value.data.parsed.info.blockhash).to.equal((await held()).nonce)
  })

  it('move on once in a block and no more, also on a fresh blockhash', async () => {
    await f.connection.sendRawTransaction((await withNonce([memo('on')])).serialize())
    const { nonce: newest } = await held()
    const again = await withNonce([transferTo(Keypair.generate().publicKey)])
    expect((await failureOf(f.connection.sendRawTransaction(again.serialize()))).message).to.contain('Blockhash not found')
    const fresh = new Transaction({ feePayer: alice.publicKey, ...(await f.connection.getLatestBlockhash()) }).add(advance())
    fresh.sign(alice)
    const { error } = await f.call('sendTransaction', fresh.serialize().toString('base64'), { encoding: 'base64' })
    expect(error!.data.err).to.deep.equal({ InstructionError: [0, { Custom: 7 }] })
    expect((await held()).nonce).to.equal(newest)
    // from the next block on both are right
    f.slots()
    await f.connection.sendRawTransaction(again.serialize())
    f.slots()
    // a nonce made of a blockhash may be moved on by a later transaction that was built on that very blockhash
    const old = await f.connection.getLatestBlockhash()
    const builtOnOld = (text: string) => {
      const transaction = new Transaction({ feePayer: alice.publicKey, ...old }).add(advance(), memo(text))
      transaction.sign(alice)
      return transaction
    }
    await f.connection.sendRawTransaction(builtOnOld('now').serialize())
    const { nonce: made } = await held()
    // in this block it has been moved on already, whatever a transaction is built on; what fails leaves it as it was
    const blockhashes = [old.blockhash, (await f.connection.getBlock((await f.connection.getSlot()) - 1))!.blockhash]
    for (const blockhash of blockhashes) {
      const early = new Transaction({ feePayer: alice.publicKey, ...old, blockhash }).add(advance(), memo('early'))
      early.sign(alice)
      expect((await tried(early)).err).to.deep.equal({ InstructionError: [0, { Custom: 7 }] })
      expect((await held()).nonce).to.equal(made)
      const signature = await f.connection.sendRawTransaction(early.serialize(), { skipPreflight: true })
      expect((await f.connection.getSignatureStatus(signature)).value!.err).to.deep.equal({ InstructionError: [0, { Custom: 7 }] })
      expect((await held()).nonce).to.equal(made)
    }
    f.slots()
    const failing = new Transaction({ feePayer: alice.publicKey, ...old }).add(advance(), transferTo(nonce.publicKey, 90_000_000_000))
    failing.sign(alice)
    await f.connection.sendRawTransaction(failing.serialize(), { skipPreflight: true })
    expect((await held()).nonce).to.equal(made)
    expect((await tried(builtOnOld('later'))).err).to.equal(null)
    expect((await held()).nonce).to.equal(made)
    await f.connection.sendRawTransaction(builtOnOld('later').serialize())
    expect((await held()).nonce).to.not.equal(made)
    f.slots()
  })

  it('are moved on by a transaction that fails, so that its fee is taken once', async () => {
    const before = (await held()).nonce
    const poor = await withNonce([transferTo(Keypair.generate().publicKey, 90_000_000_000)])
    const balance = await f.connection.getBalance(alice.publicKey, 'processed')
    const signature = await f.connection.sendRawTransaction(poor.serialize(), { skipPreflight: true })
    f.slots()
    expect((await f.connection.getSignatureStatus(signature)).value!.err).to.deep.equal({ InstructionError: [1, { Custom: 1 }] })
    expect((await held()).nonce).to.not.equal(before)
    await f.connection.sendRawTransaction(poor.serialize(), { skipPreflight: true })
    f.slots()
    expect(await f.connection.getBalance(alice.publicKey)).to.equal(balance - 5000)
  })

  it('are nobody else’s: the authority signs, and the nonce is the account’s own', async () => {
    const bob = await f.funded(1_000_000_000)
    const others = new Transaction({
      feePayer: bob.publicKey,
      nonceInfo: {
        nonce: (await held()).nonce,
        nonceInstruction: SystemProgram.nonceAdvance({ noncePubkey: nonce.publicKey, authorizedPubkey: bob.publicKey })
      },
      minContextSlot: 0
    })
    others.sign(bob)
    expect((await failureOf(f.connection.sendRawTransaction(others.serialize()))).message).to.contain('Blockhash not found')
    const invented = await withNonce([memo('on')], { value: Keypair.generate().publicKey.toBase58() })
    expect((await failureOf(f.connection.sendRawTransaction(invented.serialize()))).message).to.contain('Blockhash not found')
    // it must be moved on, and first of all
    const { nonce: value } = await held()
    const authorize = SystemProgram.nonceAuthorize({
      noncePubkey: nonce.publicKey,
      authorizedPubkey: alice.publicKey,
      newAuthorizedPubkey: bob.publicKey
    })
    const unmoved = new Transaction({ feePayer: alice.publicKey, recentBlockhash: value }).add(authorize)
    unmoved.sign(alice)
    expect((await failureOf(f.connection.sendRawTransaction(unmoved.serialize()))).message).to.contain('Blockhash not found')
    const second = new Transaction({ feePayer: alice.publicKey, recentBlockhash: value }).add(memo('x'), advance())
    second.sign(alice)
    expect((await failureOf(f.connection.sendRawTransaction(second.serialize()))).message).to.contain('Blockhash not found')
  })

  it('are handed on and emptied', async () => {
    const bob = await f.funded(1_000_000_000)
    const authorize = SystemProgram.nonceAuthorize({
      noncePubkey: nonce.publicKey,
      authorizedPubkey: alice.publicKey,
      newAuthorizedPubkey: bob.publicKey
    })
    const before = (await held()).nonce
    await run(f, alice, [authorize])
    expect((await held()).authorizedPubkey.equals(bob.publicKey)).to.equal(true)
    expect((await held()).nonce).to.equal(before)
    const lamports = await f.connection.getBalance(nonce.publicKey)
    const withdraw = SystemProgram.nonceWithdraw({
      noncePubkey: nonce.publicKey,
      authorizedPubkey: bob.publicKey,
      toPubkey: bob.publicKey,
      lamports
    })
    await run(f, bob, [withdraw])
    expect(await f.connection.getAccountInfo(nonce.publicKey)).to.equal(null)
  })

  it('outlive a restart, on the disk', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'koii-mesh-nonces-'))
    let kept = await startK2({ dataDir })
    try {
      const bob = await kept.funded(2_000_000_000)
      const own = Keypair.generate()
      const lamports = await kept.connection.getMinimumBalanceForRentExemption(NONCE_ACCOUNT_LENGTH)
      const key = { noncePubkey: own.publicKey, authorizedPubkey: bob.publicKey }
      await run(kept, bob, SystemProgram.createNonceAccount({ fromPubkey: bob.publicKey, lamports, ...key }).instructions, own)
      const value = NonceAccount.fromAccountData((await kept.connection.getAccountInfo(own.publicKey))!.data).nonce
      const transaction = new Transaction({
        feePayer: bob.publicKey,
        nonceInfo: { nonce: value, nonceInstruction: SystemProgram.nonceAdvance(key) },
        minContextSlot: 0
      }).add(memo('later'))
      transaction.sign(bob)
      await kept.close()
      kept = await startK2({ dataDir })
      const signature = await kept.connection.sendRawTransaction(transaction.serialize())
      kept.slots()
      // what a failed transaction has moved on is on the disk too
      const moved = NonceAccount.fromAccountData((await kept.connection.getAccountInfo(own.publicKey))!.data).nonce
      const failing = new Transaction({
        feePayer: bob.publicKey,
        nonceInfo: { nonce: moved, nonceInstruction: SystemProgram.nonceAdvance(key) },
        minContextSlot: 0
      }).add(SystemProgram.transfer({ fromPubkey: bob.publicKey, toPubkey: own.publicKey, lamports: 90_000_000_000 }))
      failing.sign(bob)
      await kept.connection.sendRawTransaction(failing.serialize(), { skipPreflight: true })
      const last = NonceAccount.fromAccountData((await kept.connection.getAccountInfo(own.publicKey, 'processed'))!.data).nonce
      expect(last).to.not.equal(moved)
      await kept.close()
      kept = await startK2({ dataDir })
      expect((await kept.connection.getSignatureStatus(signature, { searchTransactionHistory: true })).value!.err).to.equal(null)
      expect((await failureOf(kept.connection.sendRawTransaction(transaction.serialize()))).message).to.contain('Blockhash not found')
      expect(NonceAccount.fromAccountData((await kept.connection.getAccountInfo(own.publicKey))!.data).nonce).to.equal(last)
      // owners of accounts are known again as well
      const largest = (await kept.connection.getLargestAccounts()).value.map(({ address }) => address.toBase58())
      expect(largest.slice(0, 1)).to.deep.equal([kept.k2.faucetAddress])
      expect(largest).to.include(own.publicKey.toBase58())
    } finally {
      await kept.close()
      rmSync(dataDir, { recursive: true, force: true })
    }
  })

  it('are waited for by web3.js’s own strategy', async () => {
    const live = new Connection(f.k2.url, { commitment: 'confirmed', wsEndpoint: f.k2.wsUrl })
    const { closeWebSocket } = await import('./support.ts')
    try {
      const transaction = await withNonce([transferTo(Keypair.generate().publicKey)])
      const signature = await live.sendRawTransaction(transaction.serialize())
      const waited = live.confirmTransaction(
        { signature, minContextSlot: 0, nonceAccountPubkey: nonce.publicKey, nonceValue: transaction.nonceInfo!.nonce },
        'confirmed'
      )
      await eventually('the subscription', () => (f.k2.subscriptionCount > 0 ? true : undefined))
      f.slots()
      expect((await waited).value.err).to.equal(null)
    } finally {
      closeWebSocket(live)
    }
  })
})
