/* What the finalized ledger gives and takes: anyone may send either, for anyone. */
#ifndef SETTLEMENT_PAYOUT_H
#define SETTLEMENT_PAYOUT_H

#include "accounts.h"
#include "errors.h"
#include "ledger.h"
#include "money.h"

/* the data of both: tag, cumulative reward (u64), cumulative slash (u64), number of hashes (u8), hashes(32 each) */
#define AMOUNTS_AT 1
#define COUNT_AT 17
#define HASHES_AT 18

/* accounts, data, and that the proof leads from this stake's leaf to the finalized root */
static __attribute__((noinline)) u64 check_leaf (const Call *call, u64 accounts) {
  if (call->length < HASHES_AT) {
    REFUSE(BadDataLengthError);
  }
  u64 hashes = call->data[COUNT_AT];
  TRY(check_shape(call, accounts, HASHES_AT + hashes * HASH_BYTES));
  Account *taskAccount = call->accounts[0];
  Account *stakeAccount = call->accounts[1];
  TRY(check_task(call, taskAccount));
  TRY(check_stake(call, stakeAccount, taskAccount));
  const Task *task = (const Task *)taskAccount->data;
  if (task->finalized == 0 || zero_key(task->result.root)) {
    REFUSE(NothingFinalizedError);
  }
  if (hashes > MAX_PROOF) {
    REFUSE(ProofTooLongError);
  }
  u64 hash[4];
  hash_leaf(taskAccount->key, ((const Stake *)stakeAccount->data)->staker, call->data + AMOUNTS_AT, (u8 *)hash);
  for (u64 i = 0; i < hashes; i++) {
    hash_inner((u8 *)hash, call->data + HASHES_AT + i * HASH_BYTES);
  }
  if (!same_key(hash, task->result.root)) {
    REFUSE(BadProofError);
  }
  return 0;
}

/* accounts  task W, stake W, withdraw authority W */
static __attribute__((noinline)) u64 claim (const Call *call) {
  TRY(check_leaf(call, 3));
  Account *taskAccount = call->accounts[0];
  Account *authority = call->accounts[2];
  TRY(check_writable(authority));
  Task *task = (Task *)taskAccount->data;
  Stake *stake = (Stake *)call->accounts[1]->data;
  if (!same_key(stake->withdrawAuthority, authority->key)) {
    REFUSE(WrongWithdrawAuthorityError);
  }
  u64 reward = read64(call->data + AMOUNTS_AT);
  if (reward <= stake->claimedReward) {
    REFUSE(NothingToClaimError);
  }
  u64 due = reward - stake->claimedReward;
  /* claimedTotal is never above totalRewards */
  if (due > task->result.totalRewards - task->claimedTotal) {
    REFUSE(ClaimAboveRewardsError);
  }
  u64 kept;
  TRY(add_checked(task->rentReserve, task->slashedTotal, &kept));
  if (taskAccount->lamports < kept || taskAccount->lamports - kept < due) {
    REFUSE(PotTooSmallError);
  }
  stake->claimedReward = reward;
  task->claimedTotal += due;
  return move(taskAccount, authority, due);
}

/*
 * accounts  task W, stake W
 *
 * Takes from what is staked first and then from what is on its way out: once for each finalized cycle, and never more than
 * the task's largest slash of both. What could not be taken stays owed. The money stays in the task account for ever: it is
 * in no pot, no bounty and nobody's reward, so that nobody gains by a slash.
 */
static __attribute__((noinline)) u64 apply_slash (const Call *call) {
  TRY(check_leaf(call, 2));
  Account *taskAccount = call->accounts[0];
  Account *stakeAccount = call->accounts[1];
  Task *task = (Task *)taskAccount->data;
  Stake *stake = (Stake *)stakeAccount->data;
  u64 slash = read64(call->data + AMOUNTS_AT + 8);
  u64 staked = stake->amount.entries[0].value;
  u64 due = slash <= stake->appliedSlash ? 0 : slash - stake->appliedSlash;
  /* lamports are no fewer than both, so the sum is below 2^64 */
  u64 most = largest_slash(task, staked + stake->unstaking);
  u64 taken = due < most ? due : most;
  if (taken == 0) {
    REFUSE(NothingToSlashError);
  }
  /* one ledger is finalized in a cycle, so one call takes all that it may; whoever calls again would take it twice */
  u32 cycle = (u32)task->finalized;
  if (stake->slashedIn == cycle) {
    REFUSE(SlashLimitError);
  }
  u64 slashed;
  TRY(add_checked(task->slashedTotal, taken, &slashed));
  u64 fromStaked = taken < staked ? taken : staked;
  u64 fromUnstaking = taken - fromStaked;
  u64 from = effective_cycle(task, current_slot());
  if (fromStaked != 0) {
    ring_push(&stake->amount, from, staked - fromStaked);
    ring_push(&task->stake, from, task->stake.entries[0].value - fromStaked);
  }
  stake->unstaking -= fromUnstaking;
  stake->appliedSlash += taken;
  stake->slashedIn = cycle;
  task->slashedTotal = slashed;
  return move(stakeAccount, taskAccount, taken);
}

#endif
