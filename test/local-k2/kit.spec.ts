import {
  type Address,
  address,
  appendTransactionMessageInstructions,
  createKeyPairSignerFromBytes,
  createSolanaRpc,
  createSolanaRpcSubscriptions_UNSTABLE,
  createTransactionMessage,
  estimateResourceLimitsFactory,
  getBase64EncodedWireTransaction,
  getSignatureFromTransaction,
  type Instruction,
  isSolanaError,
  type KeyPairSigner,
  type Nonce,
  type PendingRpcSubscriptionsRequest,
  pipe,
  type Rpc,
  type RpcSubscriptions,
  type Signature,
  SOLANA_ERROR__INSTRUCTION_ERROR__CUSTOM,
  SOLANA_ERROR__JSON_RPC__METHOD_NOT_FOUND,
  SOLANA_ERROR__JSON_RPC__SERVER_ERROR_BLOCK_NOT_AVAILABLE,
  SOLANA_ERROR__JSON_RPC__SERVER_ERROR_MIN_CONTEXT_SLOT_NOT_REACHED,
  SOLANA_ERROR__JSON_RPC__SERVER_ERROR_NO_SNAPSHOT,
  SOLANA_ERROR__JSON_RPC__SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE,
  SOLANA_ERROR__JSON_RPC__SERVER_ERROR_UNSUPPORTED_TRANSACTION_VERSION,
  type SolanaRpcApi,
  type SolanaRpcSubscriptionsApi,
  type SolanaRpcSubscriptionsApiUnstable,
  sendAndConfirmDurableNonceTransactionFactory,
  sendAndConfirmTransactionFactory,
  setTransactionMessageFeePayerSigner,
  setTransactionMessageLifetimeUsingBlockhash,
  setTransactionMessageLifetimeUsingDurableNonce,
  signTransactionMessageWithSigners
} from '@solana/kit'
import {
  Keypair,
  NONCE_ACCOUNT_LENGTH,
  NonceAccount,
  PublicKey,
  SystemProgram,
  sendAndConfirmTransaction,
  Transaction
} from '@solana/web3.js'
import { expect } from 'chai'
import { eventually, type Fixture, failureOf, startK2 } from './support.ts'

const SYSTEM = address('11111111111111111111111111111111')
const CLOCK = address('SysvarC1ock11111111111111111111111111111111')

/** Each value as the name of its type, for a test of a whole shape at once; of a list, what its items have in common. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) {
    return [...new Map(value.map((item) => [JSON.stringify(shape(item)), shape(item)])).values()]
  }
  return value === null
    ? 'null'
    : typeof value === 'object'
      ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shape(item)]))
      : typeof value
}

function transferOf(from: KeyPairSigner, to: Address, lamports: bigint): Instruction {
  const data = Buffer.alloc(12)
  data.writeUInt32LE(2)
  data.writeBigUInt64LE(lamports, 4)
  const accounts = [
    { address: from.address, role: 3, signer: from },
    { address: to, role: 1 }
  ]
  return { programAddress: SYSTEM, accounts, data }
}

describe('local K2: @solana/kit, unmodified', () => {
  let f: Fixture
  let rpc: Rpc<SolanaRpcApi>
  let alice: KeyPairSigner
  const bob = address(Keypair.generate().publicKey.toBase58())
  let slot: bigint
  let signature: Signature

  const message = async (instructions: Instruction[]) => {
    const { value: blockhash } = await rpc.getLatestBlockhash().send()
    return pipe(
      createTransactionMessage({ version: 0 }),
      (m) => setTransactionMessageFeePayerSigner(alice, m),
      (m) => setTransactionMessageLifetimeUsingBlockhash(blockhash, m),
      (m) => appendTransactionMessageInstructions(instructions, m)
    )
  }
  const wire = async (instructions: Instruction[]) => {
    const transaction = await signTransactionMessageWithSigners(await message(instructions))
    return { text: getBase64EncodedWireTransaction(transaction), signature: getSignatureFromTransaction(transaction) }
  }

  before(async () => {
    f = await startK2()
    rpc = createSolanaRpc(f.k2.url)
    alice = await createKeyPairSignerFromBytes((await f.funded(5_000_000_000)).secretKey)
    const sent = await wire([transferOf(alice, bob, 3_000_000n)])
    signature = await rpc.sendTransaction(sent.text, { encoding: 'base64' }).send()
    expect(signature).to.equal(sent.signature)
    slot = BigInt(f.k2.slot())
    f.slots(3)
  })
  after(() => f.close())

  const account = { data: ['string'], executable: 'boolean', lamports: 'bigint', owner: 'string', rentEpoch: 'bigint', space: 'bigint' }
  const context = { apiVersion: 'string', slot: 'bigint' }
  const of = (value: unknown) => ({ context, value })
  const token = { amount: 'string', decimals: 'number', uiAmount: 'number', uiAmountString: 'string' }
  const balances = { preBalances: ['bigint'], postBalances: ['bigint'], preTokenBalances: [], postTokenBalances: [] }
  const meta = {
    ...balances,
    computeUnitsConsumed: 'bigint',
    err: 'null',
    fee: 'bigint',
    innerInstructions: [],
    loadedAddresses: { readonly: [], writable: [] },
    logMessages: ['string'],
    rewards: [],
    status: { Ok: 'null' }
  }
  const block = {
    blockHeight: 'bigint',
    blockTime: 'bigint',
    blockhash: 'string',
    parentSlot: 'bigint',
    previousBlockhash: 'string',
    rewards: []
  }
  const noMint = { code: -32602 }

  /** Every method that kit knows: the compiler asks for those that are missing. What it gives, or how it fails. */
  const table: {
    [M in keyof SolanaRpcApi]: [call: () => Promise<unknown>, expected: unknown] | [call: () => Promise<unknown>, 'fails', code: object]
  } = {
    getAccountInfo: [() => rpc.getAccountInfo(alice.address, { encoding: 'base64' }).send(), of(account)],
    getAgGenesisCert: [() => rpc.getAgGenesisCert().send(), 'null'],
    getBalance: [() => rpc.getBalance(bob).send(), of('bigint')],
    getBlock: [
      () => rpc.getBlock(slot, { maxSupportedTransactionVersion: 0, encoding: 'json' }).send(),
      {
        ...block,
        transactions: [
          {
            meta,
            transaction: {
              message: {
                accountKeys: ['string'],
                addressTableLookups: [],
                header: { numReadonlySignedAccounts: 'number', numReadonlyUnsignedAccounts: 'number', numRequiredSignatures: 'number' },
                instructions: [{ accounts: ['number'], data: 'string', programIdIndex: 'number', stackHeight: 'number' }],
                recentBlockhash: 'string'
              },
              signatures: ['string']
            },
            version: 'number'
          }
        ]
      }
    ],
    getBlockCommitment: [() => rpc.getBlockCommitment(slot).send(), { commitment: ['bigint'], totalStake: 'bigint' }],
    getBlockHeight: [() => rpc.getBlockHeight().send(), 'bigint'],
    getBlockProduction: [
      async () => {
        const { value } = await rpc.getBlockProduction().send()
        return { ...value, byIdentity: Object.values(value.byIdentity) }
      },
      { byIdentity: [['bigint']], range: { firstSlot: 'bigint', lastSlot: 'bigint' } }
    ],
    getBlockTime: [() => rpc.getBlockTime(slot).send(), 'bigint'],
    getBlocks: [() => rpc.getBlocks(0n, slot).send(), ['bigint']],
    getBlocksWithLimit: [() => rpc.getBlocksWithLimit(0n, 2).send(), ['bigint']],
    getClusterNodes: [
      () => rpc.getClusterNodes().send(),
      [
        {
          clientId: 'null',
          featureSet: 'number',
          gossip: 'null',
          pubkey: 'string',
          pubsub: 'string',
          rpc: 'string',
          serveRepair: 'null',
          shredVersion: 'null',
          tpu: 'null',
          tpuForwards: 'null',
          tpuForwardsQuic: 'null',
          tpuQuic: 'null',
          tpuVote: 'null',
          tvu: 'null',
          version: 'string'
        }
      ]
    ],
    getEpochInfo: [
      () => rpc.getEpochInfo().send(),
      {
        absoluteSlot: 'bigint',
        blockHeight: 'bigint',
        epoch: 'bigint',
        slotIndex: 'bigint',
        slotsInEpoch: 'bigint',
        transactionCount: 'bigint'
      }
    ],
    getEpochSchedule: [
      () => rpc.getEpochSchedule().send(),
      {
        firstNormalEpoch: 'bigint',
        firstNormalSlot: 'bigint',
        leaderScheduleSlotOffset: 'bigint',
        slotsPerEpoch: 'bigint',
        warmup: 'boolean'
      }
    ],
    getFeeForMessage: [
      async () => {
        const transaction = await signTransactionMessageWithSigners(await message([transferOf(alice, bob, 1n)]))
        return await rpc.getFeeForMessage(Buffer.from(transaction.messageBytes).toString('base64') as never).send()
      },
      of('bigint')
    ],
    getFirstAvailableBlock: [() => rpc.getFirstAvailableBlock().send(), 'bigint'],
    getGenesisHash: [() => rpc.getGenesisHash().send(), 'string'],
    getHealth: [() => rpc.getHealth().send(), 'string'],
    getHighestSnapshotSlot: [
      () => rpc.getHighestSnapshotSlot().send(),
      'fails',
      { code: SOLANA_ERROR__JSON_RPC__SERVER_ERROR_NO_SNAPSHOT }
    ],
    getIdentity: [() => rpc.getIdentity().send(), { identity: 'string' }],
    getInflationGovernor: [
      () => rpc.getInflationGovernor().send(),
      { foundation: 'number', foundationTerm: 'number', initial: 'number', taper: 'number', terminal: 'number' }
    ],
    getInflationRate: [
      () => rpc.getInflationRate().send(),
      { epoch: 'bigint', foundation: 'number', total: 'number', validator: 'number' }
    ],
    getInflationReward: [() => rpc.getInflationReward([bob]).send(), ['null']],
    getLargestAccounts: [() => rpc.getLargestAccounts().send(), of([{ address: 'string', lamports: 'bigint' }])],
    getLatestBlockhash: [() => rpc.getLatestBlockhash().send(), of({ blockhash: 'string', lastValidBlockHeight: 'bigint' })],
    // the whole of it, 432,000 slots, takes kit seconds to read
    getLeaderSchedule: [() => rpc.getLeaderSchedule(null, { identity: bob }).send(), {}],
    getMaxRetransmitSlot: [() => rpc.getMaxRetransmitSlot().send(), 'bigint'],
    getMaxShredInsertSlot: [() => rpc.getMaxShredInsertSlot().send(), 'bigint'],
    getMinimumBalanceForRentExemption: [() => rpc.getMinimumBalanceForRentExemption(10n).send(), 'bigint'],
    getMultipleAccounts: [() => rpc.getMultipleAccounts([bob, SYSTEM], { encoding: 'base64' }).send(), of([account])],
    getProgramAccounts: [() => rpc.getProgramAccounts(SYSTEM, { encoding: 'base64' }).send(), [{ account, pubkey: 'string' }]],
    getRecentPerformanceSamples: [() => rpc.getRecentPerformanceSamples(2).send(), []],
    getRecentPrioritizationFees: [() => rpc.getRecentPrioritizationFees([bob]).send(), [{ prioritizationFee: 'bigint', slot: 'bigint' }]],
    getSignatureStatuses: [
      () => rpc.getSignatureStatuses([signature]).send(),
      of([{ confirmationStatus: 'string', confirmations: 'null', err: 'null', slot: 'bigint', status: { Ok: 'null' } }])
    ],
    getSignaturesForAddress: [
      () => rpc.getSignaturesForAddress(bob).send(),
      [
        {
          blockTime: 'bigint',
          confirmationStatus: 'string',
          err: 'null',
          memo: 'null',
          signature: 'string',
          slot: 'bigint',
          transactionIndex: 'number'
        }
      ]
    ],
    getSlot: [() => rpc.getSlot().send(), 'bigint'],
    getSlotLeader: [() => rpc.getSlotLeader().send(), 'string'],
    getSlotLeaders: [() => rpc.getSlotLeaders(slot, 3).send(), ['string']],
    getStakeMinimumDelegation: [() => rpc.getStakeMinimumDelegation().send(), of('bigint')],
    getSupply: [
      () => rpc.getSupply().send(),
      of({ circulating: 'bigint', nonCirculating: 'bigint', nonCirculatingAccounts: [], total: 'bigint' })
    ],
    getTokenAccountBalance: [() => rpc.getTokenAccountBalance(bob).send(), 'fails', { code: -32602 }],
    getTokenAccountsByDelegate: [
      () => rpc.getTokenAccountsByDelegate(bob, { mint: NATIVE_MINT }, { encoding: 'jsonParsed' }).send(),
      of([])
    ],
    getTokenAccountsByOwner: [() => rpc.getTokenAccountsByOwner(bob, { mint: NATIVE_MINT }, { encoding: 'jsonParsed' }).send(), of([])],
    getTokenLargestAccounts: [() => rpc.getTokenLargestAccounts(bob).send(), 'fails', noMint],
    getTokenSupply: [() => rpc.getTokenSupply(NATIVE_MINT).send(), of(token)],
    getTransaction: [
      () => rpc.getTransaction(signature, { maxSupportedTransactionVersion: 0, encoding: 'base64' }).send(),
      { blockTime: 'bigint', meta, slot: 'bigint', transaction: ['string'], version: 'number' }
    ],
    getTransactionCount: [() => rpc.getTransactionCount().send(), 'bigint'],
    // not a method of Solana's own nodes but of some providers'
    getTransactionsForAddress: [
      () => rpc.getTransactionsForAddress(bob, { transactionDetails: 'signatures' }).send(),
      'fails',
      { code: SOLANA_ERROR__JSON_RPC__METHOD_NOT_FOUND }
    ],
    getVersion: [() => rpc.getVersion().send(), { 'feature-set': 'number', 'solana-core': 'string' }],
    getVoteAccounts: [() => rpc.getVoteAccounts().send(), { current: [], delinquent: [] }],
    isBlockhashValid: [async () => rpc.isBlockhashValid(await latest()).send(), of('boolean')],
    minimumLedgerSlot: [() => rpc.minimumLedgerSlot().send(), 'bigint'],
    requestAirdrop: [() => rpc.requestAirdrop(bob, 1_000_000n as never).send(), 'string'],
    sendTransaction: [
      async () => rpc.sendTransaction((await wire([transferOf(alice, bob, 4_000_000n)])).text, { encoding: 'base64' }).send(),
      'string'
    ],
    simulateTransaction: [
      async () =>
        rpc
          .simulateTransaction((await wire([transferOf(alice, bob, 5_000_000n)])).text, {
            encoding: 'base64',
            replaceRecentBlockhash: true,
            innerInstructions: true,
            accounts: { addresses: [bob, CLOCK], encoding: 'base64' }
          })
          .send(),
      of({
        ...balances,
        accounts: [account],
        err: 'null',
        fee: 'bigint',
        innerInstructions: [],
        loadedAccountsDataSize: 'number',
        loadedAddresses: { readonly: [], writable: [] },
        logs: ['string'],
        replacementBlockhash: { blockhash: 'string', lastValidBlockHeight: 'bigint' },
        returnData: 'null',
        unitsConsumed: 'bigint'
      })
    ]
  }
  const NATIVE_MINT = address('So11111111111111111111111111111111111111112')
  const latest = async () => (await rpc.getLatestBlockhash().send()).value.blockhash

  for (const [name, [call, expected, code]] of Object.entries(table)) {
    it(`${name} ${code === undefined ? 'has its shape' : 'fails as on Solana'}`, async () => {
      if (code === undefined) {
        expect(shape(await call())).to.deep.equal(expected)
      } else {
        expect((await failureOf(call())).context).to.deep.include({ __code: (code as { code: number }).code })
      }
    })
  }
})

describe('local K2: @solana/kit, sending, waiting and being told', () => {
  let f: Fixture
  let rpc: Rpc<SolanaRpcApi>
  let rpcSubscriptions: RpcSubscriptions<SolanaRpcSubscriptionsApi & SolanaRpcSubscriptionsApiUnstable>
  let alice: KeyPairSigner
  let ended: AbortController
  const newAddress = () => address(Keypair.generate().publicKey.toBase58())

  const build = async (instructions: Instruction[]) => {
    const { value: blockhash } = await rpc.getLatestBlockhash().send()
    return pipe(
      createTransactionMessage({ version: 0 }),
      (m) => setTransactionMessageFeePayerSigner(alice, m),
      (m) => setTransactionMessageLifetimeUsingBlockhash(blockhash, m),
      (m) => appendTransactionMessageInstructions(instructions, m)
    )
  }
  const send = async (instructions: Instruction[]) => {
    const transaction = await signTransactionMessageWithSigners(await build(instructions))
    await sendAndConfirmTransactionFactory({ rpc, rpcSubscriptions })(transaction as never, { commitment: 'confirmed' })
    return getSignatureFromTransaction(transaction)
  }
  /** The first `count` that `subscription` tells once `act` is done. */
  const hear = async <T>(subscription: PendingRpcSubscriptionsRequest<T>, count: number, act: () => unknown = () => {}): Promise<T[]> => {
    const told = (await subscription.subscribe({ abortSignal: ended.signal }))[Symbol.asyncIterator]()
    // what comes before anybody asks for it is lost
    let next = told.next()
    await act()
    const heard: T[] = []
    for (;;) {
      const { done, value } = await next
      if (done === true) {
        throw new Error('it ended early')
      }
      heard.push(value)
      if (heard.length === count) {
        return heard
      }
      next = told.next()
    }
  }

  before(async () => {
    f = await startK2({ ticking: true, slotMs: 30 })
    rpc = createSolanaRpc(f.k2.url)
    rpcSubscriptions = createSolanaRpcSubscriptions_UNSTABLE(f.k2.wsUrl as never)
    ended = new AbortController()
    const pair = Keypair.generate()
    alice = await createKeyPairSignerFromBytes(pair.secretKey)
    await f.connection.confirmTransaction(await f.connection.requestAirdrop(pair.publicKey, 50_000_000_000))
  })
  after(async () => {
    ended.abort()
    await f.close()
  })

  it('sends and confirms, over HTTP and WebSocket', async () => {
    const bob = newAddress()
    const signature = await send([transferOf(alice, bob, 2_000_000n)])
    expect((await rpc.getBalance(bob, { commitment: 'confirmed' }).send()).value).to.equal(2_000_000n)
    const read = await rpc.getTransaction(signature, { encoding: 'jsonParsed', maxSupportedTransactionVersion: 0 }).send()
    expect(read!.transaction.message.instructions).to.deep.equal([
      {
        parsed: { info: { destination: bob, lamports: 2_000_000n, source: alice.address }, type: 'transfer' },
        program: 'system',
        programId: SYSTEM,
        stackHeight: 1
      }
    ])
    expect(read!.version).to.equal(0)
  })

  it('estimates what a transaction needs, to the byte', async () => {
    const message = await build([transferOf(alice, newAddress(), 2_000_000n)])
    const estimate = await estimateResourceLimitsFactory({ rpc })(message)
    expect(estimate.computeUnitLimit).to.be.within(150, 1000)
    const limit = (bytes: number): Instruction => {
      const data = Buffer.alloc(5, 4)
      data.writeUInt32LE(bytes, 1)
      return { programAddress: address('ComputeBudget111111111111111111111111111111'), data }
    }
    const tried = async (bytes: number) => {
      const transaction = await signTransactionMessageWithSigners(await build([transferOf(alice, newAddress(), 2_000_000n), limit(bytes)]))
      return (await rpc.simulateTransaction(getBase64EncodedWireTransaction(transaction), { encoding: 'base64' }).send()).value
    }
    const { loadedAccountsDataSize: needed } = await tried(10_000)
    expect(needed).to.equal(estimate.loadedAccountsDataSizeLimit)
    expect((await tried(needed!)).err).to.equal(null)
    expect((await tried(needed! - 1)).err).to.equal('MaxLoadedAccountsDataSizeExceeded')
  })

  it('understands the errors', async () => {
    const tooMuch = await failureOf(send([transferOf(alice, newAddress(), 900_000_000_000n)]))
    expect(isSolanaError(tooMuch, SOLANA_ERROR__JSON_RPC__SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE)).to.equal(true)
    expect(isSolanaError(tooMuch.cause, SOLANA_ERROR__INSTRUCTION_ERROR__CUSTOM)).to.equal(true)
    expect(tooMuch.cause.context).to.include({ code: 1, index: 0 })
    expect(tooMuch.context.logs.at(-1)).to.contain('failed: custom program error: 0x1')
    expect(tooMuch.context).to.include.keys('accounts', 'unitsConsumed', 'returnData', 'fee', 'loadedAddresses', 'replacementBlockhash')
    const signature = await send([transferOf(alice, newAddress(), 2_000_000n)])
    const unread = await failureOf(rpc.getTransaction(signature, { encoding: 'json' }).send())
    expect(isSolanaError(unread, SOLANA_ERROR__JSON_RPC__SERVER_ERROR_UNSUPPORTED_TRANSACTION_VERSION)).to.equal(true)
    const future = await failureOf(rpc.getBlock(10n ** 9n, { maxSupportedTransactionVersion: 0 }).send())
    expect(isSolanaError(future, SOLANA_ERROR__JSON_RPC__SERVER_ERROR_BLOCK_NOT_AVAILABLE)).to.equal(true)
    const early = await failureOf(rpc.getEpochInfo({ minContextSlot: 10n ** 9n }).send())
    expect(isSolanaError(early, SOLANA_ERROR__JSON_RPC__SERVER_ERROR_MIN_CONTEXT_SLOT_NOT_REACHED)).to.equal(true)
    expect(early.context.contextSlot).to.be.a('bigint')
  })

  it('hears of accounts, programs, logs and signatures', async () => {
    const bob = newAddress()
    const pay = () => send([transferOf(alice, bob, 2_000_000n)])
    const settings = { commitment: 'confirmed', encoding: 'jsonParsed' } as const
    const [[account], [program], [logs]] = await Promise.all([
      hear(rpcSubscriptions.accountNotifications(bob, settings), 1),
      hear(rpcSubscriptions.programNotifications(SYSTEM, { ...settings, filters: [{ dataSize: 0n }] }), 1),
      hear(rpcSubscriptions.logsNotifications({ mentions: [bob] }, { commitment: 'confirmed' }), 1, pay)
    ])
    // there is no parser for an account without data
    expect(account!.value).to.deep.equal({
      data: ['', 'base64'],
      executable: false,
      lamports: 2_000_000n,
      owner: SYSTEM,
      rentEpoch: 2n ** 64n - 1n,
      space: 0n
    })
    expect([alice.address, bob]).to.include(program!.value.pubkey)
    expect(shape(program!.value.account)).to.deep.equal(shape(account!.value))
    expect(shape(logs!.value)).to.deep.equal({ err: 'null', logs: ['string'], signature: 'string' })
    const transaction = await signTransactionMessageWithSigners(await build([transferOf(alice, bob, 2_000_001n)]))
    const received = await hear(
      rpcSubscriptions.signatureNotifications(getSignatureFromTransaction(transaction), {
        commitment: 'confirmed',
        enableReceivedNotification: true
      }),
      2,
      () => rpc.sendTransaction(getBase64EncodedWireTransaction(transaction), { encoding: 'base64' }).send()
    )
    expect(received.map(({ value }) => value)).to.deep.equal(['receivedSignature', { err: null }])
    const [clock] = await hear(rpcSubscriptions.accountNotifications(CLOCK, settings), 1)
    expect((clock!.value.data as { parsed: { info: { slot: bigint } } }).parsed.info.slot).to.equal(clock!.context.slot)
  })

  it('hears of slots, of roots, of what becomes of a slot and of whole blocks', async () => {
    const slots = await hear(rpcSubscriptions.slotNotifications(), 2)
    expect(slots[1]).to.deep.equal({ parent: slots[0]!.slot, root: slots[0]!.slot, slot: slots[0]!.slot + 1n })
    const roots = await hear(rpcSubscriptions.rootNotifications(), 2)
    expect(roots[1]).to.equal(roots[0]! + 1n)
    const updates: Array<{ type: string }> = await hear(rpcSubscriptions.slotsUpdatesNotifications(), 10)
    expect(new Set(updates.map(({ type }) => type))).to.deep.equal(
      new Set(['completed', 'frozen', 'optimisticConfirmation', 'root', 'createdBank'])
    )
    expect(shape(updates.find(({ type }) => type === 'frozen'))).to.deep.equal({
      slot: 'bigint',
      stats: {
        maxTransactionsPerEntry: 'bigint',
        numFailedTransactions: 'bigint',
        numSuccessfulTransactions: 'bigint',
        numTransactionEntries: 'bigint'
      },
      timestamp: 'bigint',
      type: 'string'
    })
    expect(shape(updates.find(({ type }) => type === 'createdBank'))).to.deep.equal({
      parent: 'bigint',
      slot: 'bigint',
      timestamp: 'bigint',
      type: 'string'
    })
    const bob = newAddress()
    const [block] = await hear(
      rpcSubscriptions.blockNotifications(
        { mentionsAccountOrProgram: bob },
        {
          commitment: 'confirmed',
          encoding: 'jsonParsed',
          maxSupportedTransactionVersion: 0,
          showRewards: false,
          transactionDetails: 'full'
        }
      ),
      1,
      () => send([transferOf(alice, bob, 2_000_000n)])
    )
    expect(block!.value).to.include({ err: null, slot: block!.context.slot })
    expect(block!.value.block).to.not.have.property('rewards')
    expect(block!.value.block!.transactions).to.have.length(1)
    // who does not say which versions it reads is told that there is one that it does not
    const [unread] = await hear(
      rpcSubscriptions.blockNotifications({ mentionsAccountOrProgram: bob }, { transactionDetails: 'full' }),
      1,
      () => send([transferOf(alice, bob, 2_000_001n)])
    )
    expect(unread!.value).to.deep.include({ block: null, err: { UnsupportedTransactionVersion: 0n } })
  })

  it('refuses to subscribe to votes, of which there are none', async () => {
    expect((await failureOf(rpcSubscriptions.voteNotifications().subscribe({ abortSignal: ended.signal }))).context.__code).to.equal(
      SOLANA_ERROR__JSON_RPC__METHOD_NOT_FOUND
    )
  })

  it('lives by a durable nonce', async () => {
    const { nonce, pair } = await makeNonce(f, alice.address)
    const bob = newAddress()
    const message = pipe(
      createTransactionMessage({ version: 0 }),
      (m) => setTransactionMessageFeePayerSigner(alice, m),
      (m) =>
        setTransactionMessageLifetimeUsingDurableNonce(
          { nonce: nonce as Nonce, nonceAccountAddress: address(pair.publicKey.toBase58()), nonceAuthorityAddress: alice.address },
          m
        ),
      (m) => appendTransactionMessageInstructions([transferOf(alice, bob, 2_000_000n)], m)
    )
    const transaction = await signTransactionMessageWithSigners(message)
    await sendAndConfirmDurableNonceTransactionFactory({ rpc, rpcSubscriptions })(transaction as never, { commitment: 'confirmed' })
    expect((await rpc.getBalance(bob).send()).value).to.equal(2_000_000n)
    const again = await failureOf(rpc.sendTransaction(getBase64EncodedWireTransaction(transaction), { encoding: 'base64' }).send())
    expect(isSolanaError(again, SOLANA_ERROR__JSON_RPC__SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE)).to.equal(true)
    expect((await rpc.getBalance(bob).send()).value).to.equal(2_000_000n)
  })

  /** A nonce account of `authority`, made with web3.js. */
  async function makeNonce(fixture: Fixture, authority: Address) {
    const payer = Keypair.generate()
    await fixture.connection.confirmTransaction(await fixture.connection.requestAirdrop(payer.publicKey, 1_000_000_000))
    const pair = Keypair.generate()
    const lamports = await fixture.connection.getMinimumBalanceForRentExemption(NONCE_ACCOUNT_LENGTH)
    const create = SystemProgram.createNonceAccount({
      fromPubkey: payer.publicKey,
      noncePubkey: pair.publicKey,
      authorizedPubkey: new PublicKey(authority),
      lamports
    })
    await sendAndConfirmTransaction(fixture.connection, new Transaction().add(create), [payer, pair])
    // a nonce may be used from the next block on
    const from = await fixture.connection.getSlot('processed')
    await eventually('the next slot', async () => ((await fixture.connection.getSlot('processed')) > from ? true : undefined))
    const { data } = (await fixture.connection.getAccountInfo(pair.publicKey))!
    return { pair, nonce: NonceAccount.fromAccountData(data).nonce }
  }
})
