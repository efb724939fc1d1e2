/* The instructions sysvar, through which a batch of votes sees what the Ed25519 precompile has verified. */
#ifndef SETTLEMENT_SYSVAR_H
#define SETTLEMENT_SYSVAR_H

#include "errors.h"
#include "k2.h"

/* Sysvar1nstructions1111111111111111111111111 and Ed25519SigVerify111111111111111111111111111, as little-endian words */
static const u64 INSTRUCTIONS_SYSVAR[4] = {0x66d17b1817d5a706ULL, 0xc0c2fd5504d4da35ULL, 0xa57556218fc624c1ULL, 0x000000085fcbbadbULL};
static const u64 ED25519_PROGRAM[4] = {0xbefb937cd6467d03ULL, 0xff408d838f42f912ULL, 0x648af42749747005ULL, 0x000000804470cafcULL};

#define SIGNATURE_BYTES 64
/* a signature and the key that made it */
#define PROOF_BYTES 96
/* in the precompile's data: count (u8), padding (u8), then for each signature seven u16 */
#define OFFSETS_START 2
#define OFFSETS_BYTES 14
/* how the precompile is told "in this very instruction" */
#define SAME_INSTRUCTION 0xffff

static inline u64 read16 (const u8 *p) {
  return p[0] | (u64)p[1] << 8;
}

typedef struct {
  const u8 *program;
  const u8 *data;
  u64 length;
} TopLevel;

/*
 * The sysvar: count (u16), where each instruction begins (u16 each), the instructions; last, the number of the one that
 * runs (u16). An instruction: number of accounts (u16), for each flags (u8) and key(32); program(32), length (u16), data.
 * Its writer is the runtime, once the account's address is right.
 */
static inline void read_top_level (const u8 *sysvar, u64 index, TopLevel *found) {
  const u8 *p = sysvar + read16(sysvar + 2 + 2 * index);
  found->program = p + 2 + read16(p) * (1 + KEY_BYTES);
  found->length = read16(found->program + KEY_BYTES);
  found->data = found->program + KEY_BYTES + 2;
}

static inline bool is_program (const TopLevel *instruction, const u64 *program) {
  u64 key[4];
  read_key(key, instruction->program);
  return same_key(key, program);
}

/*
 * Finds the signatures and keys that vouch for this instruction's data after its tag: PROOF_BYTES for each vote.
 *
 * The precompile follows offsets anywhere in the transaction, so they must be the ones that README.md gives, byte for
 * byte: signatures and keys in the precompile's own data, the message in ours. "Ours" is the transaction's instruction of
 * this number. Were it another program's, which then calls this one, its data could hold a message that somebody
 * did sign, and the inner call's data another; so it must be this program that was called from outside.
 */
static __attribute__((noinline)) u64 find_proofs (const Call *call, const Account *account, u64 votes, const u8 **proofs) {
  if (!same_key(account->key, INSTRUCTIONS_SYSVAR)) {
    REFUSE(WrongSysvarError);
  }
  const u8 *sysvar = account->data;
  u64 current = read16(sysvar + account->length - 2);
  TopLevel instruction;
  read_top_level(sysvar, current, &instruction);
  if (!is_program(&instruction, call->program)) {
    REFUSE(InnerBatchError);
  }
  if (current == 0) {
    REFUSE(BadEd25519Error);
  }
  read_top_level(sysvar, current - 1, &instruction);
  const u8 *data = instruction.data;
  u64 start = OFFSETS_START + votes * OFFSETS_BYTES;
  if (!is_program(&instruction, ED25519_PROGRAM) || instruction.length != start + votes * PROOF_BYTES || data[0] != votes) {
    REFUSE(BadEd25519Error);
  }
  for (u64 i = 0; i < votes; i++) {
    const u8 *offsets = data + OFFSETS_START + i * OFFSETS_BYTES;
    u64 signature = start + i * PROOF_BYTES;
    if (read16(offsets) != signature || read16(offsets + 2) != SAME_INSTRUCTION || read16(offsets + 4) != signature + SIGNATURE_BYTES ||
        read16(offsets + 6) != SAME_INSTRUCTION || read16(offsets + 8) != 1 || read16(offsets + 10) != call->length - 1 ||
        read16(offsets + 12) != current) {
      REFUSE(BadEd25519Error);
    }
  }
  *proofs = data + start;
  return 0;
}

#endif
