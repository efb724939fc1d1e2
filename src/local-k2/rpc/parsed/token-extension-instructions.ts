/** Instructions that Token-2022 has beside those of the first token program: about extensions of mints and accounts. */
import type { ByteReader } from '../../byte-reader.ts'
import { STATES, viewAmount } from '../../token-state.ts'
import { type Accounts, type ParsedInstruction, signers } from './instruction-accounts.ts'
import { extensionName } from './token-extensions.ts'

/**
 * All of them but for confidential transfers and scaled amounts. Source of the layouts: `@solana/spl-token` (src/extensions).
 *
 * @param data - behind the number of the instruction, `kind`
 */
export function parseExtension(kind: number, accounts: Accounts, data: ByteReader): ParsedInstruction | undefined {
  const key = () => data.option(() => data.pubkey())
  /** The accounts under `names`, then who allows it: one signer, or a multisig and its signers. */
  const by = (owner: string, ...names: string[]) => ({ ...accounts.named(...names), ...signers(accounts, names.length, owner) })
  /** A mint's extension that is an authority and an address: set up at first, moved later. */
  const pointer = (what: string, field: string): ParsedInstruction => {
    const initializes = data.u8() === 0
    const authority = initializes ? data.pubkeyOrNull() : null
    const target = data.pubkeyOrNull()
    const told = { ...(authority === null ? {} : { authority }), ...(target === null ? {} : { [field]: target }) }
    return initializes
      ? { type: `initialize${what}`, info: { ...accounts.named('mint'), ...told } }
      : { type: `update${what}`, info: { ...by('authority', 'mint'), ...told } }
  }
  switch (kind) {
    case 25:
      return { type: 'initializeMintCloseAuthority', info: { ...accounts.named('mint'), newAuthority: key() ?? null } }
    case 26:
      return parseTransferFee(accounts, data)
    case 28: {
      const initializes = data.u8() === 0
      const accountState = STATES[data.u8()]
      return initializes
        ? { type: 'initializeDefaultAccountState', info: { ...accounts.named('mint'), accountState } }
        : { type: 'updateDefaultAccountState', info: { ...by('freezeAuthority', 'mint'), accountState } }
    }
    case 29:
      return { type: 'reallocate', info: { ...by('owner', 'account', 'payer', 'systemProgram'), extensionTypes: extensionTypes(data) } }
    case 30:
      return { type: data.u8() === 0 ? 'enableRequiredMemoTransfers' : 'disableRequiredMemoTransfers', info: by('owner', 'account') }
    case 31:
      return { type: 'createNativeMint', info: accounts.named('payer', 'nativeMint', 'systemProgram') }
    case 32:
      return { type: 'initializeNonTransferableMint', info: accounts.named('mint') }
    case 34:
      return { type: data.u8() === 0 ? 'enableCpiGuard' : 'disableCpiGuard', info: by('owner', 'account') }
    case 35:
      return { type: 'initializePermanentDelegate', info: { ...accounts.named('mint'), delegate: data.pubkey() } }
    case 33: {
      const initializes = data.u8() === 0
      return initializes
        ? {
            type: 'initializeInterestBearingConfig',
            info: { ...accounts.named('mint'), rateAuthority: data.pubkeyOrNull(), rate: data.i16() }
          }
        : { type: 'updateInterestBearingConfigRate', info: { ...by('rateAuthority', 'mint'), newRate: data.i16() } }
    }
    case 36:
      return pointer('TransferHook', 'programId')
    case 39:
      return pointer('MetadataPointer', 'metadataAddress')
    case 40:
      return pointer('GroupPointer', 'groupAddress')
    case 41:
      return pointer('GroupMemberPointer', 'memberAddress')
    case 44:
      switch (data.u8()) {
        case 0:
          return { type: 'initializePausableConfig', info: { ...accounts.named('mint'), authority: data.pubkey() } }
        case 1:
          return { type: 'pause', info: by('authority', 'mint') }
        case 2:
          return { type: 'resume', info: by('authority', 'mint') }
        default:
          return undefined
      }
    default:
      return undefined
  }
}

/** The names of those whose numbers are all that is left. */
export function extensionTypes(data: ByteReader): string[] {
  return Array.from({ length: Math.floor(data.left / 2) }, () => extensionName(data.u16()))
}

function parseTransferFee(accounts: Accounts, data: ByteReader): ParsedInstruction | undefined {
  const key = () => data.option(() => data.pubkey())
  switch (data.u8()) {
    case 0: {
      const [configAuthority, withdrawAuthority] = [key(), key()]
      const info = {
        ...accounts.named('mint'),
        ...(configAuthority === undefined ? {} : { transferFeeConfigAuthority: configAuthority }),
        ...(withdrawAuthority === undefined ? {} : { withdrawWithheldAuthority: withdrawAuthority }),
        transferFeeBasisPoints: data.u16(),
        maximumFee: data.u64()
      }
      return { type: 'initializeTransferFeeConfig', info }
    }
    case 1: {
      const [amount, decimals, fee] = [data.u64(), data.u8(), data.u64()]
      const info = {
        ...accounts.named('source', 'mint', 'destination'),
        tokenAmount: viewAmount(amount, decimals),
        feeAmount: viewAmount(fee, decimals),
        ...signers(accounts, 3, 'authority')
      }
      return { type: 'transferCheckedWithFee', info }
    }
    case 2: {
      const info = { ...accounts.named('mint', 'feeRecipient'), ...signers(accounts, 2, 'withdrawWithheldAuthority') }
      return { type: 'withdrawWithheldTokensFromMint', info }
    }
    case 4:
      return { type: 'harvestWithheldTokensToMint', info: { ...accounts.named('mint'), sourceAccounts: accounts.all.slice(1) } }
    case 5: {
      const info = { transferFeeBasisPoints: data.u16(), maximumFee: data.u64() }
      return { type: 'setTransferFee', info: { ...accounts.named('mint'), ...info, ...signers(accounts, 1, 'transferFeeConfigAuthority') } }
    }
    default:
      return undefined
  }
}
