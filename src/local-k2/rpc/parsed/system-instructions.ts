import type { ByteReader } from '../../byte-reader.ts'
import type { Accounts, ParsedInstruction } from './instruction-accounts.ts'

/** An instruction of the system program. Source of the layouts: `@solana/web3.js` (src/programs/system.ts). */
export function parseSystem(accounts: Accounts, data: ByteReader): ParsedInstruction | undefined {
  switch (data.u32()) {
    case 0: {
      const [lamports, space, owner] = [data.u64(), data.u64(), data.pubkey()]
      return { type: 'createAccount', info: { ...accounts.named('source', 'newAccount'), lamports, space, owner } }
    }
    case 1:
      return { type: 'assign', info: { ...accounts.named('account'), owner: data.pubkey() } }
    case 2:
      return { type: 'transfer', info: { ...accounts.named('source', 'destination'), lamports: data.u64() } }
    case 3: {
      const [base, seed, lamports, space, owner] = [data.pubkey(), data.text(8), data.u64(), data.u64(), data.pubkey()]
      return { type: 'createAccountWithSeed', info: { ...accounts.named('source', 'newAccount'), base, seed, lamports, space, owner } }
    }
    case 4:
      return { type: 'advanceNonce', info: accounts.named('nonceAccount', 'recentBlockhashesSysvar', 'nonceAuthority') }
    case 5: {
      const names = ['nonceAccount', 'destination', 'recentBlockhashesSysvar', 'rentSysvar', 'nonceAuthority']
      return { type: 'withdrawFromNonce', info: { ...accounts.named(...names), lamports: data.u64() } }
    }
    case 6: {
      const info = { ...accounts.named('nonceAccount', 'recentBlockhashesSysvar', 'rentSysvar'), nonceAuthority: data.pubkey() }
      return { type: 'initializeNonce', info }
    }
    case 7:
      return { type: 'authorizeNonce', info: { ...accounts.named('nonceAccount', 'nonceAuthority'), newAuthorized: data.pubkey() } }
    case 8:
      return { type: 'allocate', info: { ...accounts.named('account'), space: data.u64() } }
    case 9: {
      const [base, seed, space, owner] = [data.pubkey(), data.text(8), data.u64(), data.pubkey()]
      return { type: 'allocateWithSeed', info: { ...accounts.named('account'), base, seed, space, owner } }
    }
    case 10: {
      const [base, seed, owner] = [data.pubkey(), data.text(8), data.pubkey()]
      return { type: 'assignWithSeed', info: { ...accounts.named('account'), base, seed, owner } }
    }
    case 11: {
      const [lamports, sourceSeed, sourceOwner] = [data.u64(), data.text(8), data.pubkey()]
      return {
        type: 'transferWithSeed',
        info: { ...accounts.named('source', 'sourceBase', 'destination'), lamports, sourceSeed, sourceOwner }
      }
    }
    case 12:
      return { type: 'upgradeNonce', info: accounts.named('nonceAccount') }
    default:
      return undefined
  }
}
