import {
  ACCOUNT_SIZE,
  AuthorityType,
  amountToUiAmount,
  approve,
  burn,
  closeAccount,
  createAssociatedTokenAccountIdempotent,
  createInitializeMint2Instruction,
  createInitializeScaledUiAmountConfigInstruction,
  createInitializeTransferFeeConfigInstruction,
  createInterestBearingMint,
  createMint,
  createTransferCheckedInstruction,
  createWrappedNativeAccount,
  ExtensionType,
  freezeAccount,
  getAccount,
  getAssociatedTokenAddressSync,
  getMint,
  getMintLen,
  getMultipleAccounts,
  getOrCreateAssociatedTokenAccount,
  MINT_SIZE,
  mintTo,
  NATIVE_MINT,
  setAuthority,
  TOKEN_2022_PROGRAM_ID,
  TOKEN_PROGRAM_ID,
  TokenAccountNotFoundError,
  thawAccount,
  transfer,
  transferCheckedWithFee,
  updateMultiplier
} from '@solana/spl-token'
import { Keypair, type PublicKey, SystemProgram, sendAndConfirmTransaction, Transaction } from '@solana/web3.js'
import { expect } from 'chai'
import { eventually, type Fixture, failureOf, startK2 } from './support.ts'

describe('local K2: @solana/spl-token, unmodified', () => {
  let f: Fixture
  let alice: Keypair
  before(async () => {
    // a blockhash lives for 150 slots, however busy the machine is
    f = await startK2({ ticking: true, slotMs: 200 })
    alice = Keypair.generate()
    const signature = await f.connection.requestAirdrop(alice.publicKey, 100_000_000_000)
    await f.connection.confirmTransaction({ signature, ...(await f.connection.getLatestBlockhash()) })
  })
  after(() => f.close())

  for (const [name, program] of [
    ['spl-token', TOKEN_PROGRAM_ID],
    ['spl-token-2022', TOKEN_2022_PROGRAM_ID]
  ] as const) {
    describe(name, () => {
      const bob = Keypair.generate()
      let mint: PublicKey
      let alices: PublicKey
      let bobs: PublicKey
      before(async () => {
        mint = await createMint(f.connection, alice, alice.publicKey, alice.publicKey, 6, Keypair.generate(), undefined, program)
        alices = (
          await getOrCreateAssociatedTokenAccount(f.connection, alice, mint, alice.publicKey, false, 'confirmed', undefined, program)
        ).address
        bobs = await createAssociatedTokenAccountIdempotent(f.connection, alice, mint, bob.publicKey, undefined, program)
        await mintTo(f.connection, alice, mint, alices, alice, 10_000_000n, [], undefined, program)
      })

      it('makes a mint and accounts, mints and transfers, and reads all of it back', async () => {
        const before = await f.connection.getTokenAccountBalance(bobs)
        expect(before.value).to.deep.equal({ amount: '0', decimals: 6, uiAmount: 0, uiAmountString: '0' })
        const signature = await transfer(f.connection, alice, alices, bobs, alice, 2_500_000n, [], undefined, program)
        expect((await getAccount(f.connection, bobs, 'confirmed', program)).amount).to.equal(2_500_000n)
        const read = await getMint(f.connection, mint, 'confirmed', program)
        expect([read.supply, read.decimals, read.isInitialized]).to.deep.equal([10_000_000n, 6, true])
        const both = await getMultipleAccounts(f.connection, [alices, bobs], 'confirmed', program)
        expect(both.map(({ amount }) => amount)).to.deep.equal([7_500_000n, 2_500_000n])
        expect((await f.connection.getTokenAccountBalance(bobs)).value).to.deep.equal({
          amount: '2500000',
          decimals: 6,
          uiAmount: 2.5,
          uiAmountString: '2.5'
        })
        expect((await f.connection.getTokenSupply(mint)).value).to.deep.equal({
          amount: '10000000',
          decimals: 6,
          uiAmount: 10,
          uiAmountString: '10'
        })
        const largest = (await f.connection.getTokenLargestAccounts(mint)).value
        expect(largest.map(({ address, amount }) => [address.toBase58(), amount])).to.deep.equal([
          [alices.toBase58(), '7500000'],
          [bobs.toBase58(), '2500000']
        ])
        const meta = (await f.connection.getTransaction(signature, { maxSupportedTransactionVersion: 0 }))!.meta!
        const amounts = (balances: typeof meta.preTokenBalances) =>
          Object.fromEntries(balances!.map(({ owner, uiTokenAmount }) => [owner, uiTokenAmount.amount]))
        expect(amounts(meta.preTokenBalances)).to.deep.equal({
          [alice.publicKey.toBase58()]: '10000000',
          [bob.publicKey.toBase58()]: '0'
        })
        expect(amounts(meta.postTokenBalances)).to.deep.equal({
          [alice.publicKey.toBase58()]: '7500000',
          [bob.publicKey.toBase58()]: '2500000'
        })
        expect(meta.postTokenBalances![0]).to.include({ mint: mint.toBase58(), programId: program.toBase58() })
      })

      it('finds accounts by owner and by delegate, by mint and by program', async () => {
        const by = async (filter: { mint: PublicKey } | { programId: PublicKey }) =>
          (await f.connection.getTokenAccountsByOwner(bob.publicKey, filter)).value.map(({ pubkey }) => pubkey.toBase58())
        expect(await by({ programId: program })).to.deep.equal([bobs.toBase58()])
        const other = await createMint(f.connection, alice, alice.publicKey, null, 0, Keypair.generate(), undefined, program)
        const others = await createAssociatedTokenAccountIdempotent(f.connection, alice, other, bob.publicKey, undefined, program)
        expect(await by({ mint })).to.deep.equal([bobs.toBase58()])
        expect(await by({ programId: program })).to.have.members([bobs.toBase58(), others.toBase58()])
        // room for a mint is no mint yet
        const room = Keypair.generate()
        const makeRoom = SystemProgram.createAccount({
          fromPubkey: alice.publicKey,
          newAccountPubkey: room.publicKey,
          space: MINT_SIZE,
          lamports: await f.connection.getMinimumBalanceForRentExemption(MINT_SIZE),
          programId: program
        })
        await sendAndConfirmTransaction(f.connection, new Transaction().add(makeRoom), [alice, room])
        expect((await f.call('getTokenSupply', room.publicKey.toBase58())).error!.message).to.equal('Invalid param: not a Token mint')
        expect((await f.connection.getTokenAccountsByOwner(Keypair.generate().publicKey, { mint })).value).to.deep.equal([])
        await approve(f.connection, alice, alices, bob.publicKey, alice, 1_000n, [], undefined, program)
        const [delegated] = (
          await f.call('getTokenAccountsByDelegate', bob.publicKey.toBase58(), { mint: mint.toBase58() }, { encoding: 'jsonParsed' })
        ).result.value
        expect(delegated.pubkey).to.equal(alices.toBase58())
        expect(delegated.account.data.parsed.info).to.deep.include({
          delegate: bob.publicKey.toBase58(),
          delegatedAmount: { amount: '1000', decimals: 6, uiAmount: 0.001, uiAmountString: '0.001' }
        })
        expect((await f.call('getTokenAccountsByOwner', bob.publicKey.toBase58(), { programId: bobs.toBase58() })).error).to.deep.equal({
          code: -32602,
          message: 'Invalid param: unrecognized Token program id'
        })
        expect((await f.call('getTokenAccountsByOwner', bob.publicKey.toBase58(), { mint: bobs.toBase58() })).error!.message).to.equal(
          'Invalid param: not a Token mint'
        )
        expect((await f.call('getTokenAccountBalance', mint.toBase58())).error!.message).to.equal('Invalid param: not a Token account')
        expect((await f.call('getTokenSupply', bob.publicKey.toBase58())).error!.message).to.equal('Invalid param: could not find account')
      })

      it('gives accounts, mints and instructions parsed', async () => {
        const account = (await f.connection.getParsedAccountInfo(bobs)).value!.data as unknown as { program: string; parsed: unknown }
        expect(account).to.deep.include({ program: name })
        const info = (account.parsed as { type: string; info: Record<string, unknown> }).info
        expect(info).to.deep.include({ mint: mint.toBase58(), owner: bob.publicKey.toBase58(), state: 'initialized', isNative: false })
        expect('extensions' in info).to.equal(program === TOKEN_2022_PROGRAM_ID)
        if (program === TOKEN_2022_PROGRAM_ID) {
          expect(info.extensions).to.deep.equal([{ extension: 'immutableOwner' }])
        }
        const parsedMint = (await f.call('getAccountInfo', mint.toBase58(), { encoding: 'jsonParsed' })).result.value.data.parsed
        expect(parsedMint).to.deep.equal({
          type: 'mint',
          info: {
            decimals: 6,
            freezeAuthority: alice.publicKey.toBase58(),
            isInitialized: true,
            mintAuthority: alice.publicKey.toBase58(),
            supply: '10000000'
          }
        })
        const owned = (await f.connection.getParsedTokenAccountsByOwner(bob.publicKey, { mint })).value
        expect(owned[0]!.account.data).to.deep.include({ program: name })
        const checked = new Transaction().add(
          createTransferCheckedInstruction(alices, mint, bobs, alice.publicKey, 1_000_000n, 6, [], program)
        )
        const signature = await sendAndConfirmTransaction(f.connection, checked, [alice])
        const { transaction } = (await f.connection.getParsedTransaction(signature))!
        expect(transaction.message.instructions[0]).to.deep.equal({
          program: 'spl-token',
          programId: program,
          parsed: {
            type: 'transferChecked',
            info: {
              authority: alice.publicKey.toBase58(),
              destination: bobs.toBase58(),
              mint: mint.toBase58(),
              source: alices.toBase58(),
              tokenAmount: { amount: '1000000', decimals: 6, uiAmount: 1, uiAmountString: '1' }
            }
          },
          stackHeight: 1
        })
        // the program of associated accounts calls two others, whose calls are read too
        const carol = Keypair.generate().publicKey
        const carols = getAssociatedTokenAddressSync(mint, carol, false, program)
        await createAssociatedTokenAccountIdempotent(f.connection, alice, mint, carol, undefined, program)
        const [{ signature: made } = { signature: '' }] = await f.connection.getSignaturesForAddress(carols, { limit: 1 })
        const parsed = (await f.connection.getParsedTransaction(made))!
        const outer = parsed.transaction.message.instructions.find((one) => 'program' in one && one.program.includes('associated'))
        expect((outer as { parsed: { type: string; info: object } }).parsed).to.deep.include({ type: 'createIdempotent' })
        const inner = parsed.meta!.innerInstructions!.flatMap(({ instructions }) => instructions) as Array<{ parsed: { type: string } }>
        expect(inner.map((one) => one.parsed.type)).to.include.members(['getAccountDataSize', 'createAccount', 'initializeAccount3'])
      })

      it('freezes, thaws, hands on authority, burns and closes', async () => {
        await freezeAccount(f.connection, alice, bobs, mint, alice, [], undefined, program)
        expect((await getAccount(f.connection, bobs, 'confirmed', program)).isFrozen).to.equal(true)
        const frozen = await failureOf(transfer(f.connection, alice, alices, bobs, alice, 1n, [], undefined, program))
        expect(frozen.message).to.contain('custom program error: 0x11')
        expect(frozen.logs.join('\n')).to.contain('Account is frozen')
        await thawAccount(f.connection, alice, bobs, mint, alice, [], undefined, program)
        const held = (await getAccount(f.connection, bobs, 'confirmed', program)).amount
        await burn(f.connection, alice, bobs, mint, bob, held, [], undefined, program)
        await closeAccount(f.connection, alice, bobs, alice.publicKey, bob, [], undefined, program)
        expect(await failureOf(getAccount(f.connection, bobs, 'confirmed', program))).to.be.instanceOf(TokenAccountNotFoundError)
        await setAuthority(f.connection, alice, mint, alice, AuthorityType.MintTokens, null, [], undefined, program)
        expect((await getMint(f.connection, mint, 'confirmed', program)).mintAuthority).to.equal(null)
        expect((await failureOf(mintTo(f.connection, alice, mint, alices, alice, 1n, [], undefined, program))).message).to.contain(
          'custom program error: 0x5'
        )
        expect((await f.connection.getTokenSupply(mint)).value.amount).to.equal(`${10_000_000n - held}`)
      })
    })
  }

  it('wraps lamports', async () => {
    const wrapped = await createWrappedNativeAccount(f.connection, alice, alice.publicKey, 1_000_000_000)
    const read = await getAccount(f.connection, wrapped)
    expect([read.amount, read.isNative, read.mint.toBase58()]).to.deep.equal([1_000_000_000n, true, NATIVE_MINT.toBase58()])
    const { info } = (await f.call('getAccountInfo', wrapped.toBase58(), { encoding: 'jsonParsed' })).result.value.data.parsed
    const reserve = await f.connection.getMinimumBalanceForRentExemption(ACCOUNT_SIZE)
    expect(info).to.deep.include({ isNative: true })
    expect(info.rentExemptReserve).to.deep.include({ amount: `${reserve}`, decimals: 9 })
    expect(info.tokenAmount.uiAmountString).to.equal('1')
  })

  it('takes the fees that a Token-2022 mint asks for, and shows its extensions', async () => {
    const mint = Keypair.generate()
    const space = getMintLen([ExtensionType.TransferFeeConfig])
    const setUp = new Transaction().add(
      SystemProgram.createAccount({
        fromPubkey: alice.publicKey,
        newAccountPubkey: mint.publicKey,
        space,
        lamports: await f.connection.getMinimumBalanceForRentExemption(space),
        programId: TOKEN_2022_PROGRAM_ID
      }),
      createInitializeTransferFeeConfigInstruction(mint.publicKey, alice.publicKey, null, 100, 5_000n, TOKEN_2022_PROGRAM_ID),
      createInitializeMint2Instruction(mint.publicKey, 2, alice.publicKey, null, TOKEN_2022_PROGRAM_ID)
    )
    const made = await sendAndConfirmTransaction(f.connection, setUp, [alice, mint])
    const types = (await f.connection.getParsedTransaction(made))!.transaction.message.instructions.map(
      (one) => (one as unknown as { parsed: { type: string } }).parsed.type
    )
    expect(types).to.deep.equal(['createAccount', 'initializeTransferFeeConfig', 'initializeMint2'])
    const { info } = (await f.call('getAccountInfo', mint.publicKey.toBase58(), { encoding: 'jsonParsed' })).result.value.data.parsed
    expect(info.mintAuthority).to.equal(alice.publicKey.toBase58())
    expect(info.freezeAuthority).to.equal(null)
    expect(info.extensions).to.have.length(1)
    expect(info.extensions[0]).to.deep.equal({
      extension: 'transferFeeConfig',
      state: {
        transferFeeConfigAuthority: alice.publicKey.toBase58(),
        withdrawWithheldAuthority: null,
        withheldAmount: 0,
        olderTransferFee: { epoch: 0, maximumFee: 5000, transferFeeBasisPoints: 100 },
        newerTransferFee: { epoch: 0, maximumFee: 5000, transferFeeBasisPoints: 100 }
      }
    })
    const bob = Keypair.generate()
    const accountOf = (owner: PublicKey) =>
      createAssociatedTokenAccountIdempotent(f.connection, alice, mint.publicKey, owner, undefined, TOKEN_2022_PROGRAM_ID)
    const [alices, bobs] = [await accountOf(alice.publicKey), await accountOf(bob.publicKey)]
    await mintTo(f.connection, alice, mint.publicKey, alices, alice, 10_000n, [], undefined, TOKEN_2022_PROGRAM_ID)
    await transferCheckedWithFee(f.connection, alice, alices, mint.publicKey, bobs, alice, 1_000n, 2, 10n)
    expect((await f.connection.getTokenAccountBalance(bobs)).value.uiAmountString).to.equal('9.9')
    const parsed = (await f.call('getAccountInfo', bobs.toBase58(), { encoding: 'jsonParsed' })).result.value.data.parsed
    expect(parsed.info.extensions).to.deep.include({ extension: 'transferFeeAmount', state: { withheldAmount: 10 } })
  })

  it('shows interest and scaling as the program itself reckons them', async () => {
    const bob = Keypair.generate().publicKey
    const interest = await createInterestBearingMint(
      f.connection,
      alice,
      alice.publicKey,
      alice.publicKey,
      alice.publicKey,
      30_000,
      9,
      Keypair.generate(),
      undefined,
      TOKEN_2022_PROGRAM_ID
    )
    const scaled = Keypair.generate()
    const space = getMintLen([ExtensionType.ScaledUiAmountConfig])
    const lamports = await f.connection.getMinimumBalanceForRentExemption(space)
    const setUp = new Transaction().add(
      SystemProgram.createAccount({
        fromPubkey: alice.publicKey,
        newAccountPubkey: scaled.publicKey,
        space,
        lamports,
        programId: TOKEN_2022_PROGRAM_ID
      }),
      createInitializeScaledUiAmountConfigInstruction(scaled.publicKey, alice.publicKey, 1.5, TOKEN_2022_PROGRAM_ID),
      createInitializeMint2Instruction(scaled.publicKey, 3, alice.publicKey, null, TOKEN_2022_PROGRAM_ID)
    )
    await sendAndConfirmTransaction(f.connection, setUp, [alice, scaled])
    await updateMultiplier(f.connection, alice, scaled.publicKey, alice, 2.5, 4_000_000_000n, [], undefined, TOKEN_2022_PROGRAM_ID)
    const amounts = [
      [interest, 999_999_999_999_999_999n],
      [scaled.publicKey, 1_001n]
    ] as const
    const plain = ['999999999.999999999', '1.001']
    for (const [index, [mint, amount]] of amounts.entries()) {
      const account = await createAssociatedTokenAccountIdempotent(f.connection, alice, mint, bob, undefined, TOKEN_2022_PROGRAM_ID)
      await mintTo(f.connection, alice, mint, account, alice, amount, [], undefined, TOKEN_2022_PROGRAM_ID)
      if (index === 0) {
        const { blockTime } = (await f.call('getBlock', await f.connection.getSlot(), { maxSupportedTransactionVersion: 0 })).result
        const now = async () => f.connection.getBlockTime(await f.connection.getSlot())
        await eventually('a second to go by', async () => ((await now())! > blockTime ? true : undefined))
      }
      // interest runs with the clock, which must stand while two readings are compared
      f.k2.hold()
      try {
        const reckoned = await amountToUiAmount(f.connection, alice, mint, amount, TOKEN_2022_PROGRAM_ID)
        const { value: balance } = await f.connection.getTokenAccountBalance(account, 'processed')
        expect(balance).to.deep.equal({
          amount: `${amount}`,
          decimals: balance.decimals,
          uiAmount: Number(reckoned),
          uiAmountString: reckoned
        })
        expect(reckoned).to.not.equal(plain[index])
        expect((await f.connection.getTokenSupply(mint, 'processed')).value.uiAmountString).to.equal(reckoned)
        const [largest] = (await f.connection.getTokenLargestAccounts(mint, 'processed')).value
        expect(largest!.uiAmountString).to.equal(reckoned)
        const parsed = (await f.call('getAccountInfo', account.toBase58(), { encoding: 'jsonParsed', commitment: 'processed' })).result
          .value
        expect(parsed.data.parsed.info.tokenAmount.uiAmountString).to.equal(reckoned)
      } finally {
        f.k2.release()
      }
    }
    const { extensions } = (await f.call('getAccountInfo', scaled.publicKey.toBase58(), { encoding: 'jsonParsed' })).result.value.data
      .parsed.info
    expect(extensions).to.deep.equal([
      {
        extension: 'scaledUiAmountConfig',
        state: {
          authority: alice.publicKey.toBase58(),
          multiplier: '1.5',
          newMultiplier: '2.5',
          newMultiplierEffectiveTimestamp: 4_000_000_000
        }
      }
    ])
  })
})
