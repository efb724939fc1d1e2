import { z } from 'zod'
import { encodeBase58 } from '../base58.ts'
import type { AccountState } from '../vm.ts'
import { accountMatcher, viewAccount } from './account-view.ts'
import { method, parseTools, type RpcContext, slotFor, withContext } from './context.ts'
import { INVALID_REQUEST, RpcError } from './errors.ts'
import * as p from './params.ts'

/** The most accounts that one getMultipleAccounts asks for, by Solana's rules. */
const MAX_MULTIPLE_ACCOUNTS = 100

/** How many of the largest accounts are told, by Solana's rules. */
const MAX_LARGEST = 20

/** The most data of an account, by Solana's rules. */
const MAX_ACCOUNT_BYTES = 10 * 1024 * 1024

const programConfig = z
  .object({
    ...p.commitment,
    ...p.minContextSlot,
    encoding: p.accountEncoding,
    dataSlice: p.dataSlice,
    filters: p.accountFilters,
    withContext: z.boolean().nullish(),
    sortResults: z.boolean().nullish()
  })
  .nullish()

/** Accounts with their addresses, in the order of these. */
export function viewAccounts(
  { ledger }: RpcContext,
  accounts: Array<{ key: Uint8Array; state: AccountState }>,
  config: z.output<typeof p.accountConfig>
) {
  return accounts
    .sort((a, b) => Buffer.compare(a.key, b.key))
    .map(({ key, state }) => {
      const pubkey = encodeBase58(key)
      return { pubkey, account: viewAccount(state, config, parseTools(ledger, pubkey, config?.commitment ?? 'finalized')) }
    })
}

/** What addresses hold. */
export const accountMethods = {
  getBalance: method(z.tuple([p.pubkey, p.viewConfig.optional()]), (context, [{ bytes }, config]) =>
    withContext(slotFor(context, config), context.ledger.account(bytes, config?.commitment ?? 'finalized')?.lamports ?? 0)
  ),
  getAccountInfo: method(z.tuple([p.pubkey, p.accountConfig.optional()]), (context, [{ text, bytes }, config]) => {
    const commitment = config?.commitment ?? 'finalized'
    const account = context.ledger.account(bytes, commitment)
    const slot = slotFor(context, config)
    return withContext(slot, account === undefined ? null : viewAccount(account, config, parseTools(context.ledger, text, commitment)))
  }),
  getMultipleAccounts: method(
    z.tuple([
      z.array(p.pubkey).refine((keys) => keys.length <= MAX_MULTIPLE_ACCOUNTS, `Too many inputs provided; max ${MAX_MULTIPLE_ACCOUNTS}`),
      p.accountConfig.optional()
    ]),
    (context, [keys, config]) => {
      const commitment = config?.commitment ?? 'finalized'
      // unlike its sister, this one's encoding is base64 unless said otherwise
      const options = { ...config, encoding: config?.encoding ?? ('base64' as const) }
      return withContext(
        slotFor(context, config),
        keys.map(({ text, bytes }) => {
          const account = context.ledger.account(bytes, commitment)
          return account === undefined ? null : viewAccount(account, options, parseTools(context.ledger, text, commitment))
        })
      )
    }
  ),
  getProgramAccounts: method(z.tuple([p.pubkey, programConfig.optional()]), (context, [{ bytes }, config]) => {
    const matches = accountMatcher(config?.filters)
    const commitment = config?.commitment ?? 'finalized'
    const found = viewAccounts(
      context,
      context.ledger.programAccounts(bytes, commitment).filter(({ state }) => matches(state)),
      config
    )
    const slot = slotFor(context, config)
    return config?.withContext === true ? withContext(slot, found) : found
  }),
  getMinimumBalanceForRentExemption: method(z.tuple([p.usize, p.commitmentAlone.optional()]), ({ ledger }, [size]) => {
    if (size > MAX_ACCOUNT_BYTES) {
      throw new RpcError(INVALID_REQUEST, 'Invalid request')
    }
    return ledger.rentExemptLamports(Number(size))
  }),
  getLargestAccounts: method(
    z.tuple([
      z
        .object({ ...p.commitment, filter: z.enum(['circulating', 'nonCirculating']).nullish(), sortResults: z.boolean().nullish() })
        .nullish()
        .optional()
    ]),
    (context, [config]) => {
      // nothing is locked away here: every lamport circulates
      const accounts = config?.filter === 'nonCirculating' ? [] : context.ledger.allAccounts(config?.commitment ?? 'finalized')
      const largest = accounts
        .map(({ key, state }) => ({ address: encodeBase58(key), lamports: state.lamports }))
        .sort((a, b) => (a.lamports < b.lamports ? 1 : a.lamports > b.lamports ? -1 : a.address < b.address ? -1 : 1))
        .slice(0, MAX_LARGEST)
      return withContext(slotFor(context, config), largest)
    }
  )
}
