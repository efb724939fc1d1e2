import type { FailedTransactionMetadata } from 'litesvm'

/** Solana's TransactionError as its JSON-RPC writes it: a name, or a name with what it is about. */
export type TransactionError = string | { [name: string]: unknown }

// LiteSVM gives errors without fields as their position in these lists (litesvm dist/internal.d.ts, TransactionErrorFieldless and
// InstructionErrorFieldless); the names are Solana's
const TRANSACTION_ERRORS = [
  ...['AccountInUse', 'AccountLoadedTwice', 'AccountNotFound', 'ProgramAccountNotFound', 'InsufficientFundsForFee', 'InvalidAccountForFee'],
  ...['AlreadyProcessed', 'BlockhashNotFound', 'CallChainTooDeep', 'MissingSignatureForFee', 'InvalidAccountIndex', 'SignatureFailure'],
  ...['InvalidProgramForExecution', 'SanitizeFailure', 'ClusterMaintenance', 'AccountBorrowOutstanding', 'WouldExceedMaxBlockCostLimit'],
  ...['UnsupportedVersion', 'InvalidWritableAccount', 'WouldExceedMaxAccountCostLimit', 'WouldExceedAccountDataBlockLimit'],
  ...['TooManyAccountLocks', 'AddressLookupTableNotFound', 'InvalidAddressLookupTableOwner', 'InvalidAddressLookupTableData'],
  ...['InvalidAddressLookupTableIndex', 'InvalidRentPayingAccount', 'WouldExceedMaxVoteCostLimit', 'WouldExceedAccountDataTotalLimit'],
  ...['MaxLoadedAccountsDataSizeExceeded', 'ResanitizationNeeded', 'InvalidLoadedAccountsDataSizeLimit', 'UnbalancedTransaction'],
  ...['ProgramCacheHitMaxLimit', 'CommitCancelled']
]
const INSTRUCTION_ERRORS = [
  ...['GenericError', 'InvalidArgument', 'InvalidInstructionData', 'InvalidAccountData', 'AccountDataTooSmall', 'InsufficientFunds'],
  ...['IncorrectProgramId', 'MissingRequiredSignature', 'AccountAlreadyInitialized', 'UninitializedAccount', 'UnbalancedInstruction'],
  ...['ModifiedProgramId', 'ExternalAccountLamportSpend', 'ExternalAccountDataModified', 'ReadonlyLamportChange', 'ReadonlyDataModified'],
  ...['DuplicateAccountIndex', 'ExecutableModified', 'RentEpochModified', 'NotEnoughAccountKeys', 'AccountDataSizeChanged'],
  ...['AccountNotExecutable', 'AccountBorrowFailed', 'AccountBorrowOutstanding', 'DuplicateAccountOutOfSync', 'InvalidError'],
  ...['ExecutableDataModified', 'ExecutableLamportChange', 'ExecutableAccountNotRentExempt', 'UnsupportedProgramId', 'CallDepth'],
  ...['MissingAccount', 'ReentrancyNotAllowed', 'MaxSeedLengthExceeded', 'InvalidSeeds', 'InvalidRealloc', 'ComputationalBudgetExceeded'],
  ...['PrivilegeEscalation', 'ProgramEnvironmentSetupFailure', 'ProgramFailedToComplete', 'ProgramFailedToCompile', 'Immutable'],
  ...['IncorrectAuthority', 'AccountNotRentExempt', 'InvalidAccountOwner', 'ArithmeticOverflow', 'UnsupportedSysvar', 'IllegalOwner'],
  ...['MaxAccountsDataAllocationsExceeded', 'MaxAccountsExceeded', 'MaxInstructionTraceLengthExceeded'],
  ...['BuiltinProgramsMustConsumeComputeUnits', 'BorshIoError']
]

/** LiteSVM's error in the shape of Solana's JSON-RPC. */
export function toTransactionError(err: ReturnType<FailedTransactionMetadata['err']>): TransactionError {
  if (typeof err === 'number') {
    return TRANSACTION_ERRORS[err] ?? 'SanitizeFailure'
  }
  const kind = err.constructor.name.replace(/^TransactionError/, '')
  if ('err' in err) {
    const inner = err.err()
    if (typeof inner === 'number') {
      return { InstructionError: [err.index, INSTRUCTION_ERRORS[inner] ?? 'GenericError'] }
    }
    return { InstructionError: [err.index, 'code' in inner ? { Custom: inner.code } : 'BorshIoError'] }
  }
  return 'index' in err ? { [kind]: err.index } : { [kind]: { account_index: err.accountIndex } }
}

// the words that clients look for in messages are Solana's own; an error without an entry is told by its name
const WORDS: Record<string, string> = {
  AccountNotFound: 'Attempt to debit an account but found no record of a prior credit.',
  ProgramAccountNotFound: 'Attempt to load a program that does not exist',
  InsufficientFundsForFee: 'Insufficient funds for fee',
  InvalidAccountForFee: 'This account may not be used to pay transaction fees',
  AlreadyProcessed: 'This transaction has already been processed',
  BlockhashNotFound: 'Blockhash not found',
  SignatureFailure: 'Transaction did not pass signature verification',
  InvalidProgramForExecution: 'This program may not be used for executing instructions',
  SanitizeFailure: 'Transaction failed to sanitize accounts offsets correctly',
  AccountLoadedTwice: 'Account loaded twice',
  AddressLookupTableNotFound: "Transaction loads an address table account that doesn't exist"
}

/**
 * An error in Solana's words, as in "Transaction simulation failed: ...".
 *
 * @param logs the transaction's log: the VM ends it with its own words for an instruction's error
 */
export function describeTransactionError(err: TransactionError, logs: readonly string[]): string {
  if (typeof err === 'string') {
    return WORDS[err] ?? err
  }
  const instruction = err.InstructionError as [number, unknown] | undefined
  if (instruction === undefined) {
    const about = err.InsufficientFundsForRent as { account_index: number } | undefined
    return about === undefined
      ? JSON.stringify(err)
      : `Transaction results in an account (${about.account_index}) with insufficient funds for rent`
  }
  const [index, inner] = instruction
  const custom = typeof inner === 'object' ? (inner as { Custom: number }).Custom : undefined
  const said = logs.at(-1)?.match(/^Program \w+ failed: (.*)$/)?.[1]
  return `Error processing Instruction ${index}: ${custom === undefined ? (said ?? inner) : `custom program error: 0x${custom.toString(16)}`}`
}
