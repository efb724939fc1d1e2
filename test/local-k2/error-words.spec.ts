import { readFileSync } from 'node:fs'
import { ComputeBudgetProgram, Keypair, SystemProgram, Transaction } from '@solana/web3.js'
import { expect } from 'chai'
import { describeTransactionError } from '../../src/local-k2/transaction-error.ts'
import { type Fixture, startK2 } from './support.ts'

// as `impl Display` has them in the crates solana-transaction-error and solana-instruction-error
const OF_TRANSACTIONS = `
  AccountInUse | Account in use
  AccountLoadedTwice | Account loaded twice
  AccountNotFound | Attempt to debit an account but found no record of a prior credit.
  ProgramAccountNotFound | Attempt to load a program that does not exist
  InsufficientFundsForFee | Insufficient funds for fee
  InvalidAccountForFee | This account may not be used to pay transaction fees
  AlreadyProcessed | This transaction has already been processed
  BlockhashNotFound | Blockhash not found
  CallChainTooDeep | Loader call chain is too deep
  MissingSignatureForFee | Transaction requires a fee but has no signature present
  InvalidAccountIndex | Transaction contains an invalid account reference
  SignatureFailure | Transaction did not pass signature verification
  InvalidProgramForExecution | This program may not be used for executing instructions
  SanitizeFailure | Transaction failed to sanitize accounts offsets correctly
  ClusterMaintenance | Transactions are currently disabled due to cluster maintenance
  AccountBorrowOutstanding | Transaction processing left an account with an outstanding borrowed reference
  WouldExceedMaxBlockCostLimit | Transaction would exceed max Block Cost Limit
  UnsupportedVersion | Transaction version is unsupported
  InvalidWritableAccount | Transaction loads a writable account that cannot be written
  WouldExceedMaxAccountCostLimit | Transaction would exceed max account limit within the block
  WouldExceedAccountDataBlockLimit | Transaction would exceed account data limit within the block
  TooManyAccountLocks | Transaction locked too many accounts
  AddressLookupTableNotFound | Transaction loads an address table account that doesn't exist
  InvalidAddressLookupTableOwner | Transaction loads an address table account with an invalid owner
  InvalidAddressLookupTableData | Transaction loads an address table account with invalid data
  InvalidAddressLookupTableIndex | Transaction address table lookup uses an invalid index
  InvalidRentPayingAccount | Transaction leaves an account with a lower balance than rent-exempt minimum
  WouldExceedMaxVoteCostLimit | Transaction would exceed max Vote Cost Limit
  WouldExceedAccountDataTotalLimit | Transaction would exceed total account data limit
  DuplicateInstruction | Transaction contains a duplicate instruction ({}) that is not allowed
  InsufficientFundsForRent | Transaction results in an account ({}) with insufficient funds for rent
  MaxLoadedAccountsDataSizeExceeded | Transaction exceeded max loaded accounts data size cap
  InvalidLoadedAccountsDataSizeLimit | LoadedAccountsDataSizeLimit set for transaction must be greater than 0.
  ResanitizationNeeded | ResanitizationNeeded
  ProgramExecutionTemporarilyRestricted | Execution of the program referenced by account at index {} is temporarily restricted.
  UnbalancedTransaction | Sum of account balances before and after transaction do not match
  ProgramCacheHitMaxLimit | Program cache hit max limit
  CommitCancelled | CommitCancelled
`
const OF_INSTRUCTIONS = `
  GenericError | generic instruction error
  InvalidArgument | invalid program argument
  InvalidInstructionData | invalid instruction data
  InvalidAccountData | invalid account data for instruction
  AccountDataTooSmall | account data too small for instruction
  InsufficientFunds | insufficient funds for instruction
  IncorrectProgramId | incorrect program id for instruction
  MissingRequiredSignature | missing required signature for instruction
  AccountAlreadyInitialized | instruction requires an uninitialized account
  UninitializedAccount | instruction requires an initialized account
  UnbalancedInstruction | sum of account balances before and after instruction do not match
  ModifiedProgramId | instruction illegally modified the program id of an account
  ExternalAccountLamportSpend | instruction spent from the balance of an account it does not own
  ExternalAccountDataModified | instruction modified data of an account it does not own
  ReadonlyLamportChange | instruction changed the balance of a read-only account
  ReadonlyDataModified | instruction modified data of a read-only account
  DuplicateAccountIndex | instruction contains duplicate accounts
  ExecutableModified | instruction changed executable bit of an account
  RentEpochModified | instruction modified rent epoch of an account
  NotEnoughAccountKeys | insufficient account keys for instruction
  AccountDataSizeChanged | program other than the account's owner changed the size of the account data
  AccountNotExecutable | instruction expected an executable account
  AccountBorrowFailed | instruction tries to borrow reference for an account which is already borrowed
  AccountBorrowOutstanding | instruction left account with an outstanding borrowed reference
  DuplicateAccountOutOfSync | instruction modifications of multiply-passed account differ
  InvalidError | program returned invalid error code
  ExecutableDataModified | instruction changed executable accounts data
  ExecutableLamportChange | instruction changed the balance of an executable account
  ExecutableAccountNotRentExempt | executable accounts must be rent exempt
  UnsupportedProgramId | Unsupported program id
  CallDepth | Cross-program invocation call depth too deep
  MissingAccount | An account required by the instruction is missing
  ReentrancyNotAllowed | Cross-program invocation reentrancy not allowed for this instruction
  MaxSeedLengthExceeded | Length of the seed is too long for address generation
  InvalidSeeds | Provided seeds do not result in a valid address
  InvalidRealloc | Failed to reallocate account data
  ComputationalBudgetExceeded | Computational budget exceeded
  PrivilegeEscalation | Cross-program invocation with unauthorized signer or writable account
  ProgramEnvironmentSetupFailure | Failed to create program execution environment
  ProgramFailedToComplete | Program failed to complete
  ProgramFailedToCompile | Program failed to compile
  Immutable | Account is immutable
  IncorrectAuthority | Incorrect authority provided
  BorshIoError | Failed to serialize or deserialize account data
  AccountNotRentExempt | An account does not have enough lamports to be rent-exempt
  InvalidAccountOwner | Invalid account owner
  ArithmeticOverflow | Program arithmetic overflowed
  UnsupportedSysvar | Unsupported sysvar
  IllegalOwner | Provided owner is not allowed
  MaxAccountsDataAllocationsExceeded | Accounts data allocations exceeded the maximum allowed per transaction
  MaxAccountsExceeded | Max accounts exceeded
  MaxInstructionTraceLengthExceeded | Max instruction trace length exceeded
  BuiltinProgramsMustConsumeComputeUnits | Builtin programs must consume compute units
`

const table = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => line.trim().split(' | ') as [string, string])

/** The names of one of LiteSVM's enums, in their order. */
function variantsOf(name: string): string[] {
  const types = readFileSync(new URL('../../node_modules/litesvm/dist/internal.d.ts', import.meta.url), 'utf8')
  const [, body] = types.match(new RegExp(`enum ${name} \\{([^}]*)\\}`))!
  return [...body!.matchAll(/^\s*(\w+) = (\d+)/gm)].map(([, variant]) => variant!)
}

describe('local K2: the words of every error', () => {
  for (const [name, words] of table(OF_TRANSACTIONS)) {
    it(`of a transaction: ${name}`, () => {
      const about = words.includes('{}') ? (name === 'DuplicateInstruction' ? { [name]: 7 } : { [name]: { account_index: 7 } }) : name
      expect(describeTransactionError(about)).to.equal(words.replace('{}', '7'))
    })
  }

  for (const [name, words] of table(OF_INSTRUCTIONS)) {
    it(`of an instruction: ${name}`, () => {
      expect(describeTransactionError({ InstructionError: [3, name] })).to.equal(`Error processing Instruction 3: ${words}`)
    })
  }

  it('of a program’s own', () => {
    expect(describeTransactionError({ InstructionError: [0, { Custom: 6000 }] })).to.equal(
      'Error processing Instruction 0: custom program error: 0x1770'
    )
  })

  it('has them for whatever the VM may say', () => {
    const known = new Set([...table(OF_TRANSACTIONS), ...table(OF_INSTRUCTIONS)].map(([name]) => name))
    const said = [...variantsOf('TransactionErrorFieldless'), ...variantsOf('InstructionErrorFieldless')]
    expect(said).to.have.length.above(80)
    expect(said.filter((name) => !known.has(name))).to.deep.equal([])
  })
})

describe('local K2: errors in preflight', () => {
  let f: Fixture
  beforeEach(async () => {
    f = await startK2()
  })
  afterEach(() => f.close())

  it('have the words of the error, whether or not a program logged any', async () => {
    const alice = await f.funded(1_000_000_000)
    const { blockhash } = await f.connection.getLatestBlockhash()
    const send = async (...instructions: Parameters<Transaction['add']>) => {
      const transaction = new Transaction({ feePayer: alice.publicKey, recentBlockhash: blockhash }).add(...instructions)
      transaction.sign(alice)
      return (await f.call('sendTransaction', transaction.serialize().toString('base64'), { encoding: 'base64' })).error!
    }
    const pay = SystemProgram.transfer({ fromPubkey: alice.publicKey, toPubkey: Keypair.generate().publicKey, lamports: 1_000_000 })
    const heap = await send(pay, ComputeBudgetProgram.requestHeapFrame({ bytes: 1024 }))
    expect(heap.message).to.equal('Transaction simulation failed: Error processing Instruction 1: invalid instruction data')
    expect(heap.data.err).to.deep.equal({ InstructionError: [1, 'InvalidInstructionData'] })
    // the program logs how it ran out, and the error has words of its own
    const tired = await send(ComputeBudgetProgram.setComputeUnitLimit({ units: 1 }), pay)
    expect(tired.message).to.match(/: Error processing Instruction \d: Computational budget exceeded$/)
  })
})
