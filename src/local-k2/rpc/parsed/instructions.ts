import { ByteReader } from '../../byte-reader.ts'
import { TOKEN_2022_PROGRAM, TOKEN_PROGRAM } from '../../token-state.ts'
import { SYSTEM_PROGRAM, UPGRADEABLE_LOADER } from '../../vm.ts'
import { Accounts, type InstructionParser, type ParsedInstruction } from './instruction-accounts.ts'
import { parseSystem } from './system-instructions.ts'
import { parseAssociated, parseToken } from './token-instructions.ts'

/** An instruction with addresses in base58 for its accounts. */
export interface PlainInstruction {
  programId: string
  accounts: string[]
  data: Uint8Array
}

/** The programs whose instructions Solana's nodes read, with the names that they give them. */
const PARSERS: Record<string, { program: string; parse: InstructionParser }> = {
  [SYSTEM_PROGRAM]: { program: 'system', parse: parseSystem },
  [TOKEN_PROGRAM]: { program: 'spl-token', parse: parseToken },
  [TOKEN_2022_PROGRAM]: { program: 'spl-token', parse: parseToken },
  ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL: { program: 'spl-associated-token-account', parse: parseAssociated },
  Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo: { program: 'spl-memo', parse: parseMemo },
  MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr: { program: 'spl-memo', parse: parseMemo },
  [UPGRADEABLE_LOADER]: { program: 'bpf-upgradeable-loader', parse: parseLoader },
  AddressLookupTab1e1111111111111111111111111: { program: 'address-lookup-table', parse: parseLookupTable },
  Stake11111111111111111111111111111111111111: { program: 'stake', parse: parseStake }
}

/** The memo programs, whose texts are told beside signatures. */
export const MEMO_PROGRAMS = Object.keys(PARSERS).filter((id) => PARSERS[id]?.program === 'spl-memo')

/** What `jsonParsed` gives for an instruction, or undefined where there is no parser for it: it goes out as it is then, as on Solana. */
export function parseInstruction({
  programId,
  accounts,
  data
}: PlainInstruction): { program: string; parsed: ParsedInstruction } | undefined {
  const parser = PARSERS[programId]
  if (parser === undefined) {
    return undefined
  }
  try {
    const parsed = parser.parse(new Accounts(accounts), new ByteReader(data))
    return parsed === undefined ? undefined : { program: parser.program, parsed }
  } catch (err) {
    if (err instanceof RangeError) {
      return undefined
    }
    throw err
  }
}

/** The memos of a transaction in Solana's words: each with its length in bytes, or null where there are none. */
export function memosOf(instructions: Iterable<{ programId: string; data: Uint8Array }>): string | null {
  const memos: string[] = []
  for (const { programId, data } of instructions) {
    const text = MEMO_PROGRAMS.includes(programId) ? decodeText(data) : undefined
    if (text !== undefined) {
      memos.push(`[${data.length}] ${text}`)
    }
  }
  return memos.length === 0 ? null : memos.join('; ')
}

function parseMemo(_accounts: Accounts, data: ByteReader): string | undefined {
  return decodeText(data.rest())
}

function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function parseLoader(accounts: Accounts, data: ByteReader): ParsedInstruction | undefined {
  switch (data.u32()) {
    case 0:
      return { type: 'initializeBuffer', info: { ...accounts.named('account'), ...accounts.optional('authority', 1) } }
    case 1: {
      const offset = data.u32()
      const bytes = data.bytes(Number(data.u64())).toString('base64')
      return { type: 'write', info: { offset, bytes, ...accounts.named('account', 'authority') } }
    }
    case 2: {
      const names = ['payerAccount', 'programDataAccount', 'programAccount', 'bufferAccount', 'rentSysvar', 'clockSysvar', 'systemProgram']
      return { type: 'deployWithMaxDataLen', info: { maxDataLen: data.u64(), ...accounts.named(...names, 'authority') } }
    }
    case 3: {
      const names = ['programDataAccount', 'programAccount', 'bufferAccount', 'spillAccount', 'rentSysvar', 'clockSysvar', 'authority']
      return { type: 'upgrade', info: accounts.named(...names) }
    }
    case 4:
      return { type: 'setAuthority', info: { ...accounts.named('account', 'authority'), newAuthority: accounts.all[2] ?? null } }
    case 5:
      return {
        type: 'close',
        info: { ...accounts.named('account', 'recipient', 'authority'), ...accounts.optional('programAccount', 3) }
      }
    case 6: {
      const info = {
        additionalBytes: data.u32(),
        ...accounts.named('programDataAccount', 'programAccount'),
        systemProgram: accounts.all[2] ?? null,
        payerAccount: accounts.all[3] ?? null
      }
      return { type: 'extendProgram', info }
    }
    case 7:
      return { type: 'setAuthorityChecked', info: accounts.named('account', 'authority', 'newAuthority') }
    default:
      return undefined
  }
}

function parseLookupTable(accounts: Accounts, data: ByteReader): ParsedInstruction | undefined {
  const table = () => accounts.named('lookupTableAccount', 'lookupTableAuthority')
  switch (data.u32()) {
    case 0: {
      const numbers = { recentSlot: data.u64(), bumpSeed: data.u8() }
      return {
        type: 'createLookupTable',
        info: { ...accounts.named('lookupTableAccount', 'lookupTableAuthority', 'payerAccount', 'systemProgram'), ...numbers }
      }
    }
    case 1:
      return { type: 'freezeLookupTable', info: table() }
    case 2: {
      const newAddresses = Array.from({ length: Number(data.u64()) }, () => data.pubkey())
      const payer = { ...accounts.optional('payerAccount', 2), ...accounts.optional('systemProgram', 3) }
      return { type: 'extendLookupTable', info: { ...table(), newAddresses, ...payer } }
    }
    case 3:
      return { type: 'deactivateLookupTable', info: table() }
    case 4:
      return { type: 'closeLookupTable', info: accounts.named('lookupTableAccount', 'lookupTableAuthority', 'recipient') }
    default:
      return undefined
  }
}

function parseStake(accounts: Accounts, data: ByteReader): ParsedInstruction | undefined {
  switch (data.u32()) {
    case 0: {
      const authorized = { staker: data.pubkey(), withdrawer: data.pubkey() }
      const lockup = { unixTimestamp: data.i64(), epoch: data.u64(), custodian: data.pubkey() }
      return { type: 'initialize', info: { ...accounts.named('stakeAccount', 'rentSysvar'), authorized, lockup } }
    }
    case 1: {
      const newAuthority = data.pubkey()
      const authorityType = data.u32() === 0 ? 'Staker' : 'Withdrawer'
      return {
        type: 'authorize',
        info: {
          ...accounts.named('stakeAccount', 'clockSysvar', 'authority'),
          newAuthority,
          authorityType,
          ...accounts.optional('custodian', 3)
        }
      }
    }
    case 2: {
      const names = ['stakeAccount', 'voteAccount', 'clockSysvar', 'stakeHistorySysvar', 'stakeConfigAccount', 'stakeAuthority']
      return { type: 'delegate', info: accounts.named(...names) }
    }
    case 3:
      return { type: 'split', info: { ...accounts.named('stakeAccount', 'newSplitAccount', 'stakeAuthority'), lamports: data.u64() } }
    case 4: {
      const names = ['stakeAccount', 'destination', 'clockSysvar', 'stakeHistorySysvar', 'withdrawAuthority']
      return { type: 'withdraw', info: { ...accounts.named(...names), lamports: data.u64(), ...accounts.optional('custodian', 5) } }
    }
    case 5:
      return { type: 'deactivate', info: accounts.named('stakeAccount', 'clockSysvar', 'stakeAuthority') }
    case 7: {
      const names = ['destination', 'source', 'clockSysvar', 'stakeHistorySysvar', 'stakeAuthority']
      return { type: 'merge', info: accounts.named(...names) }
    }
    default:
      return undefined
  }
}
