/*
 * What the K2 (Solana) loader hands a program and the few syscalls this program makes. Written by hand, because
 * the Solana toolchain is not needed for so little. Everything is little-endian; there is no heap and no libc.
 *
 * The upstream BPF back end allows 512 bytes of stack and five arguments a function.
 */
#ifndef SETTLEMENT_K2_H
#define SETTLEMENT_K2_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef _Bool bool;

#define KEY_BYTES 32

/* One account, as it lies in the input. The loader aligns each to 8 bytes, so its fields can be used in place. */
typedef struct {
  u8 marker; /* 0xff, or the index of the earlier account that this one repeats */
  u8 signer;
  u8 writable;
  u8 executable;
  u32 originalLength;
  u64 key[4];
  u64 owner[4];
  u64 lamports;
  u64 length;
  u8 data[];
} Account;

/* the loader leaves this much room after each account's data, for it to grow into */
#define GROWTH_BYTES 10240
#define NOT_REPEATED 0xff
/* a batch takes the task, the sysvar and so many stakes; no transaction holds more signed votes */
#define MAX_BATCH 8
/* the most accounts that any instruction takes */
#define MAX_ACCOUNTS (2 + MAX_BATCH)

typedef struct {
  Account *accounts[MAX_ACCOUNTS];
  u64 count;
  const u8 *data;
  u64 length;
  u64 program[4]; /* the address this program runs at */
} Call;

/* ---- syscalls: undefined symbols here, which the linker script names to the loader ---- */

typedef struct {
  u64 slot;
  u64 epochStartTimestamp;
  u64 epoch;
  u64 leaderScheduleEpoch;
  u64 unixTimestamp;
} Clock;

typedef struct {
  u64 lamportsPerByteYear;
  u64 thresholdBits; /* an IEEE double: years of rent that exempt an account */
  u8 burnPercent;
} Rent;

typedef struct {
  const void *start;
  u64 length;
} Slice;

typedef struct {
  const Slice *slices;
  u64 count;
} SignerSeeds;

typedef struct {
  const u64 *key;
  u8 writable;
  u8 signer;
} AccountMeta;

typedef struct {
  const u64 *program;
  const AccountMeta *accounts;
  u64 accountCount;
  const u8 *data;
  u64 length;
} Instruction;

typedef struct {
  u64 *key;
  u64 *lamports;
  u64 length;
  u8 *data;
  u64 *owner;
  u64 rentEpoch;
  u8 signer;
  u8 writable;
  u8 executable;
} AccountInfo;

extern void sol_log_(const char *text, u64 length);
extern u64 sol_sha256(const Slice *slices, u64 count, u8 *hash);
extern u64 sol_get_clock_sysvar(Clock *clock);
extern u64 sol_get_rent_sysvar(Rent *rent);
extern u64 sol_try_find_program_address(const Slice *seeds, u64 count, const u64 *program, u64 *address, u8 *bump);
extern u64 sol_invoke_signed_c(const Instruction *instruction, const AccountInfo *infos, u64 infoCount, const SignerSeeds *seeds, u64 seedCount);

/* ---- bytes ---- */

/* instruction data is packed, so nothing in it is aligned */
static inline u64 read64 (const u8 *p) {
  u64 value = 0;
  for (int i = 7; i >= 0; i--) {
    value = value << 8 | p[i];
  }
  return value;
}

static inline void write64 (u8 *p, u64 value) {
  for (int i = 0; i < 8; i++) {
    p[i] = (u8)(value >> (8 * i));
  }
}

static inline void read_key (u64 *key, const u8 *p) {
  for (int i = 0; i < 4; i++) {
    key[i] = read64(p + 8 * i);
  }
}

static inline void copy_key (u64 *to, const u64 *from) {
  for (int i = 0; i < 4; i++) {
    to[i] = from[i];
  }
}

static inline bool same_key (const u64 *a, const u64 *b) {
  return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

static inline bool zero_key (const u64 *a) {
  return (a[0] | a[1] | a[2] | a[3]) == 0;
}

#endif
