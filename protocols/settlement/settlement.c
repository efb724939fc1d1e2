/*
 * The settlement program: what K2 knows of a mesh. README.md is its specification.
 *
 * Every account and every byte that comes in is taken for hostile until a check says otherwise. An instruction
 * checks everything first and writes last; a refusal undoes the whole transaction anyway.
 */
#include "k2.h"
#include "payout.h"
#include "stake.h"
#include "task.h"
#include "vote.h"

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

static inline u64 dispatch (const Call *call) {
  switch (call->data[0]) {
    case CREATE_TASK:
      return create_task(call);
    case FUND_TASK:
      return fund_task(call);
    case UPDATE_TASK:
      return update_task(call);
    case CLOSE_TASK:
      return close_task(call);
    case STAKE:
      return add_stake(call);
    case UNSTAKE:
      return unstake(call);
    case WITHDRAW:
      return withdraw(call);
    case REPLACE_STAKING_KEY:
      return replace_staking_key(call);
    case SET_ADDRESS_HINT:
      return set_address_hint(call);
    case VOTE:
      return vote(call);
    case VOTE_BATCH:
      return vote_batch(call);
    case CLAIM:
      return claim(call);
    case APPLY_SLASH:
      return apply_slash(call);
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
