/* Hashing of the cumulative ledger: README.md, "The ledger". */
#ifndef SETTLEMENT_LEDGER_H
#define SETTLEMENT_LEDGER_H

#include "k2.h"

#define HASH_BYTES 32
/* 2^24 stakers */
#define MAX_PROOF 24

/* amounts: reward then slash, 16 bytes as they stand in the instruction */
static inline void hash_leaf (const u64 *task, const u64 *staker, const u8 *amounts, u8 *hash) {
  u8 prefix = 0;
  Slice slices[4] = {{&prefix, 1}, {task, KEY_BYTES}, {staker, KEY_BYTES}, {amounts, 16}};
  sol_sha256(slices, 4, hash);
}

/* replaces `hash` by its parent; the smaller of the two goes first, so a proof carries no directions */
static inline void hash_inner (u8 *hash, const u8 *sibling) {
  u8 prefix = 1;
  bool first = 1;
  for (int i = 0; i < HASH_BYTES; i++) {
    if (hash[i] != sibling[i]) {
      first = hash[i] < sibling[i];
      break;
    }
  }
  Slice slices[3] = {{&prefix, 1}, {first ? hash : sibling, HASH_BYTES}, {first ? sibling : hash, HASH_BYTES}};
  u8 parent[HASH_BYTES];
  sol_sha256(slices, 3, parent);
  for (int i = 0; i < HASH_BYTES; i++) {
    hash[i] = parent[i];
  }
}

#endif
