/*
 * Every refusal, numbered. They start at 100 so that none can be taken for one of the system program's (0 to 8),
 * which surface in the same place when an inner transfer fails. A number, once released, is never given another
 * meaning. src/k2/settlement/errors.ts and README.md carry the same list; a test compares the three.
 */
#ifndef SETTLEMENT_ERRORS_H
#define SETTLEMENT_ERRORS_H

#include "k2.h"

enum {
  /* the call as a whole */
  UnknownInstructionError = 100, /* no data, or its first byte is no instruction's tag */
  NotBuiltError = 101, /* of revision 1 only: the tag was laid out, and not done yet */
  BadDataLengthError = 102, /* the data is shorter or longer than the instruction's layout */
  BadAccountCountError = 103, /* more or fewer accounts than the instruction takes */
  DuplicateAccountError = 104, /* one account stands in two places that must differ */
  /* one account */
  MissingSignatureError = 105, /* an account that must sign did not */
  NotWritableError = 106, /* an account that the instruction changes is read-only in the transaction */
  WrongOwnerError = 107, /* the account is not this program's: it does not exist or is a look-alike */
  WrongKindError = 108, /* the account is this program's, but of another kind or size */
  WrongVersionError = 109, /* the account has a layout that this program does not know */
  WrongSystemProgramError = 110, /* the account in the system program's place is another */
  /* create task */
  AlreadyInitializedError = 111, /* the account already holds a task */
  NotRentExemptError = 112, /* the task account holds less than the rent exemption of its size */
  BadTimesError = 113, /* the windows do not fit into the round, or one of them is empty or too long */
  StartingSlotTooFarError = 114, /* the starting slot is more than 2^32 slots ahead */
  BadBundleError = 115, /* the bundle's CID is empty or longer than 64 bytes */
  BadMinimumStakeError = 116, /* the minimum stake is 0: a vote without stake would weigh nothing */
  /* money */
  ZeroAmountError = 117, /* nothing to move */
  InsufficientFundsError = 118, /* the payer holds less than the instruction takes */
  OverflowError = 119, /* a sum would pass 2^64 */
  /* stake */
  WrongStakeAddressError = 120, /* not the address derived from "stake", task and staker */
  StakeTooSmallError = 121, /* a first stake below the task's minimum */
  WrongWithdrawAuthorityError = 122, /* zero, or not the one that the stake account names */
  WrongStakingKeyError = 123, /* not the staking key that the stake account names */
  HintTooLongError = 124, /* an address hint of more than 127 bytes */
  HintNotSignedError = 125, /* an address hint that the staking key did not sign */
  WrongTaskError = 126, /* the stake account belongs to another task */
  /* vote */
  VoteTooEarlyError = 127, /* the round in which the cycle is voted on has not begun */
  VoteTooLateError = 128, /* the round in which the cycle is voted on is over */
  AlreadyVotedError = 129, /* this staker has voted on this cycle or a later one */
  NoWeightError = 130, /* the stake does not count in this cycle */
  RewardsShrinkError = 131, /* the total of all rewards is lower than when the tally opened */
  RewardsAboveBountyError = 132, /* the cycle would give out more than its bounty */
  /* claim */
  NothingFinalizedError = 133, /* no cycle is finalized, or the ledger is empty */
  ProofTooLongError = 134, /* more than 24 hashes */
  BadProofError = 135, /* the proof does not lead from these amounts to the finalized root */
  NothingToClaimError = 136, /* the cumulative reward is paid already */
  ClaimAboveRewardsError = 137, /* all claims together would pass the finalized rewards */
  PotTooSmallError = 138, /* the payment would leave the task account below its rent reserve and what was slashed */
  /* update and close task */
  WrongManagerError = 139, /* not the manager that the task names */
  TaskClosedError = 140, /* the task is closed: no money, stake, change, or vote on a cycle that it does not work on */
  BundleChangeTooSoonError = 141, /* the bundle before the present one is still needed by an open cycle */
  CloseTooEarlyError = 142, /* the task is closed, but its last cycle may still be voted on */
  NothingLeftError = 143, /* the pot holds nothing but what stakers may claim */
  /* unstake, withdraw */
  UnstakeTooMuchError = 144, /* more than is staked */
  StakeLockedError = 145, /* before the unlock slot */
  NothingUnstakedError = 146, /* nothing is on its way out */
  TaskOpenError = 147, /* a stake account is given up only when its task is closed and settled */
  StillStakedError = 148, /* a stake account that is given up must have unstaked everything */
  /* vote batch */
  WrongMessageError = 149, /* the signed message has another domain tag, or names another task */
  WrongSysvarError = 150, /* the account in the instructions sysvar's place is another */
  InnerBatchError = 151, /* a batch that another program sends */
  BadEd25519Error = 152, /* the instruction before is not the Ed25519 precompile's, or its offsets are not the canonical ones */
  /* apply slash */
  NothingToSlashError = 153, /* the cumulative slash is applied already, or nothing is left to take it from */
  /* withdraw */
  BadFlagError = 154, /* a flag that is neither 0 nor 1 */
  /* replace staking key */
  KeyChangeTooSoonError = 155, /* the key before the present one is still needed by an open cycle */
  /* create task */
  BadLargestSlashError = 156, /* more than 10,000: the largest slash is a share of a stake in 1 / 10,000 */
  BadBundleNoticeError = 157, /* a notice of 0 or more than 2^16 rounds */
  /* apply slash */
  SlashLimitError = 158 /* this cycle's ledger has taken the largest slash: what is owed waits for the next finalized cycle */
};

/* The name goes to the transaction's log, so that a reader of an explorer needs no table. */
static __attribute__((noinline)) u64 refuse (u64 error, const char *name, u64 length) {
  sol_log_(name, length);
  return error;
}

#define REFUSE(error) return refuse(error, #error, sizeof(#error) - 1)
#define TRY(expression) \
  do { \
    u64 error_ = (expression); \
    if (error_ != 0) { \
      return error_; \
    } \
  } while (0)

#endif
