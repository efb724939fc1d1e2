/*
 * The two kinds of account, their layouts and the checks that every use of one goes through. Offsets are fixed by
 * README.md; the assertions below hold them to it.
 */
#ifndef SETTLEMENT_ACCOUNTS_H
#define SETTLEMENT_ACCOUNTS_H

#include "errors.h"
#include "k2.h"

#define VERSION 1
#define KIND_TASK 1
#define KIND_STAKE 2

/* ---- rings: an amount's last four values, each with the cycle from which it counts, the newest first ---- */

/*
 * A cycle c is decided in round c + 2. Changes made in rounds c .. c + 2 count from c + 1, c + 2 and c + 3, so the
 * newest of the older values is at worst the fourth: four are enough and no fewer.
 */
#define RING_ENTRIES 4

typedef struct {
  u64 value;
  u64 from;
} RingEntry;

typedef struct {
  RingEntry entries[RING_ENTRIES];
} Ring;

/* what counts in a cycle; 0 where the ring no longer reaches back so far, which no window allows */
static inline u64 ring_at (const Ring *ring, u64 cycle) {
  for (int i = 0; i < RING_ENTRIES; i++) {
    if (ring->entries[i].from <= cycle) {
      return ring->entries[i].value;
    }
  }
  return 0;
}

/* two changes made in one cycle count from the same cycle on, so the second takes the first one's place */
static inline void ring_push (Ring *ring, u64 from, u64 value) {
  if (ring->entries[0].from != from) {
    for (int i = RING_ENTRIES - 1; i > 0; i--) {
      ring->entries[i].value = ring->entries[i - 1].value;
      ring->entries[i].from = ring->entries[i - 1].from;
    }
  }
  ring->entries[0].value = value;
  ring->entries[0].from = from;
}

/* ---- task ---- */

#define NAME_BYTES 32
#define BUNDLE_BYTES 64
/* how many different results of one cycle are weighed at once; README.md says what happens when there are more */
#define TALLY_ENTRIES 8
/* a round of 2^32 slots lasts half a century; the bound keeps every sum of slots far from 2^64 */
#define MAX_ROUND_SLOTS (1ULL << 32)
/* the largest slash of a cycle is told in these: 10,000 is all of a stake */
#define SLASH_UNITS 10000
#define MAX_BUNDLE_NOTICE (1ULL << 16)
/* what holds in tasks of revision 2, which have nothing but zeros there */
#define FORMER_LARGEST_SLASH 1000
#define FORMER_BUNDLE_NOTICE 1

/* what a vote is for: 72 bytes, compared as nine words */
typedef struct {
  u64 root[4];
  u64 record[4];
  u64 totalRewards;
} Result;

#define RESULT_WORDS 9

typedef struct {
  Result result;
  u64 weight; /* 0: the entry is free */
} TallyEntry;

typedef struct {
  u64 from; /* the cycle from which this bundle is run */
  u8 length;
  u8 reserved[7];
  u8 cid[BUNDLE_BYTES];
} Bundle;

typedef struct {
  u8 kind;
  u8 version;
  u8 reserved0[6];
  u64 manager[4];
  u8 name[NAME_BYTES];
  u64 roundSlots;
  u64 submissionWindow;
  u64 auditWindow;
  u64 startingSlot;
  u64 minStake;
  u64 rentReserve;
  u64 stakerCount;
  u64 claimedTotal;
  u64 slashedTotal;
  u64 closedFrom; /* cycle + 1 from which no work is done, 0 = open */
  u64 finalized; /* cycle + 1 of the last finalized one, 0 = none */
  Result result; /* of that cycle */
  Ring bounty; /* per round */
  Ring stake; /* of all stakers */
  Ring funded; /* everything ever put into the pot */
  Bundle bundle;
  Bundle formerBundle;
  u64 tallyCycle; /* cycle + 1, 0 = no tally yet */
  u64 baseRewards; /* result.totalRewards when the tally opened */
  TallyEntry tally[TALLY_ENTRIES];
  u64 largestSlash; /* of what a stake holds, for one cycle: in 1 / SLASH_UNITS */
  u64 bundleNotice; /* rounds from a new bundle's news to its first cycle, 0 = a task of revision 2 */
  u8 reserved1[24];
} Task;

_Static_assert(__builtin_offsetof(Task, manager) == 8, "manager");
_Static_assert(__builtin_offsetof(Task, roundSlots) == 72, "roundSlots");
_Static_assert(__builtin_offsetof(Task, finalized) == 152, "finalized");
_Static_assert(__builtin_offsetof(Task, result) == 160, "result");
_Static_assert(__builtin_offsetof(Task, bounty) == 232, "bounty");
_Static_assert(__builtin_offsetof(Task, bundle) == 424, "bundle");
_Static_assert(__builtin_offsetof(Task, tallyCycle) == 584, "tallyCycle");
_Static_assert(__builtin_offsetof(Task, tally) == 600, "tally");
_Static_assert(__builtin_offsetof(Task, largestSlash) == 1240, "largestSlash");
_Static_assert(__builtin_offsetof(Task, bundleNotice) == 1248, "bundleNotice");
_Static_assert(sizeof(Task) == 1280, "Task");

/* ---- stake ---- */

#define HINT_BYTES 128
#define MAX_HINT 127

typedef struct {
  u8 kind;
  u8 version;
  u8 bump;
  u8 hintLength;
  u32 slashedIn; /* cycle + 1 of the ledger last applied, its low 32 bits: 0 = never slashed */
  u64 task[4];
  u64 staker[4]; /* who it is, for ever: seed of the address */
  u64 stakingKey[4]; /* who signs for it now */
  u64 withdrawAuthority[4];
  Ring amount;
  u64 lastVoted; /* cycle + 1, 0 = never */
  u64 votedRecord[4];
  u64 claimedReward;
  u64 appliedSlash;
  u64 unlockSlot; /* no withdrawal before it */
  u64 keyFrom; /* the cycle from which the mesh knows stakingKey; formerKey before it */
  u64 unstaking; /* how much of the lamports is on its way out */
  u64 rentReserve;
  u8 hint[HINT_BYTES];
  u64 formerKey[4]; /* 0 = the staking key was never replaced */
} Stake;

_Static_assert(__builtin_offsetof(Stake, slashedIn) == 4, "slashedIn");
_Static_assert(__builtin_offsetof(Stake, task) == 8, "task");
_Static_assert(__builtin_offsetof(Stake, staker) == 40, "staker");
_Static_assert(__builtin_offsetof(Stake, amount) == 136, "amount");
_Static_assert(__builtin_offsetof(Stake, lastVoted) == 200, "lastVoted");
_Static_assert(__builtin_offsetof(Stake, hint) == 288, "hint");
_Static_assert(sizeof(Stake) == 448, "Stake");

/* ---- checks ---- */

/* each instruction takes exactly so many accounts and so much data */
static inline u64 check_shape (const Call *call, u64 accounts, u64 length) {
  if (call->count != accounts) {
    REFUSE(BadAccountCountError);
  }
  if (call->length != length) {
    REFUSE(BadDataLengthError);
  }
  return 0;
}

static inline u64 check_signer (const Account *account) {
  if (!account->signer) {
    REFUSE(MissingSignatureError);
  }
  return 0;
}

static inline u64 check_writable (const Account *account) {
  if (!account->writable) {
    REFUSE(NotWritableError);
  }
  return 0;
}

static inline u64 check_system (const Account *account) {
  if (!zero_key(account->key)) {
    REFUSE(WrongSystemProgramError);
  }
  return 0;
}

/*
 * Owner, size, kind, version and being writable. Where the account lies need not be checked again: only this
 * program can have written a kind into an account that it owns, and it does so for addresses it has checked.
 */
static __attribute__((noinline)) u64 check_own (const Call *call, const Account *account, u64 kind, u64 length) {
  if (!same_key(account->owner, call->program)) {
    REFUSE(WrongOwnerError);
  }
  if (account->length != length || account->data[0] != kind) {
    REFUSE(WrongKindError);
  }
  if (account->data[1] != VERSION) {
    REFUSE(WrongVersionError);
  }
  return check_writable(account);
}

static inline u64 check_task (const Call *call, const Account *account) {
  return check_own(call, account, KIND_TASK, sizeof(Task));
}

static inline u64 check_stake (const Call *call, const Account *account, const Account *task) {
  TRY(check_own(call, account, KIND_STAKE, sizeof(Stake)));
  if (!same_key(((const Stake *)account->data)->task, task->key)) {
    REFUSE(WrongTaskError);
  }
  return 0;
}

/* ---- time ---- */

static inline u64 current_slot (void) {
  Clock clock;
  sol_get_clock_sysvar(&clock);
  return clock.slot;
}

/* the cycle from which a change made now counts: the next one, or 0 while the task has not begun */
static inline u64 effective_cycle (const Task *task, u64 slot) {
  return slot < task->startingSlot ? 0 : (slot - task->startingSlot) / task->roundSlots + 1;
}

static inline u64 bundle_notice (const Task *task) {
  return task->bundleNotice == 0 ? FORMER_BUNDLE_NOTICE : task->bundleNotice;
}

/* what one cycle may take out of a stake that holds so much; no product passes 2^64 */
static inline u64 largest_slash (const Task *task, u64 holds) {
  u64 share = task->bundleNotice == 0 ? FORMER_LARGEST_SLASH : task->largestSlash;
  return holds / SLASH_UNITS * share + holds % SLASH_UNITS * share / SLASH_UNITS;
}

/* a closed task takes no money and no stake any more, and does not change */
static inline u64 check_open (const Task *task) {
  if (task->closedFrom != 0) {
    REFUSE(TaskClosedError);
  }
  return 0;
}

/* closed, and past the voting on the last cycle that was worked on: nothing can be finalized any more */
static inline bool settled (const Task *task, u64 slot) {
  if (task->closedFrom <= 1) {
    return task->closedFrom == 1;
  }
  return slot >= task->startingSlot && (slot - task->startingSlot) / task->roundSlots > task->closedFrom;
}

#endif
