/* A staker's own instructions. The withdraw authority alone takes money out or replaces the staking key. */
#ifndef SETTLEMENT_STAKE_H
#define SETTLEMENT_STAKE_H

#include "accounts.h"
#include "errors.h"
#include "money.h"

static inline void write_hint (Stake *stake, const u8 *hint, u64 length) {
  stake->hintLength = length;
  for (u64 i = 0; i < HINT_BYTES; i++) {
    stake->hint[i] = i < length ? hint[i] : 0;
  }
}

/* the part of the stake instruction that makes the account, signed for by the staker itself */
static __attribute__((noinline)) u64 open_stake (const Call *call, u64 amount, const u64 *authority) {
  Account *task = call->accounts[0];
  Account *account = call->accounts[1];
  Account *staker = call->accounts[2];
  Account *payer = call->accounts[3];
  Account *system = call->accounts[4];
  /* without its signature a stranger could take the address, with himself as withdraw authority */
  TRY(check_signer(staker));
  TRY(check_writable(account));
  if (!zero_key(account->owner)) {
    REFUSE(WrongOwnerError);
  }
  if (zero_key(authority)) {
    REFUSE(WrongWithdrawAuthorityError);
  }
  if (amount < ((Task *)task->data)->minStake) {
    REFUSE(StakeTooSmallError);
  }
  u8 bump = 0;
  u64 address[4];
  Slice seeds[4] = {{"stake", 5}, {task->key, KEY_BYTES}, {staker->key, KEY_BYTES}, {&bump, 1}};
  if (sol_try_find_program_address(seeds, 3, call->program, address, &bump) != 0 || !same_key(address, account->key)) {
    REFUSE(WrongStakeAddressError);
  }
  u64 reserve;
  u64 lamports;
  TRY(rent_exemption(sizeof(Stake), &reserve));
  TRY(add_checked(reserve, amount, &lamports));
  /* all of it, whatever lies there already: what a stranger sent is nobody's stake */
  TRY(transfer(payer, account, system, lamports));
  SignerSeeds signer = {seeds, 4};
  TRY(adopt(call, account, system, sizeof(Stake), &signer));

  Stake *stake = (Stake *)account->data;
  stake->kind = KIND_STAKE;
  stake->version = VERSION;
  stake->bump = bump;
  copy_key(stake->task, task->key);
  copy_key(stake->staker, staker->key);
  copy_key(stake->stakingKey, staker->key);
  copy_key(stake->withdrawAuthority, authority);
  stake->rentReserve = reserve;
  ((Task *)task->data)->stakerCount++;
  return 0;
}

/*
 * accounts  task W, stake W, staking key (S for a first stake or a hint), payer WS (may be the staking key), system program
 * data      tag, amount (u64), withdraw authority(32), length of the address hint (u8), hint
 */
static __attribute__((noinline)) u64 add_stake (const Call *call) {
  if (call->length < 42) {
    REFUSE(BadDataLengthError);
  }
  u64 hintLength = call->data[41];
  TRY(check_shape(call, 5, 42 + hintLength));
  Account *taskAccount = call->accounts[0];
  Account *stakeAccount = call->accounts[1];
  Account *key = call->accounts[2];
  Account *payer = call->accounts[3];
  TRY(check_task(call, taskAccount));
  TRY(check_signer(payer));
  TRY(check_writable(payer));
  TRY(check_system(call->accounts[4]));
  if (hintLength > MAX_HINT) {
    REFUSE(HintTooLongError);
  }
  u64 amount = read64(call->data + 1);
  if (amount == 0) {
    REFUSE(ZeroAmountError);
  }
  u64 authority[4];
  read_key(authority, call->data + 9);
  Task *task = (Task *)taskAccount->data;
  TRY(check_open(task));
  u64 total;
  TRY(add_checked(task->stake.entries[0].value, amount, &total));

  Stake *stake = (Stake *)stakeAccount->data;
  if (!same_key(stakeAccount->owner, call->program)) {
    TRY(open_stake(call, amount, authority));
  } else {
    TRY(check_stake(call, stakeAccount, taskAccount));
    if (!same_key(stake->stakingKey, key->key)) {
      REFUSE(WrongStakingKeyError);
    }
    /* whoever pays names whom he believes he is paying for */
    if (!same_key(stake->withdrawAuthority, authority)) {
      REFUSE(WrongWithdrawAuthorityError);
    }
    if (hintLength != 0 && !key->signer) {
      REFUSE(HintNotSignedError);
    }
    /* no more than the task's total, which was checked */
    if (stake->amount.entries[0].value + amount < task->minStake) {
      REFUSE(StakeTooSmallError);
    }
    TRY(transfer(payer, stakeAccount, call->accounts[4], amount));
  }

  u64 from = effective_cycle(task, current_slot());
  ring_push(&stake->amount, from, stake->amount.entries[0].value + amount);
  ring_push(&task->stake, from, total);
  if (hintLength != 0) {
    write_hint(stake, call->data + 42, hintLength);
  }
  return 0;
}

/* whom the stake account names as withdraw authority, and his signature */
static inline u64 check_authority (const Stake *stake, const Account *authority) {
  if (!same_key(stake->withdrawAuthority, authority->key)) {
    REFUSE(WrongWithdrawAuthorityError);
  }
  return check_signer(authority);
}

/*
 * accounts  task W, stake W, withdraw authority S
 * data      tag, amount (u64)
 */
static __attribute__((noinline)) u64 unstake (const Call *call) {
  TRY(check_shape(call, 3, 9));
  Account *taskAccount = call->accounts[0];
  Account *stakeAccount = call->accounts[1];
  TRY(check_task(call, taskAccount));
  TRY(check_stake(call, stakeAccount, taskAccount));
  Task *task = (Task *)taskAccount->data;
  Stake *stake = (Stake *)stakeAccount->data;
  TRY(check_authority(stake, call->accounts[2]));
  u64 amount = read64(call->data + 1);
  if (amount == 0) {
    REFUSE(ZeroAmountError);
  }
  u64 staked = stake->amount.entries[0].value;
  if (amount > staked) {
    REFUSE(UnstakeTooMuchError);
  }
  /* all of it may always go, however high the manager has set the minimum */
  if (amount != staked && staked - amount < task->minStake) {
    REFUSE(StakeTooSmallError);
  }
  u64 slot = current_slot();
  u64 from = effective_cycle(task, slot);
  ring_push(&stake->amount, from, staked - amount);
  ring_push(&task->stake, from, task->stake.entries[0].value - amount);
  stake->unstaking += amount;
  /*
   * The last cycle that this stake counts in is from - 1; its votes end with round from + 1, and the lock three rounds
   * after. What stays staked goes on voting and locks nothing. Before the first round there is nothing to answer for.
   */
  stake->unlockSlot = slot < task->startingSlot ? slot : task->startingSlot + (from + 5) * task->roundSlots;
  return 0;
}

/*
 * accounts  task W, stake W, withdraw authority WS
 * data      tag, close (u8): 1 gives up the account and its rent too, once the task is closed and settled
 */
static __attribute__((noinline)) u64 withdraw (const Call *call) {
  TRY(check_shape(call, 3, 2));
  Account *taskAccount = call->accounts[0];
  Account *account = call->accounts[1];
  Account *authority = call->accounts[2];
  TRY(check_task(call, taskAccount));
  TRY(check_stake(call, account, taskAccount));
  TRY(check_writable(authority));
  Task *task = (Task *)taskAccount->data;
  Stake *stake = (Stake *)account->data;
  TRY(check_authority(stake, authority));
  if (call->data[1] > 1) {
    REFUSE(BadFlagError);
  }
  u64 slot = current_slot();
  if (slot < stake->unlockSlot) {
    REFUSE(StakeLockedError);
  }
  if (call->data[1] == 0) {
    u64 amount = stake->unstaking;
    if (amount == 0) {
      REFUSE(NothingUnstakedError);
    }
    stake->unstaking = 0;
    return move(account, authority, amount);
  }
  /* an account of an open task could come back without memory of what it had claimed */
  if (!settled(task, slot)) {
    REFUSE(TaskOpenError);
  }
  if (stake->amount.entries[0].value != 0) {
    REFUSE(StillStakedError);
  }
  TRY(move(account, authority, account->lamports));
  task->stakerCount--;
  /* whoever sends lamports here in this transaction gets an empty account of nobody's */
  u64 *words = (u64 *)account->data;
  for (u64 i = 0; i < sizeof(Stake) / 8; i++) {
    words[i] = 0;
  }
  for (int i = 0; i < 4; i++) {
    account->owner[i] = 0;
  }
  return 0;
}

/*
 * accounts  task W, stake W, withdraw authority S, new staking key S
 * data      tag
 *
 * The new key signs too: nobody can hang somebody else's key on a stake of his own. It votes at once, and the old one no
 * more. The mesh, whose members must agree on who speaks in a cycle, knows it from the next cycle on; two keys are
 * remembered, so the one before must be out of use.
 */
static __attribute__((noinline)) u64 replace_staking_key (const Call *call) {
  TRY(check_shape(call, 4, 1));
  Account *taskAccount = call->accounts[0];
  Account *stakeAccount = call->accounts[1];
  Account *key = call->accounts[3];
  TRY(check_task(call, taskAccount));
  TRY(check_stake(call, stakeAccount, taskAccount));
  Stake *stake = (Stake *)stakeAccount->data;
  TRY(check_authority(stake, call->accounts[2]));
  TRY(check_signer(key));
  u64 from = effective_cycle((Task *)taskAccount->data, current_slot());
  if (stake->keyFrom != from) {
    if (stake->keyFrom != 0 && stake->keyFrom + 3 > from) {
      REFUSE(KeyChangeTooSoonError);
    }
    copy_key(stake->formerKey, stake->stakingKey);
    stake->keyFrom = from;
  }
  copy_key(stake->stakingKey, key->key);
  return 0;
}

/*
 * accounts  task W, stake W, staking key S
 * data      tag, length of the address hint (u8), hint
 */
static __attribute__((noinline)) u64 set_address_hint (const Call *call) {
  if (call->length < 2) {
    REFUSE(BadDataLengthError);
  }
  u64 length = call->data[1];
  TRY(check_shape(call, 3, 2 + length));
  Account *taskAccount = call->accounts[0];
  Account *stakeAccount = call->accounts[1];
  Account *key = call->accounts[2];
  TRY(check_task(call, taskAccount));
  TRY(check_stake(call, stakeAccount, taskAccount));
  Stake *stake = (Stake *)stakeAccount->data;
  if (!same_key(stake->stakingKey, key->key)) {
    REFUSE(WrongStakingKeyError);
  }
  TRY(check_signer(key));
  if (length > MAX_HINT) {
    REFUSE(HintTooLongError);
  }
  write_hint(stake, call->data + 2, length);
  return 0;
}

#endif
