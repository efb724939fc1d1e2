/* The manager's instructions, and funding, which is anyone's. None of them can reach a stake. */
#ifndef SETTLEMENT_TASK_H
#define SETTLEMENT_TASK_H

#include "accounts.h"
#include "errors.h"
#include "money.h"

/*
 * accounts  task WS, manager S
 * data      tag, name(32), roundSlots, submissionWindow, auditWindow, startingSlot, bountyPerRound, minStake, largestSlash,
 *           bundleNotice (u64 each), length of the bundle's CID (u8), CID
 */
static __attribute__((noinline)) u64 create_task (const Call *call) {
  if (call->length < 98) {
    REFUSE(BadDataLengthError);
  }
  const u8 *data = call->data;
  u64 cidLength = data[97];
  TRY(check_shape(call, 2, 98 + cidLength));
  Account *account = call->accounts[0];
  Account *manager = call->accounts[1];
  TRY(check_signer(account));
  TRY(check_signer(manager));
  TRY(check_writable(account));
  if (!same_key(account->owner, call->program)) {
    REFUSE(WrongOwnerError);
  }
  if (account->length != sizeof(Task)) {
    REFUSE(WrongKindError);
  }
  Task *task = (Task *)account->data;
  if (task->kind != 0) {
    REFUSE(AlreadyInitializedError);
  }
  u64 reserve;
  TRY(rent_exemption(sizeof(Task), &reserve));
  if (account->lamports < reserve) {
    REFUSE(NotRentExemptError);
  }
  if (cidLength == 0 || cidLength > BUNDLE_BYTES) {
    REFUSE(BadBundleError);
  }
  u64 round = read64(data + 33);
  u64 submission = read64(data + 41);
  u64 audit = read64(data + 49);
  if (round > MAX_ROUND_SLOTS || submission == 0 || audit == 0 || submission > round || audit > round - submission) {
    REFUSE(BadTimesError);
  }
  u64 minStake = read64(data + 73);
  if (minStake == 0) {
    REFUSE(BadMinimumStakeError);
  }
  u64 largestSlash = read64(data + 81);
  if (largestSlash > SLASH_UNITS) {
    REFUSE(BadLargestSlashError);
  }
  u64 notice = read64(data + 89);
  if (notice == 0 || notice > MAX_BUNDLE_NOTICE) {
    REFUSE(BadBundleNoticeError);
  }
  u64 slot = current_slot();
  u64 start = read64(data + 57);
  if (start < slot) {
    start = slot;
  }
  if (start - slot > MAX_ROUND_SLOTS) {
    REFUSE(StartingSlotTooFarError);
  }

  /* the runtime zeroes new accounts, so only what is not 0 is written */
  task->kind = KIND_TASK;
  task->version = VERSION;
  copy_key(task->manager, manager->key);
  for (int i = 0; i < NAME_BYTES; i++) {
    task->name[i] = data[1 + i];
  }
  task->roundSlots = round;
  task->submissionWindow = submission;
  task->auditWindow = audit;
  task->startingSlot = start;
  task->minStake = minStake;
  task->rentReserve = reserve;
  task->bounty.entries[0].value = read64(data + 65);
  task->largestSlash = largestSlash;
  task->bundleNotice = notice;
  task->bundle.length = cidLength;
  for (u64 i = 0; i < cidLength; i++) {
    task->bundle.cid[i] = data[98 + i];
  }
  return 0;
}

/*
 * accounts  task W, payer WS, system program
 * data      tag, amount (u64)
 */
static __attribute__((noinline)) u64 fund_task (const Call *call) {
  TRY(check_shape(call, 3, 9));
  Account *account = call->accounts[0];
  Account *payer = call->accounts[1];
  TRY(check_task(call, account));
  TRY(check_signer(payer));
  TRY(check_writable(payer));
  TRY(check_system(call->accounts[2]));
  u64 amount = read64(call->data + 1);
  if (amount == 0) {
    REFUSE(ZeroAmountError);
  }
  Task *task = (Task *)account->data;
  TRY(check_open(task));
  u64 funded;
  TRY(add_checked(task->funded.entries[0].value, amount, &funded));
  TRY(transfer(payer, account, call->accounts[2], amount));
  ring_push(&task->funded, effective_cycle(task, current_slot()), funded);
  return 0;
}

static inline u64 check_manager (const Task *task, const Account *manager) {
  if (!same_key(task->manager, manager->key)) {
    REFUSE(WrongManagerError);
  }
  return check_signer(manager);
}

/*
 * accounts  task W, manager S
 * data      tag, bountyPerRound, minStake (u64 each), length of the bundle's CID (u8, 0: the bundle stays), CID
 */
static __attribute__((noinline)) u64 update_task (const Call *call) {
  if (call->length < 18) {
    REFUSE(BadDataLengthError);
  }
  const u8 *data = call->data;
  u64 cidLength = data[17];
  TRY(check_shape(call, 2, 18 + cidLength));
  Account *account = call->accounts[0];
  TRY(check_task(call, account));
  Task *task = (Task *)account->data;
  TRY(check_manager(task, call->accounts[1]));
  TRY(check_open(task));
  u64 minStake = read64(data + 9);
  if (minStake == 0) {
    REFUSE(BadMinimumStakeError);
  }
  if (cidLength > BUNDLE_BYTES) {
    REFUSE(BadBundleError);
  }
  u64 next = effective_cycle(task, current_slot());
  /* whoever leaves at the news has its stake out before the bundle is run, if the notice is long enough */
  u64 from = next + bundle_notice(task) - 1;
  Bundle *bundle = &task->bundle;
  /* one that no cycle runs yet gives up its place; the first one, which counts from cycle 0, only to another that does */
  bool pending = bundle->from == from || (bundle->from >= next && bundle->from != 0);
  /* two bundles are remembered, so the one before must be out of use: its last cycle is voted on two rounds after */
  if (cidLength != 0 && !pending && bundle->from != 0 && bundle->from + 3 > next) {
    REFUSE(BundleChangeTooSoonError);
  }

  ring_push(&task->bounty, next, read64(data + 1));
  task->minStake = minStake;
  if (cidLength != 0) {
    if (!pending) {
      task->formerBundle = *bundle;
    }
    bundle->from = from;
    bundle->length = cidLength;
    for (u64 i = 0; i < BUNDLE_BYTES; i++) {
      bundle->cid[i] = i < cidLength ? data[18 + i] : 0;
    }
  }
  return 0;
}

/*
 * accounts  task W, manager WS
 * data      tag
 *
 * The first call ends the work from the next cycle on. After the last cycle's voting, every further call pays the
 * manager what lies in the pot and is nobody's reward. What was slashed never goes to anybody. The account stays for ever, so
 * its address has no second life.
 */
static __attribute__((noinline)) u64 close_task (const Call *call) {
  TRY(check_shape(call, 2, 1));
  Account *account = call->accounts[0];
  Account *manager = call->accounts[1];
  TRY(check_task(call, account));
  TRY(check_writable(manager));
  Task *task = (Task *)account->data;
  TRY(check_manager(task, manager));
  u64 slot = current_slot();
  if (task->closedFrom == 0) {
    u64 from = effective_cycle(task, slot);
    task->closedFrom = from + 1;
    ring_push(&task->bounty, from, 0);
    return 0;
  }
  if (!settled(task, slot)) {
    REFUSE(CloseTooEarlyError);
  }
  /* claimedTotal is never above totalRewards; without a stake account left, nobody can claim */
  u64 kept;
  TRY(add_checked(task->rentReserve, task->slashedTotal, &kept));
  if (task->stakerCount != 0) {
    TRY(add_checked(kept, task->result.totalRewards - task->claimedTotal, &kept));
  }
  if (account->lamports <= kept) {
    REFUSE(NothingLeftError);
  }
  return move(account, manager, account->lamports - kept);
}

#endif
