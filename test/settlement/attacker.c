/*
 * A hostile program, for test/settlement: it calls any program with any data, claims signatures that nobody gave, and
 * tries to move lamports and bytes that are not its own. Built by build-attacker.ts.
 *
 * accounts  the program to call, then the accounts to call it with
 * data      n (u8), n - 1 bytes that are not looked at here, mode (u8), the data to call it with
 *
 * The bytes in between are for the Ed25519 precompile: a message that somebody signed can lie where a batch's would.
 */
#include "../../protocols/settlement/k2.h"

/* say that every account signs */
#define CLAIM_SIGNATURES 1
/* after the call, take a lamport out of the first account and put it into the last */
#define TAKE_LAMPORT 2
/* after the call, write into the first account */
#define WRITE_BYTE 4
/* before the call, give the second account, whose bytes are of this program's writing, to the program that is called */
#define GIVE_AWAY 8
/* do nothing at all */
#define NOTHING 16

#define MOST 12
/* the stack is too small for the descriptions; the heap is nobody else's */
#define HEAP 0x300000000ULL

u64 entrypoint (u8 *input) {
  AccountInfo *infos = (AccountInfo *)HEAP;
  AccountMeta *metas = (AccountMeta *)(HEAP + sizeof(AccountInfo) * MOST);
  Account **accounts = (Account **)(HEAP + (sizeof(AccountInfo) + sizeof(AccountMeta)) * MOST);
  u64 count = *(const u64 *)input;
  if (count < 2 || count > MOST) {
    return 1;
  }
  u8 *p = input + 8;
  for (u64 i = 0; i < count; i++) {
    Account *account = (Account *)p;
    if (account->marker != NOT_REPEATED) {
      accounts[i] = accounts[account->marker];
      p += 8;
    } else {
      accounts[i] = account;
      p = account->data + ((account->length + GROWTH_BYTES + 7) & ~7ULL) + 8;
    }
  }
  u64 length = *(const u64 *)p;
  const u8 *data = p + 8;
  u64 modeAt = length == 0 ? 0 : data[0];
  if (modeAt == 0 || modeAt >= length) {
    return 2;
  }
  u8 mode = data[modeAt];
  if ((mode & NOTHING) != 0) {
    return 0;
  }
  for (u64 i = 0; i < count; i++) {
    Account *account = accounts[i];
    infos[i].key = account->key;
    infos[i].lamports = &account->lamports;
    infos[i].length = account->length;
    infos[i].data = account->data;
    infos[i].owner = account->owner;
    infos[i].rentEpoch = 0;
    infos[i].signer = account->signer;
    infos[i].writable = account->writable;
    infos[i].executable = account->executable;
    metas[i].key = account->key;
    metas[i].writable = account->writable;
    metas[i].signer = account->signer || (mode & CLAIM_SIGNATURES) != 0;
  }
  if ((mode & GIVE_AWAY) != 0) {
    copy_key(accounts[2]->owner, accounts[0]->key);
  }
  Instruction instruction = {accounts[0]->key, metas + 1, count - 1, data + modeAt + 1, length - modeAt - 1};
  /* the loader wants a program with constants */
  static const char who[] = "hostile call";
  sol_log_(who, sizeof who - 1);
  u64 error = sol_invoke_signed_c(&instruction, infos, count, 0, 0);
  if (error != 0) {
    return error;
  }
  if ((mode & TAKE_LAMPORT) != 0) {
    accounts[1]->lamports--;
    accounts[count - 1]->lamports++;
  }
  if ((mode & WRITE_BYTE) != 0) {
    accounts[1]->data[104] ^= 1;
  }
  return 0;
}
