/* Final votes: how they are weighed, and the two ways that they come in. */
#ifndef SETTLEMENT_VOTE_H
#define SETTLEMENT_VOTE_H

#include "accounts.h"
#include "errors.h"
#include "sysvar.h"

/* cycle, root, record digest, total rewards */
#define VOTE_BYTES 80

static inline bool same_result (const Result *a, const Result *b) {
  const u64 *x = (const u64 *)a;
  const u64 *y = (const u64 *)b;
  for (int i = 0; i < RESULT_WORDS; i++) {
    if (x[i] != y[i]) {
      return 0;
    }
  }
  return 1;
}

static inline void copy_result (Result *to, const Result *from) {
  for (int i = 0; i < RESULT_WORDS; i++) {
    ((u64 *)to)[i] = ((const u64 *)from)[i];
  }
}

/*
 * Adds a vote's weight to its result and returns what the result weighs now.
 *
 * A ninth result, with all eight entries taken, is weighed off against all of them: every entry and the newcomer
 * lose what the lightest of the nine weighs (Misra and Gries' way of finding heavy items). So a result that has
 * most of the stake behind it always has its entry, however many others are thrown at the table; its weight here
 * is never more than the truth, and less by at most an eighth of what was voted for other results.
 */
static inline u64 weigh (Task *task, const Result *result, u64 weight) {
  TallyEntry *free = 0;
  u64 cut = weight;
  for (int i = 0; i < TALLY_ENTRIES; i++) {
    TallyEntry *entry = &task->tally[i];
    if (entry->weight == 0) {
      free = entry;
    } else if (same_result(&entry->result, result)) {
      return entry->weight += weight;
    } else if (entry->weight < cut) {
      cut = entry->weight;
    }
  }
  if (free == 0) {
    for (int i = 0; i < TALLY_ENTRIES; i++) {
      TallyEntry *entry = &task->tally[i];
      entry->weight -= cut;
      if (entry->weight == 0) {
        free = entry;
      }
    }
    weight -= cut;
    if (weight == 0) {
      return 0;
    }
  }
  /* an entry is free: what is left of the newcomer was heavier than the lightest, which is 0 now */
  copy_result(&free->result, result);
  free->weight = weight;
  return weight;
}

/* cycle c is voted on in round c + 2, and in no other */
static __attribute__((noinline)) u64 check_window (const Task *task, u64 cycle, u64 slot) {
  u64 round = slot < task->startingSlot ? 0 : (slot - task->startingSlot) / task->roundSlots;
  if (round < 2 || cycle > round - 2) {
    REFUSE(VoteTooEarlyError);
  }
  if (cycle < round - 2) {
    REFUSE(VoteTooLateError);
  }
  if (task->closedFrom != 0 && cycle + 1 >= task->closedFrom) {
    REFUSE(TaskClosedError);
  }
  return 0;
}

/* one stake's vote; `content` is VOTE_BYTES long, its cycle is in its window and this stake has not voted on it */
static __attribute__((noinline)) u64 cast (Task *task, Stake *stake, const u8 *content) {
  u64 cycle = read64(content);
  u64 weight = ring_at(&stake->amount, cycle);
  if (weight == 0) {
    REFUSE(NoWeightError);
  }

  if (task->tallyCycle != cycle + 1) {
    task->tallyCycle = cycle + 1;
    task->baseRewards = task->result.totalRewards;
    for (int i = 0; i < TALLY_ENTRIES; i++) {
      task->tally[i].weight = 0;
    }
  }
  Result result;
  for (int i = 0; i < RESULT_WORDS; i++) {
    ((u64 *)&result)[i] = read64(content + 8 + 8 * i);
  }
  if (result.totalRewards < task->baseRewards) {
    REFUSE(RewardsShrinkError);
  }
  /* what is funded never falls, and was no less than baseRewards when those were voted on */
  u64 bounty = ring_at(&task->bounty, cycle);
  u64 left = ring_at(&task->funded, cycle) - task->baseRewards;
  if (result.totalRewards - task->baseRewards > (bounty < left ? bounty : left)) {
    REFUSE(RewardsAboveBountyError);
  }

  u64 weighed = weigh(task, &result, weight);
  u64 total = ring_at(&task->stake, cycle);
  /* 3 * weighed > 2 * total, without a product that could pass 2^64: weighed > 2 * rest */
  if (task->finalized <= cycle && weighed != 0 && weighed <= total && total - weighed <= (weighed - 1) / 2) {
    task->finalized = cycle + 1;
    copy_result(&task->result, &result);
  }
  stake->lastVoted = cycle + 1;
  copy_key(stake->votedRecord, result.record);
  return 0;
}

/*
 * accounts  staking key S, task W, stake W
 * data      tag, cycle (u64), root(32), record digest(32), total rewards (u64)
 */
static __attribute__((noinline)) u64 vote (const Call *call) {
  TRY(check_shape(call, 3, 1 + VOTE_BYTES));
  Account *key = call->accounts[0];
  Account *taskAccount = call->accounts[1];
  Account *stakeAccount = call->accounts[2];
  TRY(check_signer(key));
  TRY(check_task(call, taskAccount));
  TRY(check_stake(call, stakeAccount, taskAccount));
  Task *task = (Task *)taskAccount->data;
  Stake *stake = (Stake *)stakeAccount->data;
  if (!same_key(stake->stakingKey, key->key)) {
    REFUSE(WrongStakingKeyError);
  }
  u64 slot = current_slot();
  u64 cycle = read64(call->data + 1);
  TRY(check_window(task, cycle, slot));
  if (stake->lastVoted > cycle) {
    REFUSE(AlreadyVotedError);
  }
  return cast(task, stake, call->data + 1);
}

/* what a staking key signs for a batch: domain(16), task(32), then a vote's VOTE_BYTES */
#define VOTE_DOMAIN "koii-mesh/vote/1"
#define DOMAIN_BYTES 16
#define MESSAGE_BYTES (DOMAIN_BYTES + KEY_BYTES + VOTE_BYTES)

_Static_assert(sizeof(VOTE_DOMAIN) - 1 == DOMAIN_BYTES, "VOTE_DOMAIN");

/*
 * accounts  task W, instructions sysvar, stakes W (1 to MAX_BATCH)
 * data      tag, domain(16), task(32), cycle (u64), root(32), record digest(32), total rewards (u64)
 *
 * The Ed25519 precompile's instruction stands right before this one and vouches, stake by stake and in their order,
 * that the staking key has signed this instruction's data after the tag. A stake whose vote is in already is passed over:
 * its own transaction may have been faster. When none is left the batch is refused.
 */
static __attribute__((noinline)) u64 vote_batch (const Call *call) {
  if (call->count < 3) {
    REFUSE(BadAccountCountError);
  }
  TRY(check_shape(call, call->count, 1 + MESSAGE_BYTES));
  Account *taskAccount = call->accounts[0];
  TRY(check_task(call, taskAccount));
  Task *task = (Task *)taskAccount->data;
  const u8 *message = call->data + 1;
  for (int i = 0; i < DOMAIN_BYTES; i++) {
    if (message[i] != (u8)VOTE_DOMAIN[i]) {
      REFUSE(WrongMessageError);
    }
  }
  u64 named[4];
  read_key(named, message + DOMAIN_BYTES);
  if (!same_key(named, taskAccount->key)) {
    REFUSE(WrongMessageError);
  }
  u64 votes = call->count - 2;
  const u8 *proofs;
  TRY(find_proofs(call, call->accounts[1], votes, &proofs));
  const u8 *content = message + DOMAIN_BYTES + KEY_BYTES;
  u64 cycle = read64(content);
  u64 slot = current_slot();
  TRY(check_window(task, cycle, slot));
  u64 counted = 0;
  for (u64 i = 0; i < votes; i++) {
    Account *stakeAccount = call->accounts[2 + i];
    TRY(check_stake(call, stakeAccount, taskAccount));
    Stake *stake = (Stake *)stakeAccount->data;
    u64 key[4];
    read_key(key, proofs + i * PROOF_BYTES + SIGNATURE_BYTES);
    if (!same_key(stake->stakingKey, key)) {
      REFUSE(WrongStakingKeyError);
    }
    if (stake->lastVoted > cycle) {
      continue;
    }
    TRY(cast(task, stake, content));
    counted++;
  }
  if (counted == 0) {
    REFUSE(AlreadyVotedError);
  }
  return 0;
}

#endif
