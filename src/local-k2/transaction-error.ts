import type { FailedTransactionMetadata } from 'litesvm'
import { INSTRUCTION_ERROR_WORDS, TRANSACTION_ERROR_WORDS } from './error-words.ts'

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

/**
 * An error in Solana's words, as in "Transaction simulation failed: ...": those of the error itself, whatever the program logged.
 */
export function describeTransactionError(err: TransactionError): string {
  if (typeof err === 'string') {
    return TRANSACTION_ERROR_WORDS[err] ?? err
  }
  if (Array.isArray(err.InstructionError)) {
    const [index, inner] = err.InstructionError as [number, string | { Custom: number }]
    return `Error processing Instruction ${index}: ${describeInstructionError(inner)}`
  }
  const [name, about] = Object.entries(err)[0] as [string, number | { account_index: number }]
  const position = typeof about === 'number' ? about : about.account_index
  return (TRANSACTION_ERROR_WORDS[name] ?? name).replace('{}', `${position}`)
}

/** An instruction's error in Solana's words, as in a log line "Program ... failed: ...". */
export function describeInstructionError(err: string | { Custom: number }): string {
  return typeof err === 'string' ? (INSTRUCTION_ERROR_WORDS[err] ?? err) : `custom program error: 0x${err.Custom.toString(16)}`
}
