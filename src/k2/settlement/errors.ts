/**
 * The settlement program's refusals by name, and the errors of this layer itself.
 *
 * The numbers are those of protocols/settlement/errors.h; a test holds this table, that file and the spec together.
 */

/** A refusal of the settlement program. `message` names the reason and the next step. */
export class SettlementError extends Error {
  /** as in errors.h */
  readonly code: number
  readonly reason: string
  readonly nextStep: string

  constructor(name: string, code: number, reason: string, nextStep: string) {
    super(`the settlement program refused: ${reason}. ${nextStep} (error ${code})`)
    this.name = name
    this.code = code
    this.reason = reason
    this.nextStep = nextStep
  }
}

/** A class of its own for one refusal, so that callers can ask `instanceof`. */
export interface Refusal {
  new (): SettlementError
  readonly code: number
}

function refusal(name: string, code: number, reason: string, nextStep: string): Refusal {
  const Named = class extends SettlementError {
    static readonly code = code

    constructor() {
      super(name, code, reason, nextStep)
    }
  }
  Object.defineProperty(Named, 'name', { value: name })
  return Named
}

const CLIENT_BUG = 'Build the instruction with a koii-mesh of the same version as the program.'

/** Every refusal, by the name that it has in the log of the transaction. */
export const REFUSALS = {
  UnknownInstructionError: refusal('UnknownInstructionError', 100, 'the data begins with no known tag', CLIENT_BUG),
  NotBuiltError: refusal(
    'NotBuiltError',
    101,
    'the program on this network is of revision 1 and does not do that yet',
    'Deploy the present one.'
  ),
  BadDataLengthError: refusal('BadDataLengthError', 102, 'the data is shorter or longer than its layout', CLIENT_BUG),
  BadAccountCountError: refusal('BadAccountCountError', 103, 'the number of accounts is wrong', CLIENT_BUG),
  DuplicateAccountError: refusal(
    'DuplicateAccountError',
    104,
    'one account stands in two places',
    'Name a different account in each place.'
  ),
  MissingSignatureError: refusal('MissingSignatureError', 105, 'an account that must sign did not', 'Sign with its key and send again.'),
  NotWritableError: refusal('NotWritableError', 106, 'an account that changes is read-only in the transaction', CLIENT_BUG),
  WrongOwnerError: refusal(
    'WrongOwnerError',
    107,
    'an account is not the settlement program’s',
    'Check the task id and the program id: the account does not exist on this network or belongs to another program.'
  ),
  WrongKindError: refusal('WrongKindError', 108, 'an account is of another kind', 'Check that the task is a task and the stake a stake.'),
  WrongVersionError: refusal(
    'WrongVersionError',
    109,
    'an account has a layout that the program does not know',
    'Use the matching program.'
  ),
  WrongSystemProgramError: refusal('WrongSystemProgramError', 110, 'another account stands for the system program', CLIENT_BUG),
  AlreadyInitializedError: refusal('AlreadyInitializedError', 111, 'the account holds a task already', 'Create the task with a fresh key.'),
  NotRentExemptError: refusal(
    'NotRentExemptError',
    112,
    'the task account holds less than its rent exemption',
    'Ask K2 for the rent exemption of the account’s size and create it with that.'
  ),
  BadTimesError: refusal(
    'BadTimesError',
    113,
    'the submission and audit windows do not fit into the round',
    'Choose windows of at least one slot that add up to at most the round, and a round of at most 2^32 slots.'
  ),
  StartingSlotTooFarError: refusal('StartingSlotTooFarError', 114, 'the starting slot is over 2^32 slots ahead', 'Choose an earlier one.'),
  BadBundleError: refusal('BadBundleError', 115, 'the bundle’s CID is empty or over 64 bytes', 'Give a CID of 1 to 64 bytes of text.'),
  BadMinimumStakeError: refusal('BadMinimumStakeError', 116, 'the minimum stake is 0', 'Choose at least 1 ROE.'),
  ZeroAmountError: refusal('ZeroAmountError', 117, 'the amount is 0', 'Give an amount.'),
  InsufficientFundsError: refusal('InsufficientFundsError', 118, 'the payer holds too little', 'Send it KOII and try again.'),
  OverflowError: refusal('OverflowError', 119, 'an amount is too large to add', 'Give a smaller amount.'),
  WrongStakeAddressError: refusal(
    'WrongStakeAddressError',
    120,
    'the stake address is not the one derived from task and staker',
    'Derive it with stakeAddress() from this program, task and staker.'
  ),
  StakeTooSmallError: refusal('StakeTooSmallError', 121, 'the stake is below the task’s minimum', 'Stake at least minStake of the task.'),
  WrongWithdrawAuthorityError: refusal(
    'WrongWithdrawAuthorityError',
    122,
    'the withdraw authority is not the one of the stake, or missing',
    'Read the stake account and name its withdrawAuthority.'
  ),
  WrongStakingKeyError: refusal(
    'WrongStakingKeyError',
    123,
    'the key is not the staking key of the stake',
    'Read the stake account and use its stakingKey.'
  ),
  HintTooLongError: refusal('HintTooLongError', 124, 'the address hint is over 127 bytes', 'Give a shorter multiaddr.'),
  HintNotSignedError: refusal(
    'HintNotSignedError',
    125,
    'the staking key did not sign the address hint',
    'Sign with it, or leave the hint out.'
  ),
  WrongTaskError: refusal('WrongTaskError', 126, 'the stake belongs to another task', 'Derive the stake address from this task.'),
  VoteTooEarlyError: refusal('VoteTooEarlyError', 127, 'the cycle’s voting round has not begun', 'Send the vote again in that round.'),
  VoteTooLateError: refusal(
    'VoteTooLateError',
    128,
    'the cycle’s voting round is over',
    'Nothing can be done: the cycle is skipped by this node.'
  ),
  AlreadyVotedError: refusal('AlreadyVotedError', 129, 'this staker has voted on this cycle', 'Nothing to do: a vote is given once.'),
  NoWeightError: refusal(
    'NoWeightError',
    130,
    'the stake does not count in this cycle',
    'Vote from the cycle after the one it was staked in.'
  ),
  RewardsShrinkError: refusal(
    'RewardsShrinkError',
    131,
    'the total of rewards is below what is finalized',
    'Build the record on the last finalized one.'
  ),
  RewardsAboveBountyError: refusal(
    'RewardsAboveBountyError',
    132,
    'the cycle would give out more than its bounty',
    'Keep the distribution within bountyFor() of the task and cycle.'
  ),
  NothingFinalizedError: refusal('NothingFinalizedError', 133, 'no rewards are finalized yet', 'Claim after the first finalized cycle.'),
  ProofTooLongError: refusal(
    'ProofTooLongError',
    134,
    'the proof has more than 24 hashes',
    'Build it from the ledger of the finalized record.'
  ),
  BadProofError: refusal(
    'BadProofError',
    135,
    'the proof does not lead to the finalized root',
    'Read the task again and build the proof from the ledger of its last finalized record.'
  ),
  NothingToClaimError: refusal('NothingToClaimError', 136, 'all of this reward is paid already', 'Nothing to do.'),
  ClaimAboveRewardsError: refusal(
    'ClaimAboveRewardsError',
    137,
    'all claims together would pass the finalized rewards',
    'The finalized ledger gives out more than its own total: report the record.'
  ),
  PotTooSmallError: refusal(
    'PotTooSmallError',
    138,
    'the pot, without what was slashed, holds less than the reward',
    'Fund the task, then claim again.'
  ),
  WrongManagerError: refusal('WrongManagerError', 139, 'the key is not the task’s manager', 'Sign with the key that created the task.'),
  TaskClosedError: refusal(
    'TaskClosedError',
    140,
    'the task is closed',
    'Nothing can be added to it: claim what is due, unstake and withdraw.'
  ),
  BundleChangeTooSoonError: refusal(
    'BundleChangeTooSoonError',
    141,
    'an open cycle still runs the bundle before the present one',
    'Wait until two rounds have passed since the last change of the bundle.'
  ),
  CloseTooEarlyError: refusal(
    'CloseTooEarlyError',
    142,
    'the task is closed, and its last cycle may still be voted on',
    'Ask again three rounds after it was closed.'
  ),
  NothingLeftError: refusal('NothingLeftError', 143, 'the pot holds nothing but what stakers may claim', 'Nothing to do.'),
  UnstakeTooMuchError: refusal('UnstakeTooMuchError', 144, 'that is more than is staked', 'Ask for at most what the stake account holds.'),
  StakeLockedError: refusal(
    'StakeLockedError',
    145,
    'the stake is locked until its unlock slot',
    'Withdraw from that slot on: the table of the task’s stakes names it.'
  ),
  NothingUnstakedError: refusal('NothingUnstakedError', 146, 'nothing of this stake is on its way out', 'Unstake first.'),
  TaskOpenError: refusal(
    'TaskOpenError',
    147,
    'a stake account is given up only after its task is closed and its last cycle is decided',
    'Withdraw the money without giving up the account.'
  ),
  StillStakedError: refusal('StillStakedError', 148, 'a part of the stake is still staked', 'Unstake all of it first.'),
  WrongMessageError: refusal('WrongMessageError', 149, 'the signed message is no vote in this task', CLIENT_BUG),
  WrongSysvarError: refusal('WrongSysvarError', 150, 'another account stands for the instructions sysvar', CLIENT_BUG),
  InnerBatchError: refusal('InnerBatchError', 151, 'a batch of votes came from another program', 'Send it in a transaction of its own.'),
  BadEd25519Error: refusal(
    'BadEd25519Error',
    152,
    'the instruction before the batch is not the Ed25519 precompile’s with the canonical offsets',
    CLIENT_BUG
  ),
  NothingToSlashError: refusal('NothingToSlashError', 153, 'the slash is applied already, or nothing may be taken', 'Nothing to do.'),
  BadFlagError: refusal('BadFlagError', 154, 'a flag is neither 0 nor 1', CLIENT_BUG),
  KeyChangeTooSoonError: refusal(
    'KeyChangeTooSoonError',
    155,
    'an open cycle still knows the key before the present one',
    'Wait until two rounds have passed since the last change of the key.'
  ),
  BadLargestSlashError: refusal(
    'BadLargestSlashError',
    156,
    'the largest slash is above 10,000, all of a stake',
    'Choose one from 0 to 10,000.'
  ),
  BadBundleNoticeError: refusal(
    'BadBundleNoticeError',
    157,
    'the notice of a new bundle is 0 or more than 65,536 rounds',
    'Choose one from 1 to 65,536.'
  ),
  SlashLimitError: refusal(
    'SlashLimitError',
    158,
    'the last finalized cycle has taken the task’s largest slash from this stake already',
    'Apply what is still owed after the next finalized cycle.'
  )
} satisfies Record<string, Refusal>

/** The name of a refusal. */
export type RefusalName = keyof typeof REFUSALS

const BY_CODE = new Map<number, Refusal>(Object.values(REFUSALS).map((named) => [named.code, named]))

/**
 * The named refusal behind what `@solana/web3.js` v1 gives for a failed transaction, or undefined when something else
 * failed (no connection, too little for fees, another program).
 *
 * @param err - a SendTransactionError; a transaction's `err` (`{ InstructionError: [0, { Custom: 127 }] }`), as in a
 * status, a simulation or `confirmTransaction`; or an error whose message holds one of them
 * @param programId - with logs at hand, only this program's refusals are taken for such
 */
export function settlementError(err: unknown, programId?: string): SettlementError | undefined {
  const code = codeOf(err, programId)
  const Named = code == null ? undefined : BY_CODE.get(code)
  return Named == null ? undefined : new Named()
}

function codeOf(err: unknown, programId: string | undefined): number | undefined {
  if (err instanceof SettlementError) {
    return err.code
  }
  if (typeof err === 'string') {
    const match = /custom program error: 0x([0-9a-f]+)/i.exec(err)
    if (match != null) {
      return Number.parseInt(match[1]!, 16)
    }
    const json = /"Custom"\s*:\s*(\d+)/.exec(err)
    return json == null ? undefined : Number(json[1])
  }
  if (typeof err !== 'object' || err === null) {
    return undefined
  }
  const { InstructionError: instruction, err: inner, value, logs, message } = err as Record<string, unknown>
  if (Array.isArray(logs) && programId != null) {
    // the log says whose error it is: an inner program's numbers may be the same
    const failed = logs
      .map((line) => /^Program (\w+) failed: (custom program error: 0x[0-9a-f]+)/.exec(String(line)))
      .find((match) => match != null)
    if (failed != null) {
      return failed[1] === programId ? codeOf(failed[2], programId) : undefined
    }
  }
  if (Array.isArray(instruction)) {
    const custom = (instruction[1] as { Custom?: unknown } | null)?.Custom
    return typeof custom === 'number' ? custom : undefined
  }
  return codeOf(inner ?? value ?? message, programId)
}

/** An account's data has not the size of its kind. */
export class AccountLengthError extends Error {
  override name = 'AccountLengthError'

  constructor(address: string, kind: string, expected: number, length: number) {
    super(`account ${address} has ${length} bytes, a ${kind} has ${expected}: check the address and the network`)
  }
}

/** An account of the program's is of another kind than asked for. */
export class AccountKindError extends Error {
  override name = 'AccountKindError'

  constructor(address: string, kind: string, found: number) {
    super(`account ${address} is no ${kind} (its kind byte is ${found}): check the address`)
  }
}

/** An account has a layout that this version of the code does not know. */
export class AccountVersionError extends Error {
  override name = 'AccountVersionError'

  constructor(address: string, version: number) {
    super(`account ${address} has layout version ${version}, this software knows 1: install a version that knows it`)
  }
}

/** A field of an account holds what no program writes there. */
export class AccountValueError extends Error {
  override name = 'AccountValueError'

  constructor(address: string, field: string, value: bigint | number) {
    super(`account ${address}: ${field} is ${value}, which is out of range: is it the settlement program's account?`)
  }
}

/** What counted in a cycle cannot be told from the accounts any more. */
export class RingHistoryError extends Error {
  override name = 'RingHistoryError'

  constructor(cycle: number, known: number) {
    super(`cycle ${cycle} lies too far back: the accounts remember from cycle ${known} on; take the value from the cycle's record`)
  }
}

/** An argument of an instruction does not fit its layout. */
export class InstructionArgumentError extends Error {
  override name = 'InstructionArgumentError'

  constructor(argument: string, problem: string) {
    super(`${argument} ${problem}`)
  }
}
