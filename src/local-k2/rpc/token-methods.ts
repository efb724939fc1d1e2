import { z } from 'zod'
import { encodeBase58 } from '../base58.ts'
import type { Commitment } from '../ledger.ts'
import {
  decodeMint,
  decodeTokenAccount,
  type Mint,
  type TokenAccount,
  tokenProgramOf,
  type Unit,
  unitOf,
  viewAmount
} from '../token-state.ts'
import type { AccountState } from '../vm.ts'
import { viewAccounts } from './account-methods.ts'
import { method, type RpcContext, slotFor, withContext } from './context.ts'
import { invalidParams } from './errors.ts'
import * as p from './params.ts'

/** How many of a token's largest accounts are told, by Solana's rules. */
const MAX_LARGEST = 20

const view = z.tuple([p.pubkey, p.commitmentAlone.optional()])
const holderParams = z.tuple([
  p.pubkey,
  z.union([z.object({ mint: p.pubkey }), z.object({ programId: p.pubkey })], 'Invalid params: expected mint or programId'),
  p.accountConfig.optional()
])

/** Tokens of both token programs. */
export const tokenMethods = {
  getTokenAccountBalance: method(view, (context, [{ bytes }, config]) => {
    const commitment = config?.commitment ?? 'finalized'
    const state = context.ledger.account(bytes, commitment)
    if (state === undefined) {
      throw invalidParams('Invalid param: could not find account')
    }
    const account = decodeTokenAccount(state)
    const unit = account && unitOf(account.mint, (key) => context.ledger.account(key, commitment))
    if (account === undefined || unit === undefined) {
      throw invalidParams('Invalid param: not a Token account')
    }
    return withContext(slotFor(context, config), viewAmount(account.amount, unit))
  }),
  getTokenSupply: method(view, (context, [{ bytes }, config]) => {
    const { mint, unit } = mintAt(context, bytes, config?.commitment ?? 'finalized', 'could not find account')
    return withContext(slotFor(context, config), viewAmount(mint.supply, unit))
  }),
  getTokenLargestAccounts: method(view, (context, [{ bytes, text }, config]) => {
    const commitment = config?.commitment ?? 'finalized'
    const { unit, program } = mintAt(context, bytes, commitment, 'could not find mint')
    const largest = tokenAccounts(context, program, commitment)
      .filter(({ token }) => token.mint === text)
      .sort((a, b) => (a.token.amount < b.token.amount ? 1 : a.token.amount > b.token.amount ? -1 : Buffer.compare(a.key, b.key)))
      .slice(0, MAX_LARGEST)
      .map(({ key, token }) => ({ address: encodeBase58(key), ...viewAmount(token.amount, unit) }))
    return withContext(slotFor(context, config), largest)
  }),
  getTokenAccountsByOwner: method(holderParams, (context, [{ text }, filter, config]) =>
    heldAccounts(context, filter, config, ({ owner }) => owner === text)
  ),
  getTokenAccountsByDelegate: method(holderParams, (context, [{ text }, filter, config]) =>
    heldAccounts(context, filter, config, ({ delegate }) => delegate === text)
  )
}

function heldAccounts(
  context: RpcContext,
  filter: z.output<typeof holderParams>[1],
  config: z.output<typeof p.accountConfig>,
  isWanted: (token: TokenAccount) => boolean
) {
  const commitment = config?.commitment ?? 'finalized'
  const mint = 'mint' in filter ? filter.mint.text : undefined
  const program = 'mint' in filter ? mintAt(context, filter.mint.bytes, commitment, 'could not find mint').program : filter.programId.bytes
  if (tokenProgramOf(program) === undefined) {
    throw invalidParams('Invalid param: unrecognized Token program id')
  }
  const held = tokenAccounts(context, program, commitment).filter(
    ({ token }) => isWanted(token) && (mint === undefined || token.mint === mint)
  )
  return withContext(slotFor(context, config), viewAccounts(context, held, config))
}

function tokenAccounts({ ledger }: RpcContext, program: Uint8Array, commitment: Commitment) {
  return ledger.programAccounts(program, commitment).flatMap(({ key, state }) => {
    const token = decodeTokenAccount(state)
    return token === undefined ? [] : [{ key, state, token }]
  })
}

/** @throws RpcError where there is no mint */
function mintAt(
  { ledger }: RpcContext,
  key: Uint8Array,
  commitment: Commitment,
  absent: string
): { mint: Mint; unit: Unit; program: Uint8Array } {
  const state: AccountState | undefined = ledger.account(key, commitment)
  if (state === undefined) {
    throw invalidParams(`Invalid param: ${absent}`)
  }
  const mint = decodeMint(state)
  if (mint === undefined) {
    throw invalidParams('Invalid param: not a Token mint')
  }
  const unit = unitOf(encodeBase58(key), (other) => ledger.account(other, commitment)) ?? { decimals: mint.decimals }
  return { mint, unit, program: state.owner }
}
