/** Instructions of the token programs, and of the one that makes token accounts, as the RPC tells them. */
import type { ByteReader } from '../../byte-reader.ts'
import { viewAmount } from '../../token-state.ts'
import { type Accounts, type ParsedInstruction, signers } from './instruction-accounts.ts'
import { extensionTypes, parseExtension } from './token-extension-instructions.ts'

/** What setAuthority may be about, by its number; the first two are a mint's. */
const AUTHORITIES = [
  ...['mintTokens', 'freezeAccount', 'accountOwner', 'closeAccount', 'transferFeeConfig', 'withheldWithdraw', 'closeMint'],
  ...['interestRate', 'permanentDelegate', 'confidentialTransferMint', 'transferHookProgramId', 'confidentialTransferFeeConfig'],
  ...['metadataPointer', 'groupPointer', 'groupMemberPointer', 'scaledUiAmount', 'pause']
]
const ACCOUNT_AUTHORITIES = ['accountOwner', 'closeAccount']

/**
 * An instruction of either token program: all of the first one's, and those of Token-2022 but for confidential transfers and scaled amounts.
 * Source of the layouts: `@solana/spl-token` (src/instructions, src/extensions).
 */
export function parseToken(accounts: Accounts, data: ByteReader): ParsedInstruction | undefined {
  const key = () => data.option(() => data.pubkey())
  /** The accounts under `names`, then who allows it: one signer, or a multisig and its signers. */
  const by = (owner: string, ...names: string[]) => ({ ...accounts.named(...names), ...signers(accounts, names.length, owner) })
  const amount = () => ({ amount: `${data.u64()}` })
  const checked = () => {
    const value = data.u64()
    return { tokenAmount: viewAmount(value, data.u8()) }
  }
  const mintFacts = () => {
    const [decimals, mintAuthority, freezeAuthority] = [data.u8(), data.pubkey(), key()]
    return { decimals, mintAuthority, ...(freezeAuthority === undefined ? {} : { freezeAuthority }) }
  }
  const kind = data.u8()
  switch (kind) {
    case 0:
      return { type: 'initializeMint', info: { ...accounts.named('mint', 'rentSysvar'), ...mintFacts() } }
    case 1:
      return { type: 'initializeAccount', info: accounts.named('account', 'mint', 'owner', 'rentSysvar') }
    case 2:
      return {
        type: 'initializeMultisig',
        info: { ...accounts.named('multisig', 'rentSysvar'), signers: accounts.all.slice(2), m: data.u8() }
      }
    case 3:
      return { type: 'transfer', info: { ...amount(), ...by('authority', 'source', 'destination') } }
    case 4:
      return { type: 'approve', info: { ...amount(), ...by('owner', 'source', 'delegate') } }
    case 5:
      return { type: 'revoke', info: by('owner', 'source') }
    case 6: {
      const authorityType = AUTHORITIES[data.u8()]
      if (authorityType === undefined) {
        return undefined
      }
      const of = ACCOUNT_AUTHORITIES.includes(authorityType) ? 'account' : 'mint'
      return { type: 'setAuthority', info: { ...by('authority', of), authorityType, newAuthority: key() ?? null } }
    }
    case 7:
      return { type: 'mintTo', info: { ...amount(), ...by('mintAuthority', 'mint', 'account') } }
    case 8:
      return { type: 'burn', info: { ...amount(), ...by('authority', 'account', 'mint') } }
    case 9:
      return { type: 'closeAccount', info: by('owner', 'account', 'destination') }
    case 10:
    case 11:
      return { type: kind === 10 ? 'freezeAccount' : 'thawAccount', info: by('freezeAuthority', 'account', 'mint') }
    case 12:
      return { type: 'transferChecked', info: { ...checked(), ...by('authority', 'source', 'mint', 'destination') } }
    case 13:
      return { type: 'approveChecked', info: { ...checked(), ...by('owner', 'source', 'mint', 'delegate') } }
    case 14:
      return { type: 'mintToChecked', info: { ...checked(), ...by('mintAuthority', 'mint', 'account') } }
    case 15:
      return { type: 'burnChecked', info: { ...checked(), ...by('authority', 'account', 'mint') } }
    case 16:
      return {
        type: 'initializeAccount2',
        info: { account: accounts.at(0), mint: accounts.at(1), rentSysvar: accounts.at(2), owner: data.pubkey() }
      }
    case 17:
      return { type: 'syncNative', info: accounts.named('account') }
    case 18:
      return { type: 'initializeAccount3', info: { ...accounts.named('account', 'mint'), owner: data.pubkey() } }
    case 19:
      return { type: 'initializeMultisig2', info: { ...accounts.named('multisig'), signers: accounts.all.slice(1), m: data.u8() } }
    case 20:
      return { type: 'initializeMint2', info: { ...accounts.named('mint'), ...mintFacts() } }
    case 21: {
      const types = extensionTypes(data)
      return { type: 'getAccountDataSize', info: { ...accounts.named('mint'), ...(types.length === 0 ? {} : { extensionTypes: types }) } }
    }
    case 22:
      return { type: 'initializeImmutableOwner', info: accounts.named('account') }
    case 23:
      return { type: 'amountToUiAmount', info: { ...accounts.named('mint'), ...amount() } }
    case 24:
      return { type: 'uiAmountToAmount', info: { ...accounts.named('mint'), uiAmount: data.rest().toString('utf8') } }
    default:
      return parseExtension(kind, accounts, data)
  }
}

/** An instruction of the program that makes a wallet's own token accounts. */
export function parseAssociated(accounts: Accounts, data: ByteReader): ParsedInstruction | undefined {
  const names = ['source', 'account', 'wallet', 'mint', 'systemProgram', 'tokenProgram']
  switch (data.left === 0 ? 0 : data.u8()) {
    case 0:
      return { type: 'create', info: accounts.named(...names) }
    case 1:
      return { type: 'createIdempotent', info: accounts.named(...names) }
    case 2: {
      const nested = ['nestedSource', 'nestedMint', 'destination', 'nestedOwner', 'ownerMint', 'wallet', 'tokenProgram']
      return { type: 'recoverNested', info: accounts.named(...nested) }
    }
    default:
      return undefined
  }
}
