/*
 * The settlement program: what K2 knows of a mesh. README.md is its specification.
 *
 * Every account and every byte that comes in is taken for hostile until a check says otherwise. An instruction
 * checks everything first and writes last; a refusal undoes the whole transaction anyway.
 */
#include "accounts.h"
#include "errors.h"
#include "k2.h"
#include "ledger.h"
#include "money.h"

enum {
  CREATE_TASK = 0,
  FUND_TASK = 1,
  UPDATE_TASK = 2,
  CLOSE_TASK = 3,
  STAKE = 4,
  UNSTAKE = 5,
  WITHDRAW = 6,
  REPLACE_STAKING_KEY = 7,
  SET_ADDRESS_HINT = 8,
  VOTE = 9,
  VOTE_BATCH = 10,
  CLAIM = 11,
  APPLY_SLASH = 12
};

/*
 * accounts  task WS, manager S
 * data      tag, name(32), roundSlots, submissionWindow, auditWindow, startingSlot, bountyPerRound, minStake (u64 each),
 *           length of the bundle's CID (u8), CID
 */
static __attribute__((noinline)) u64 create_task (const Call *call) {
  if (call->length < 82) {
    REFUSE(BadDataLengthError);
  }
  const u8 *data = call->data;
  u64 cidLength = data[81];
  TRY(check_shape(call, 2, 82 + cidLength));
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
  task->bundle.length = cidLength;
  for (u64 i = 0; i < cidLength; i++) {
    task->bundle.cid[i] = data[82 + i];
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
  u64 funded;
  TRY(add_checked(task->funded.entries[0].value, amount, &funded));
  TRY(transfer(payer, account, call->accounts[2], amount));
  ring_push(&task->funded, effective_cycle(task, current_slot()), funded);
  return 0;
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
    TRY(transfer(payer, stakeAccount, call->accounts[4], amount));
  }

  /* no more than the task's total, which was checked */
  u64 from = effective_cycle(task, current_slot());
  ring_push(&stake->amount, from, stake->amount.entries[0].value + amount);
  ring_push(&task->stake, from, total);
  if (hintLength != 0) {
    stake->hintLength = hintLength;
    for (u64 i = 0; i < HINT_BYTES; i++) {
      stake->hint[i] = i < hintLength ? call->data[42 + i] : 0;
    }
  }
  return 0;
}

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

/*
 * accounts  staking key S, task W, stake W
 * data      tag, cycle (u64), root(32), record digest(32), total rewards (u64)
 */
static __attribute__((noinline)) u64 vote (const Call *call) {
  TRY(check_shape(call, 3, 81));
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

  /* cycle c is voted on in round c + 2, and in no other */
  u64 cycle = read64(call->data + 1);
  u64 slot = current_slot();
  u64 round = slot < task->startingSlot ? 0 : (slot - task->startingSlot) / task->roundSlots;
  if (round < 2 || cycle > round - 2) {
    REFUSE(VoteTooEarlyError);
  }
  if (cycle < round - 2) {
    REFUSE(VoteTooLateError);
  }
  if (stake->lastVoted > cycle) {
    REFUSE(AlreadyVotedError);
  }
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
    ((u64 *)&result)[i] = read64(call->data + 9 + 8 * i);
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
  stake->unlockSlot = slot + 3 * task->roundSlots;
  return 0;
}

/*
 * accounts  task W, stake W, withdraw authority W
 * data      tag, cumulative reward (u64), cumulative slash (u64), number of hashes (u8), hashes(32 each)
 */
static __attribute__((noinline)) u64 claim (const Call *call) {
  if (call->length < 18) {
    REFUSE(BadDataLengthError);
  }
  u64 hashes = call->data[17];
  TRY(check_shape(call, 3, 18 + hashes * HASH_BYTES));
  Account *taskAccount = call->accounts[0];
  Account *stakeAccount = call->accounts[1];
  Account *authority = call->accounts[2];
  TRY(check_task(call, taskAccount));
  TRY(check_stake(call, stakeAccount, taskAccount));
  TRY(check_writable(authority));
  Task *task = (Task *)taskAccount->data;
  Stake *stake = (Stake *)stakeAccount->data;
  if (!same_key(stake->withdrawAuthority, authority->key)) {
    REFUSE(WrongWithdrawAuthorityError);
  }
  if (task->finalized == 0 || zero_key(task->result.root)) {
    REFUSE(NothingFinalizedError);
  }
  if (hashes > MAX_PROOF) {
    REFUSE(ProofTooLongError);
  }
  u64 hash[4];
  hash_leaf(taskAccount->key, stake->staker, call->data + 1, (u8 *)hash);
  for (u64 i = 0; i < hashes; i++) {
    hash_inner((u8 *)hash, call->data + 18 + i * HASH_BYTES);
  }
  if (!same_key(hash, task->result.root)) {
    REFUSE(BadProofError);
  }
  u64 reward = read64(call->data + 1);
  if (reward <= stake->claimedReward) {
    REFUSE(NothingToClaimError);
  }
  u64 due = reward - stake->claimedReward;
  /* claimedTotal is never above totalRewards */
  if (due > task->result.totalRewards - task->claimedTotal) {
    REFUSE(ClaimAboveRewardsError);
  }
  if (taskAccount->lamports < task->rentReserve || taskAccount->lamports - task->rentReserve < due) {
    REFUSE(PotTooSmallError);
  }
  u64 received;
  TRY(add_checked(authority->lamports, due, &received));
  stake->claimedReward = reward;
  task->claimedTotal += due;
  taskAccount->lamports -= due;
  authority->lamports = received;
  return 0;
}

static inline u64 dispatch (const Call *call) {
  switch (call->data[0]) {
    case CREATE_TASK:
      return create_task(call);
    case FUND_TASK:
      return fund_task(call);
    case STAKE:
      return add_stake(call);
    case VOTE:
      return vote(call);
    case CLAIM:
      return claim(call);
    case UPDATE_TASK:
    case CLOSE_TASK:
    case UNSTAKE:
    case WITHDRAW:
    case REPLACE_STAKING_KEY:
    case SET_ADDRESS_HINT:
    case VOTE_BATCH:
    case APPLY_SLASH:
      REFUSE(NotBuiltError);
    default:
      REFUSE(UnknownInstructionError);
  }
}

/*
 * The input: number of accounts (u64); each account, or for a repeated one the index of the first (u8) and seven
 * bytes of nothing; length of the data (u64), data, this program's address.
 */
u64 entrypoint (u8 *input) {
  Call call;
  call.count = *(const u64 *)input;
  if (call.count > MAX_ACCOUNTS) {
    REFUSE(BadAccountCountError);
  }
  u8 *p = input + 8;
  u64 repeats = 0;
  for (u64 i = 0; i < call.count; i++) {
    Account *account = (Account *)p;
    if (account->marker != NOT_REPEATED) {
      /* the one repetition that harms nobody: a staking key that pays for its own stake */
      repeats |= i == 3 && account->marker == 2 ? 1 : 2;
      call.accounts[i] = call.accounts[account->marker];
      p += 8;
    } else {
      call.accounts[i] = account;
      /* data and room to grow, up to the next multiple of 8, then the rent epoch (u64) */
      p = account->data + ((account->length + GROWTH_BYTES + 7) & ~7ULL) + 8;
    }
  }
  call.length = *(const u64 *)p;
  call.data = p + 8;
  read_key(call.program, call.data + call.length);
  if (call.length == 0) {
    REFUSE(UnknownInstructionError);
  }
  if (repeats > 1 || (repeats == 1 && call.data[0] != STAKE)) {
    REFUSE(DuplicateAccountError);
  }
  return dispatch(&call);
}
