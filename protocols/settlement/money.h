/* Rent and the inner calls to the system program. */
#ifndef SETTLEMENT_MONEY_H
#define SETTLEMENT_MONEY_H

#include "accounts.h"

/*
 * Lamports that exempt an account of so many bytes from rent: (128 + length) * price * threshold. The threshold is
 * a double and BPF has no floating point, so its upper 21 bits of mantissa are multiplied as an integer. Every
 * threshold that a network has used (2.0, and 1.0 after the price was doubled) is exact in that.
 */
static __attribute__((noinline)) u64 rent_exemption (u64 length, u64 *lamports) {
  Rent rent;
  sol_get_rent_sysvar(&rent);
  u64 exponent = rent.thresholdBits >> 52;
  u64 mantissa = (rent.thresholdBits & 0xfffffffffffffULL) | 1ULL << 52;
  /* also refuses negative thresholds, whose sign bit makes the exponent large */
  if (exponent < 1003 || exponent > 1043 || rent.lamportsPerByteYear >> 31 != 0) {
    REFUSE(OverflowError);
  }
  *lamports = (128 + length) * rent.lamportsPerByteYear * (mantissa >> 32) >> (1043 - exponent);
  return 0;
}

static inline u64 add_checked (u64 a, u64 b, u64 *sum) {
  *sum = a + b;
  if (*sum < a) {
    REFUSE(OverflowError);
  }
  return 0;
}

/* out of an account of the program's own; the caller has checked that it holds so much */
static inline u64 move (Account *from, Account *to, u64 lamports) {
  u64 received;
  TRY(add_checked(to->lamports, lamports, &received));
  from->lamports -= lamports;
  to->lamports = received;
  return 0;
}

#define SYSTEM_ASSIGN 1
#define SYSTEM_TRANSFER 2
#define SYSTEM_ALLOCATE 8

static inline void describe (AccountInfo *info, Account *account) {
  info->key = account->key;
  info->lamports = &account->lamports;
  info->length = account->length;
  info->data = account->data;
  info->owner = account->owner;
  info->rentEpoch = 0;
  info->signer = account->signer;
  info->writable = account->writable;
  info->executable = account->executable;
}

/* the caller has checked that `from` signs, is writable and that `system` is the system program */
static __attribute__((noinline)) u64 transfer (Account *from, Account *to, Account *system, u64 lamports) {
  if (from->lamports < lamports) {
    REFUSE(InsufficientFundsError);
  }
  u8 data[12] = {SYSTEM_TRANSFER};
  write64(data + 4, lamports);
  AccountMeta metas[2] = {{from->key, 1, 1}, {to->key, 1, 0}};
  AccountInfo infos[3];
  describe(&infos[0], from);
  describe(&infos[1], to);
  describe(&infos[2], system);
  Instruction instruction = {system->key, metas, 2, data, sizeof(data)};
  return sol_invoke_signed_c(&instruction, infos, 3, 0, 0);
}

/* a call to the system program that takes one account, which the program signs for by its seeds */
static __attribute__((noinline)) u64 system_call (Account *account, Account *system, const Slice *data, const SignerSeeds *seeds) {
  AccountMeta meta = {account->key, 1, 1};
  AccountInfo infos[2];
  describe(&infos[0], account);
  describe(&infos[1], system);
  Instruction instruction = {system->key, &meta, 1, data->start, data->length};
  return sol_invoke_signed_c(&instruction, infos, 2, seeds, 1);
}

/*
 * Makes a system-owned, empty address the program's own. Allocate and assign, rather than "create account", because
 * that one fails on an address that holds lamports, and anyone can send one lamport to an address.
 */
static inline u64 adopt (const Call *call, Account *account, Account *system, u64 length, const SignerSeeds *seeds) {
  u8 allocate[12] = {SYSTEM_ALLOCATE};
  write64(allocate + 4, length);
  Slice data = {allocate, sizeof(allocate)};
  TRY(system_call(account, system, &data, seeds));
  u8 assign[36] = {SYSTEM_ASSIGN};
  for (int i = 0; i < 4; i++) {
    write64(assign + 4 + 8 * i, call->program[i]);
  }
  data.start = assign;
  data.length = sizeof(assign);
  return system_call(account, system, &data, seeds);
}

#endif
