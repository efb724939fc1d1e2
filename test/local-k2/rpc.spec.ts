import {
  AddressLookupTableProgram,
  ComputeBudgetProgram,
  Ed25519Program,
  Keypair,
  PublicKey,
  SYSVAR_CLOCK_PUBKEY,
  SystemProgram,
  sendAndConfirmTransaction,
  Transaction,
  TransactionInstruction,
  TransactionMessage,
  VersionedTransaction
} from '@solana/web3.js'
import { expect } from 'chai'
import { type Fixture, failureOf, manualClock, pay, post, startK2, tokenElf, transfer } from './support.ts'

const TOKEN = Keypair.fromSeed(new Uint8Array(32).fill(9)).publicKey

describe('local K2: an unmodified web3.js v1 Connection', () => {
  let f: Fixture
  beforeEach(async () => {
    f = await startK2({ genesis: { programs: [{ programId: TOKEN.toBase58(), bytes: tokenElf() }] } })
  })
  afterEach(() => f.close())

  it('gets an airdrop, sends and confirms a transfer over HTTP and WebSocket', async () => {
    const live = await startK2({ ticking: true })
    try {
      const alice = Keypair.generate()
      const bob = Keypair.generate().publicKey
      const airdrop = await live.connection.requestAirdrop(alice.publicKey, 2_000_000_000)
      await live.connection.confirmTransaction({ signature: airdrop, ...(await live.connection.getLatestBlockhash()) }, 'confirmed')
      const signature = await sendAndConfirmTransaction(
        live.connection,
        new Transaction().add(SystemProgram.transfer({ fromPubkey: alice.publicKey, toPubkey: bob, lamports: 1_000_000_000 })),
        [alice]
      )
      expect(await live.connection.getBalance(bob)).to.equal(1_000_000_000)
      expect(await live.connection.getBalance(alice.publicKey)).to.equal(999_995_000)
      expect((await live.connection.getSignatureStatus(signature)).value).to.include({
        confirmationStatus: 'finalized',
        confirmations: null,
        err: null
      })
    } finally {
      await live.close()
    }
  })

  it('ticks slots whose blocks follow one another', async () => {
    f.slots(5)
    expect(await f.connection.getSlot('processed')).to.equal(6)
    expect(await f.connection.getSlot('confirmed')).to.equal(5)
    expect(await f.connection.getSlot('finalized')).to.equal(5)
    expect(await f.connection.getBlocks(0)).to.deep.equal([0, 1, 2, 3, 4, 5])
    expect(await f.connection.getBlocks(2, 4)).to.deep.equal([2, 3, 4])
    const blocks = await Promise.all([0, 1, 2, 3, 4, 5].map((slot) => f.connection.getBlock(slot)))
    for (let slot = 1; slot <= 5; slot++) {
      expect(blocks[slot]).to.include({ parentSlot: slot - 1, previousBlockhash: blocks[slot - 1]!.blockhash })
      expect(blocks[slot]!.blockTime).to.be.at.least(blocks[slot - 1]!.blockTime!)
    }
    expect(new Set(blocks.map((block) => block!.blockhash)).size).to.equal(6)
    expect((await f.connection.getLatestBlockhash()).blockhash).to.equal(blocks[5]!.blockhash)
    expect(blocks[0]!.blockhash).to.equal(await f.connection.getGenesisHash())
    expect(await f.connection.getFirstAvailableBlock()).to.equal(0)
  })

  it('follows its clock: slots, the clock sysvar and block times', async () => {
    const clock = manualClock(1_800_000_000_000)
    const timed = await startK2({ clock, slotMs: 400, ticking: true })
    try {
      clock.advance(399)
      expect(timed.k2.slot()).to.equal(1)
      clock.advance(1 + 9 * 400)
      expect(timed.k2.slot()).to.equal(11)
      const sysvar = (await timed.connection.getAccountInfo(SYSVAR_CLOCK_PUBKEY, 'processed'))!.data
      expect(sysvar.readBigUInt64LE(0)).to.equal(11n)
      expect(sysvar.readBigInt64LE(32)).to.equal(1_800_000_004n)
      // what is confirmed is the clock of the last completed slot
      expect((await timed.connection.getAccountInfo(SYSVAR_CLOCK_PUBKEY, 'confirmed'))!.data.readBigUInt64LE(0)).to.equal(10n)
      expect(await timed.connection.getBlockTime(10)).to.equal(1_800_000_003)
      timed.k2.hold()
      clock.advance(60_000)
      expect(timed.k2.slot()).to.equal(11)
      timed.k2.release()
      clock.advance(400)
      expect(timed.k2.slot()).to.equal(12)
      expect(await timed.connection.getBlockTime(11)).to.equal(1_800_000_004)
      timed.k2.events.once('slot', () => timed.k2.hold())
      clock.advance(4000)
      expect(timed.k2.slot(), 'held while a slot began').to.equal(13)
      timed.k2.release()
      timed.k2.events.once('slot', () => timed.k2.release())
      clock.advance(4000)
      expect(timed.k2.slot(), 'released twice and still at one pace').to.equal(23)
    } finally {
      await timed.close()
    }
  })

  it('warps: the slots between are skipped, the height is not', async () => {
    f.slots(3)
    f.k2.warpTo(1000)
    f.slots()
    expect(await f.connection.getSlot()).to.equal(1000)
    expect(await f.connection.getBlocks(0, 2000)).to.deep.equal([0, 1, 2, 3, 4, 1000])
    expect((await f.connection.getBlock(1000))!.parentSlot).to.equal(4)
    expect(await f.connection.getBlockHeight()).to.equal(5)
    expect((await f.call('getBlock', 500)).error).to.include({ code: -32007 })
    expect((await f.call('getBlock', 1001)).error).to.include({ code: -32004, message: 'Block not available for slot 1001' })
    expect(() => f.k2.warpTo(900)).to.throw(RangeError)
    f.k2.warpTo(432_000 * 3 + 5)
    f.slots()
    expect(await f.connection.getEpochInfo()).to.include({ epoch: 3, slotIndex: 5, slotsInEpoch: 432_000 })
    expect((await f.connection.getAccountInfo(SYSVAR_CLOCK_PUBKEY))!.data.readBigUInt64LE(16)).to.equal(3n)
  })

  it('shows a transaction as processed at once and as confirmed when its slot is complete', async () => {
    const alice = await f.funded(1_000_000_000)
    const bob = Keypair.generate().publicKey
    const signature = await f.connection.sendRawTransaction((await transfer(f, alice, bob, 5_000_000)).serialize())
    expect(await f.connection.getBalance(bob, 'processed')).to.equal(5_000_000)
    expect(await f.connection.getBalance(bob, 'confirmed')).to.equal(0)
    expect(await f.connection.getBalance(alice.publicKey, 'confirmed')).to.equal(1_000_000_000)
    expect(await f.connection.getAccountInfo(bob, 'confirmed')).to.equal(null)
    expect((await f.connection.getSignatureStatus(signature)).value).to.deep.include({ confirmationStatus: 'processed', confirmations: 0 })
    expect(await f.connection.getTransaction(signature)).to.equal(null)
    f.slots()
    expect(await f.connection.getBalance(bob, 'confirmed')).to.equal(5_000_000)
    expect((await f.connection.getSignatureStatus(signature)).value).to.deep.include({
      confirmationStatus: 'finalized',
      confirmations: null
    })
  })

  it('reads transactions and blocks back, with balances to the lamport', async () => {
    const alice = await f.funded(1_000_000_000)
    const bob = Keypair.generate().publicKey
    const signature = await pay(f, alice, bob, 7_000_000)
    const slot = await f.connection.getSlot()
    const read = (await f.connection.getTransaction(signature, { maxSupportedTransactionVersion: 0 }))!
    expect(read.slot).to.equal(slot)
    expect(read.meta).to.deep.include({ err: null, fee: 5000, computeUnitsConsumed: 150 })
    expect(read.meta!.preBalances).to.deep.equal([1_000_000_000, 0, 1])
    expect(read.meta!.postBalances).to.deep.equal([992_995_000, 7_000_000, 1])
    expect(read.meta!.logMessages!.at(-1)).to.equal('Program 11111111111111111111111111111111 success')
    expect(read.transaction.message.staticAccountKeys.map(String)).to.deep.equal(
      [alice.publicKey, bob, SystemProgram.programId].map(String)
    )
    const block = (await f.connection.getBlock(slot))!
    expect(block.transactions.map(({ transaction }) => transaction.signatures[0])).to.deep.equal([signature])
    expect(block.transactions[0]!.meta!.postBalances).to.deep.equal(read.meta!.postBalances)
    expect((await f.connection.getBlockSignatures(slot)).signatures).to.deep.equal([signature])
    const { result } = await f.call('getBlock', slot, { encoding: 'base64', rewards: false, transactionDetails: 'full' })
    expect(VersionedTransaction.deserialize(Buffer.from(result.transactions[0].transaction[0], 'base64')).message.recentBlockhash).to.equal(
      block.previousBlockhash
    )
    expect(result).to.not.have.property('rewards')
    const accounts = (await f.call('getBlock', slot, { transactionDetails: 'accounts' })).result
    expect(accounts.transactions[0].transaction.accountKeys[1]).to.deep.equal({
      pubkey: bob.toBase58(),
      signer: false,
      source: 'transaction',
      writable: true
    })
    expect((await f.call('getBlock', slot, { transactionDetails: 'none' })).result).to.not.have.any.keys('transactions', 'signatures')
    const parsed = (await f.connection.getParsedTransaction(signature))!
    expect(parsed.transaction.message.accountKeys[0]).to.deep.include({ signer: true, writable: true })
    expect((await f.call('getBlock', slot, { commitment: 'processed' })).error).to.include({ code: -32602 })
  })

  it('pages through the signatures of an address, newest first', async () => {
    const alice = await f.funded(1_000_000_000)
    const bob = Keypair.generate().publicKey
    const sent: string[] = []
    for (let i = 0; i < 5; i++) {
      sent.unshift(await pay(f, alice, bob, 1_000_000 + i))
    }
    const signatures = async (options?: object) =>
      (await f.connection.getSignaturesForAddress(bob, options)).map(({ signature }) => signature)
    expect(await signatures()).to.deep.equal(sent)
    expect(await signatures({ limit: 2 })).to.deep.equal(sent.slice(0, 2))
    expect(await signatures({ limit: 2, before: sent[1]! })).to.deep.equal(sent.slice(2, 4))
    expect(await signatures({ until: sent[3]! })).to.deep.equal(sent.slice(0, 3))
    expect(await signatures({ before: sent[0]!, until: sent[3]! })).to.deep.equal(sent.slice(1, 3))
    expect((await f.call('getSignaturesForAddress', bob.toBase58(), { limit: 1001 })).error).to.include({ code: -32602 })
    const [first] = await f.connection.getSignaturesForAddress(bob, { limit: 1 })
    expect(first).to.include({ err: null, memo: null, confirmationStatus: 'finalized' })
    expect(await f.connection.getSignaturesForAddress(Keypair.generate().publicKey)).to.deep.equal([])
  })

  it('refuses a blockhash that is 150 blocks old, or was never one', async () => {
    const alice = await f.funded(1_000_000_000)
    const bob = Keypair.generate().publicKey
    const { blockhash, lastValidBlockHeight } = await f.connection.getLatestBlockhash()
    expect(lastValidBlockHeight).to.equal((await f.connection.getBlockHeight()) + 150)
    const early = await transfer(f, alice, bob, 1_000_001)
    const late = await transfer(f, alice, bob, 1_000_002)
    f.slots(149)
    expect((await f.connection.isBlockhashValid(blockhash, { commitment: 'processed' })).value).to.equal(true)
    await f.connection.sendRawTransaction(early.serialize())
    f.slots()
    expect((await f.connection.isBlockhashValid(blockhash, { commitment: 'processed' })).value).to.equal(false)
    const error = await failureOf(f.connection.sendRawTransaction(late.serialize()))
    expect(error.message).to.contain('Blockhash not found')
    const unknown = await transfer(f, alice, bob, 1_000_003, Keypair.generate().publicKey.toBase58())
    const { error: raw } = await f.call('sendTransaction', unknown.serialize().toString('base64'), { encoding: 'base64' })
    expect(raw).to.deep.include({ code: -32002, message: 'Transaction simulation failed: Blockhash not found' })
    expect(raw!.data).to.deep.include({ err: 'BlockhashNotFound', logs: [], unitsConsumed: 0 })
    expect(await f.connection.getBalance(bob)).to.equal(1_000_001)
  })

  it('refuses a transaction that it has seen, in this slot or before', async () => {
    const alice = await f.funded(1_000_000_000)
    const bob = Keypair.generate().publicKey
    const bytes = (await transfer(f, alice, bob, 1_000_000)).serialize()
    const signature = await f.connection.sendRawTransaction(bytes)
    for (const slots of [0, 1, 20]) {
      f.slots(slots)
      expect((await failureOf(f.connection.sendRawTransaction(bytes))).message).to.contain('This transaction has already been processed')
      // without preflight a node says nothing, and it still counts once
      expect(await f.connection.sendRawTransaction(bytes, { skipPreflight: true })).to.equal(signature)
    }
    f.slots()
    expect(await f.connection.getBalance(bob)).to.equal(1_000_000)
  })

  it('tells in preflight why a transaction would fail, with the log', async () => {
    const alice = await f.funded(1_000_000)
    const over = await transfer(f, alice, Keypair.generate().publicKey, 5_000_000)
    const error = await failureOf(f.connection.sendRawTransaction(over.serialize()))
    expect(error.message).to.contain('Transaction simulation failed: Error processing Instruction 0: custom program error: 0x1')
    expect(error.logs).to.include('Transfer: insufficient lamports 995000, need 5000000')
    const { error: raw } = await f.call('sendTransaction', over.serialize().toString('base64'), { encoding: 'base64' })
    expect(raw).to.include({ code: -32002 })
    expect(raw!.data.err).to.deep.equal({ InstructionError: [0, { Custom: 1 }] })
    f.slots()
    expect(await f.connection.getBalance(alice.publicKey), 'preflight costs nothing').to.equal(1_000_000)
    const poor = await transfer(f, Keypair.generate(), alice.publicKey, 1)
    expect((await failureOf(f.connection.sendRawTransaction(poor.serialize()))).message).to.contain('found no record of a prior credit')
    const dust = await transfer(f, alice, Keypair.generate().publicKey, 10)
    expect((await failureOf(f.connection.sendRawTransaction(dust.serialize()))).message).to.contain(
      'account (1) with insufficient funds for rent'
    )
  })

  it('puts a failed transaction that skips preflight into a block, and takes its fee', async () => {
    const alice = await f.funded(10_000_000)
    const over = await transfer(f, alice, Keypair.generate().publicKey, 50_000_000)
    const signature = await f.connection.sendRawTransaction(over.serialize(), { skipPreflight: true })
    f.slots()
    expect((await f.connection.getSignatureStatus(signature)).value!.err).to.deep.equal({ InstructionError: [0, { Custom: 1 }] })
    const { meta } = (await f.connection.getTransaction(signature))!
    expect(meta).to.deep.include({ fee: 5000, preBalances: [10_000_000, 0, 1], postBalances: [9_995_000, 0, 1] })
    expect((await f.connection.getSignaturesForAddress(alice.publicKey))[0]!.err).to.deep.equal({ InstructionError: [0, { Custom: 1 }] })
    // one that cannot even pay leaves no trace
    const poor = await transfer(f, Keypair.generate(), alice.publicKey, 1)
    const lost = await f.connection.sendRawTransaction(poor.serialize(), { skipPreflight: true })
    f.slots()
    expect((await f.connection.getSignatureStatus(lost, { searchTransactionHistory: true })).value).to.equal(null)
  })

  it('has the status of a transaction at hand for 300 blocks, over however many slots the chain leaps', async () => {
    const signature = await f.connection.requestAirdrop(Keypair.generate().publicKey, 1_000_000)
    f.slots()
    f.k2.warpTo(f.k2.slot() + 5000)
    f.slots(298)
    expect((await f.connection.getSignatureStatus(signature)).value).to.include({ confirmationStatus: 'finalized' })
    f.slots()
    expect((await f.connection.getSignatureStatus(signature)).value).to.equal(null)
    expect((await f.connection.getSignatureStatus(signature, { searchTransactionHistory: true })).value!.err).to.equal(null)
  })

  it('pays two like airdrops within a slot', async () => {
    const alice = Keypair.generate().publicKey
    const signatures = await Promise.all([f.connection.requestAirdrop(alice, 1_000_000), f.connection.requestAirdrop(alice, 1_000_000)])
    f.slots()
    expect(new Set(signatures).size).to.equal(2)
    expect(await f.connection.getBalance(alice)).to.equal(2_000_000)
  })

  it('refuses a wrong signature', async () => {
    const alice = await f.funded(1_000_000_000)
    const bytes = (await transfer(f, alice, Keypair.generate().publicKey, 1_000_000)).serialize()
    bytes[10]! ^= 1
    const text = bytes.toString('base64')
    const { code, message, data } = (await f.call('sendTransaction', text, { encoding: 'base64' })).error!
    expect({ code, message }).to.deep.equal({
      code: -32002,
      message: 'Transaction simulation failed: Transaction did not pass signature verification'
    })
    expect(data).to.include({ err: 'SignatureFailure', unitsConsumed: 0, fee: null, preBalances: null })
    expect(data.logs).to.deep.equal([])
    expect((await f.call('sendTransaction', text, { encoding: 'base64', skipPreflight: true })).result).to.be.a('string')
    f.slots()
    expect(await f.connection.getBalance(alice.publicKey)).to.equal(1_000_000_000)
    expect((await f.call('simulateTransaction', text, { encoding: 'base64', sigVerify: true })).result.value.err).to.equal(
      'SignatureFailure'
    )
    expect((await f.call('simulateTransaction', text, { encoding: 'base64' })).result.value.err).to.equal(null)
  })

  it('simulates: units, logs, accounts after, another blockhash, and changes nothing', async () => {
    const alice = await f.funded(1_000_000_000)
    const bob = Keypair.generate().publicKey
    const message = new TransactionMessage({
      payerKey: alice.publicKey,
      recentBlockhash: PublicKey.default.toBase58(),
      instructions: [SystemProgram.transfer({ fromPubkey: alice.publicKey, toPubkey: bob, lamports: 3_000_000 })]
    }).compileToV0Message()
    const unsigned = new VersionedTransaction(message)
    const { value } = await f.connection.simulateTransaction(unsigned, {
      replaceRecentBlockhash: true,
      accounts: { encoding: 'base64', addresses: [bob.toBase58(), alice.publicKey.toBase58(), Keypair.generate().publicKey.toBase58()] }
    })
    expect(value).to.deep.include({ err: null, unitsConsumed: 150 })
    expect(value.accounts!.map((account) => account?.lamports)).to.deep.equal([3_000_000, 996_995_000, undefined])
    expect((await f.connection.simulateTransaction(unsigned)).value.err).to.equal('BlockhashNotFound')
    const text = Buffer.from(unsigned.serialize()).toString('base64')
    const both = await f.call('simulateTransaction', text, { encoding: 'base64', replaceRecentBlockhash: true, sigVerify: true })
    expect(both.error).to.include({ code: -32602 })
    f.slots()
    expect(await f.connection.getBalance(bob, 'processed')).to.equal(0)
  })

  it('reckons fees as the VM takes them', async () => {
    const alice = await f.funded(1_000_000_000)
    const bob = Keypair.generate()
    const to = { fromPubkey: alice.publicKey, toPubkey: bob.publicKey, lamports: 1_000_000 }
    const priced = [ComputeBudgetProgram.setComputeUnitPrice({ microLamports: 12_345 })]
    const signed = [Ed25519Program.createInstructionWithPrivateKey({ privateKey: bob.secretKey, message: Buffer.from('hello') })]
    const bundles: TransactionInstruction[][] = [
      [],
      priced,
      [...priced, ComputeBudgetProgram.setComputeUnitLimit({ units: 77_777 })],
      signed,
      [...priced, ...signed],
      // a program that is no builtin is given more units
      [...priced, new TransactionInstruction({ programId: TOKEN, keys: [], data: Buffer.from([21]) })]
    ]
    for (const [i, extra] of bundles.entries()) {
      const { blockhash } = await f.connection.getLatestBlockhash()
      const instructions = [...extra, SystemProgram.transfer(to)]
      const message = new TransactionMessage({ payerKey: alice.publicKey, recentBlockhash: blockhash, instructions }).compileToV0Message()
      const { value: expected } = await f.connection.getFeeForMessage(message)
      const transaction = new VersionedTransaction(message)
      transaction.sign([alice])
      const signature = await f.connection.sendTransaction(transaction, { skipPreflight: true })
      f.slots()
      const { meta } = (await f.connection.getTransaction(signature, { maxSupportedTransactionVersion: 0 }))!
      expect(meta!.fee, `bundle ${i}`).to.equal(expected)
      expect(meta!.preBalances[0]! - meta!.postBalances[0]!).to.equal(expected! + (meta!.err === null ? 1_000_000 : 0))
    }
    const stale = new TransactionMessage({ payerKey: alice.publicKey, recentBlockhash: PublicKey.default.toBase58(), instructions: [] })
    expect((await f.connection.getFeeForMessage(stale.compileToV0Message())).value).to.equal(null)
  })

  it('finds the accounts of a program by size and bytes, and cuts out slices', async () => {
    const alice = await f.funded(1_000_000_000)
    const mints: PublicKey[] = []
    for (let decimals = 0; decimals < 3; decimals++) {
      const mint = Keypair.generate()
      const lamports = await f.connection.getMinimumBalanceForRentExemption(82)
      const initialize = new TransactionInstruction({
        programId: TOKEN,
        keys: [{ pubkey: mint.publicKey, isSigner: false, isWritable: true }],
        // InitializeMint2: decimals, mint authority, no freeze authority
        data: Buffer.from([20, decimals, ...alice.publicKey.toBytes(), 0])
      })
      const create = SystemProgram.createAccount({
        fromPubkey: alice.publicKey,
        newAccountPubkey: mint.publicKey,
        lamports,
        space: 82,
        programId: TOKEN
      })
      const transaction = new Transaction({ feePayer: alice.publicKey, ...(await f.connection.getLatestBlockhash()) }).add(
        create,
        initialize
      )
      transaction.sign(alice, mint)
      await f.connection.sendRawTransaction(transaction.serialize())
      mints.push(mint.publicKey)
    }
    expect(await f.connection.getProgramAccounts(TOKEN, 'confirmed'), 'the slot is not complete').to.deep.equal([])
    expect(await f.connection.getProgramAccounts(TOKEN, 'processed')).to.have.length(3)
    f.slots()
    const found = await f.connection.getProgramAccounts(TOKEN)
    expect(found.map(({ pubkey }) => pubkey.toBase58()).sort()).to.deep.equal(mints.map(String).sort())
    expect(await f.connection.getProgramAccounts(TOKEN, { filters: [{ dataSize: 82 }] })).to.have.length(3)
    expect(await f.connection.getProgramAccounts(TOKEN, { filters: [{ dataSize: 81 }] })).to.have.length(0)
    const byAuthority = { memcmp: { offset: 4, bytes: alice.publicKey.toBase58() } }
    expect(await f.connection.getProgramAccounts(TOKEN, { filters: [byAuthority] })).to.have.length(3)
    const [second] = await f.connection.getProgramAccounts(TOKEN, {
      filters: [{ dataSize: 82 }, { memcmp: { offset: 44, bytes: Buffer.from([1]).toString('base64'), encoding: 'base64' } }],
      dataSlice: { offset: 44, length: 2 }
    })
    expect(second!.pubkey.toBase58()).to.equal(mints[1]!.toBase58())
    expect([...second!.account.data]).to.deep.equal([1, 1])
    const wrapped = (
      await f.call('getProgramAccounts', TOKEN.toBase58(), { withContext: true, encoding: 'base64', filters: [byAuthority] })
    ).result
    expect(wrapped.context.slot).to.equal(await f.connection.getSlot())
    expect(wrapped.value).to.have.length(3)
    const past = await f.connection.getProgramAccounts(TOKEN, { filters: [{ memcmp: { offset: 80, bytes: alice.publicKey.toBase58() } }] })
    expect(past).to.deep.equal([])
    const filters = Array.from({ length: 5 }, () => ({ dataSize: 82 }))
    expect((await f.call('getProgramAccounts', TOKEN.toBase58(), { filters })).error).to.include({ code: -32602 })
  })

  it('gives accounts in every encoding', async () => {
    const [faucet, none] = [new PublicKey(f.k2.faucetAddress), Keypair.generate().publicKey]
    const several = await f.connection.getMultipleAccountsInfo([faucet, none, TOKEN])
    expect(several.map((account) => account?.executable)).to.deep.equal([false, undefined, true])
    expect(several[2]!.owner.toBase58()).to.equal('BPFLoaderUpgradeab1e11111111111111111111111')
    const { value } = (await f.call('getAccountInfo', TOKEN.toBase58(), { encoding: 'base64' })).result
    expect(value).to.include({ executable: true, space: 36 })
    const clock = SYSVAR_CLOCK_PUBKEY.toBase58()
    const data = Buffer.from((await f.call('getAccountInfo', clock, { encoding: 'base64' })).result.value.data[0], 'base64')
    expect(data).to.have.length(40)
    const bs58 = (await f.call('getAccountInfo', clock, { encoding: 'base58', dataSlice: { offset: 0, length: 8 } })).result.value.data
    expect(bs58).to.deep.equal(['11111111', 'base58'])
    const { zstdDecompressSync } = await import('node:zlib')
    const zstd = (await f.call('getAccountInfo', clock, { encoding: 'base64+zstd' })).result.value.data
    expect(zstdDecompressSync(Buffer.from(zstd[0], 'base64'))).to.deep.equal(data)
    const hashes = 'SysvarS1otHashes111111111111111111111111111'
    expect((await f.call('getAccountInfo', hashes, { encoding: 'base58' })).error!.message).to.contain('less than 128 bytes')
    const raw = await (
      await fetch(f.k2.url, post({ jsonrpc: '2.0', id: 1, method: 'getAccountInfo', params: [f.k2.faucetAddress] }))
    ).text()
    expect(raw, 'u64 stays exact').to.contain('"rentEpoch":18446744073709551615')
  })

  it('runs a program of the genesis, and versioned transactions through a lookup table', async () => {
    const alice = await f.funded(1_000_000_000)
    f.slots()
    const slot = await f.connection.getSlot()
    const [create, table] = AddressLookupTableProgram.createLookupTable({
      authority: alice.publicKey,
      payer: alice.publicKey,
      recentSlot: slot
    })
    const bob = Keypair.generate().publicKey
    const extend = AddressLookupTableProgram.extendLookupTable({
      lookupTable: table,
      authority: alice.publicKey,
      payer: alice.publicKey,
      addresses: [bob]
    })
    const setUp = new Transaction({ feePayer: alice.publicKey, ...(await f.connection.getLatestBlockhash()) }).add(create, extend)
    setUp.sign(alice)
    await f.connection.sendRawTransaction(setUp.serialize())
    f.slots(2)
    const lookup = (await f.connection.getAddressLookupTable(table)).value!
    expect(lookup.state.addresses.map(String)).to.deep.equal([bob.toBase58()])
    const { blockhash } = await f.connection.getLatestBlockhash()
    const instructions = [SystemProgram.transfer({ fromPubkey: alice.publicKey, toPubkey: bob, lamports: 2_000_000 })]
    const message = new TransactionMessage({ payerKey: alice.publicKey, recentBlockhash: blockhash, instructions }).compileToV0Message([
      lookup
    ])
    expect(message.staticAccountKeys, 'bob is not in the message').to.have.length(2)
    const transaction = new VersionedTransaction(message)
    transaction.sign([alice])
    const signature = await f.connection.sendTransaction(transaction)
    f.slots()
    const read = (await f.connection.getTransaction(signature, { maxSupportedTransactionVersion: 0 }))!
    expect(read.version).to.equal(0)
    expect(read.meta!.loadedAddresses!.writable.map(String)).to.deep.equal([bob.toBase58()])
    expect(read.meta!.postBalances[2]).to.equal(2_000_000)
    expect((await f.connection.getSignaturesForAddress(bob)).map(({ signature }) => signature)).to.deep.equal([signature])
    expect((await f.call('getTransaction', signature)).error).to.include({ code: -32015 })
    expect((await f.call('getBlock', read.slot)).error).to.include({ code: -32015 })
  })

  it('keeps the supply: what is burnt is the fees and nothing else', async () => {
    const before = BigInt((await f.connection.getSupply()).value.total)
    const alice = await f.funded(1_000_000_000)
    await pay(f, alice, Keypair.generate().publicKey, 1_000_000)
    const supply = BigInt((await f.connection.getSupply()).value.total)
    expect(before - supply).to.equal(10_000n)
    expect(await f.connection.getTransactionCount()).to.equal(2)
  })

  it('counts transactions and bytes by program and kind of instruction, and tells watchers', async () => {
    const alice = await f.funded(1_000_000_000)
    const seen: unknown[] = []
    f.k2.events.on('transaction', (transaction) => seen.push(transaction))
    f.k2.events.on('transaction', () => {
      throw new Error('a watcher that fails')
    })
    const bob = Keypair.generate().publicKey
    const signature = await pay(f, alice, bob, 1_000_000)
    const over = await transfer(f, alice, bob, 2_000_000_000)
    await f.connection.sendRawTransaction(over.serialize(), { skipPreflight: true })
    const size = over.serialize().length
    const system = SystemProgram.programId.toBase58()
    expect(f.k2.counters()).to.deep.include({ transactions: 3, failed: 1, instructions: 3 })
    expect(f.k2.counters().byProgram[system]).to.include({ transactions: 3, failed: 1 })
    expect(f.k2.countersByKind(system)).to.deep.equal({ 2: { transactions: 3, failed: 1, bytes: f.k2.counters().bytes, instructions: 3 } })
    expect(f.k2.countersByKind(TOKEN.toBase58())).to.deep.equal({})
    expect(seen).to.have.length(2)
    expect(seen[0]).to.deep.include({ signature, bytes: size, err: null, feePayer: alice.publicKey.toBase58() })
    const [instruction] = (seen[0] as { instructions: Array<{ programId: string; data: Uint8Array; accounts: string[] }> }).instructions
    expect(instruction!.programId).to.equal(system)
    expect(instruction!.accounts).to.deep.equal([alice.publicKey.toBase58(), bob.toBase58()])
    expect(instruction!.data[0]).to.equal(2)
  })
})
