import { readFileSync } from 'node:fs'
import { Account, type LiteSvm } from 'litesvm/dist/internal.js'
import { decodeBase58 } from './base58.ts'

// where LiteSVM begins with other accounts than a new test validator. Source: Agave, runtime/src/genesis_utils.rs, program-binaries/src/lib.rs

const MEMO = decodeBase58('MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr')
const LOADER_2 = decodeBase58('BPFLoader2111111111111111111111111111111111')
const NATIVE_MINT = decodeBase58('So11111111111111111111111111111111111111112')
const TOKEN_2022_NATIVE_MINT = decodeBase58('9pan9bMn5HatX4EJdBwg9VgCa7Uz5HL8N1m5D3NdXejP')
export const STAKE_CONFIG = 'StakeConfig11111111111111111111111111111111'
/** An empty short vector of keys, then a rate of 0.25 and a penalty of 12. */
const STAKE_CONFIG_DATA = Buffer.from('AAAAAAAAANA/DA==', 'base64')

let memoElf: Uint8Array | undefined

const STAKE_HISTORY = decodeBase58('SysvarStakeHistory1111111111111111111111111')
/** A count, and room for 512 epochs of four numbers. */
const STAKE_HISTORY_BYTES = 8 + 512 * 32
const SYSVARS = decodeBase58('Sysvar1111111111111111111111111111111111111')

/** A sysvar as a validator has it: exempt from rent. */
export function setSysvar(svm: LiteSvm, key: Uint8Array, data: Uint8Array): void {
  svm.setAccount(key, new Account(svm.minimumBalanceForRentExemption(BigInt(data.length)), data, SYSVARS, false, 0n))
}

/** Makes the accounts of `svm` those of a new test validator. */
export function setBaseAccounts(svm: LiteSvm): void {
  // LiteSVM's is a newer build with another log
  memoElf ??= readFileSync(new URL('./programs/spl-memo-3.0.0.so', import.meta.url))
  svm.addProgramWithLoader(MEMO, memoElf, LOADER_2)
  svm.withNativeMints()
  const mint = svm.getAccount(NATIVE_MINT)!
  svm.setAccount(NATIVE_MINT, new Account(1_000_000_000n, mint.data(), mint.owner(), false, 1n))
  // whoever wants this one makes it, by CreateNativeMint
  svm.setAccount(TOKEN_2022_NATIVE_MINT, new Account(0n, new Uint8Array(), new Uint8Array(32), false, 0n))
  const stakeConfig = decodeBase58(STAKE_CONFIG)
  const config = svm.getAccount(stakeConfig)!
  const lamports = svm.minimumBalanceForRentExemption(BigInt(STAKE_CONFIG_DATA.length))
  svm.setAccount(stakeConfig, new Account(lamports, STAKE_CONFIG_DATA, config.owner(), false, 0n))
  for (const { address, account } of svm
    .getProgramAccounts(SYSVARS)
    .map((entry) => ({ address: entry.address, account: entry.account() }))) {
    const history = Buffer.compare(address, STAKE_HISTORY) === 0
    const data = history ? Buffer.concat([account.data()], STAKE_HISTORY_BYTES) : account.data()
    setSysvar(svm, address, data)
  }
}
