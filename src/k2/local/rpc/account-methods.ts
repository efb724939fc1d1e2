import { z } from 'zod'
import { encodeBase58 } from '../base58.ts'
import { accountMatcher, viewAccount } from './account-view.ts'
import { method, slotFor, withContext } from './context.ts'
import * as p from './params.ts'

/** The most accounts that one getMultipleAccounts asks for, by Solana's rules. */
const MAX_MULTIPLE_ACCOUNTS = 100

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

/** What addresses hold. */
export const accountMethods = {
  getBalance: method(z.tuple([p.pubkey, p.viewConfig.optional()]), (context, [{ bytes }, config]) =>
    withContext(slotFor(context, config), context.ledger.account(bytes, config?.commitment ?? 'finalized')?.lamports ?? 0)
  ),
  getAccountInfo: method(z.tuple([p.pubkey, p.accountConfig.optional()]), (context, [{ bytes }, config]) => {
    const account = context.ledger.account(bytes, config?.commitment ?? 'finalized')
    return withContext(slotFor(context, config), account === undefined ? null : viewAccount(account, config))
  }),
  getMultipleAccounts: method(
    z.tuple([
      z.array(p.pubkey).refine((keys) => keys.length <= MAX_MULTIPLE_ACCOUNTS, `Too many inputs provided; max ${MAX_MULTIPLE_ACCOUNTS}`),
      p.accountConfig.optional()
    ]),
    (context, [keys, config]) => {
      const accounts = keys.map(({ bytes }) => context.ledger.account(bytes, config?.commitment ?? 'finalized'))
      // unlike its sister, this one's encoding is base64 unless said otherwise
      const options = { ...config, encoding: config?.encoding ?? ('base64' as const) }
      return withContext(
        slotFor(context, config),
        accounts.map((account) => (account === undefined ? null : viewAccount(account, options)))
      )
    }
  ),
  getProgramAccounts: method(z.tuple([p.pubkey, programConfig.optional()]), (context, [{ bytes }, config]) => {
    const matches = accountMatcher(config?.filters)
    const found = context.ledger
      .programAccounts(bytes, config?.commitment ?? 'finalized')
      .filter(({ state }) => matches(state))
      .sort((a, b) => Buffer.compare(a.key, b.key))
      .map(({ key, state }) => ({ pubkey: encodeBase58(key), account: viewAccount(state, config) }))
    const slot = slotFor(context, config)
    return config?.withContext === true ? withContext(slot, found) : found
  }),
  getMinimumBalanceForRentExemption: method(
    z.tuple([z.number().int().nonnegative(), z.object(p.commitment).nullish().optional()]),
    ({ ledger }, [size]) => ledger.rentExemptLamports(size)
  )
}
