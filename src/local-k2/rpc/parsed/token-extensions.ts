import { ByteReader } from '../../byte-reader.ts'
import { type Extension, STATES } from '../../token-state.ts'

type Parse = (reader: ByteReader) => object

const transferFee = (r: ByteReader) => ({ epoch: r.u64(), maximumFee: r.u64(), transferFeeBasisPoints: r.u16() })

/** What is known of each kind of extension, by its number; without a parser it is only named. */
const EXTENSIONS: Record<number, [name: string, parse?: Parse]> = {
  1: [
    'transferFeeConfig',
    (r) => ({
      transferFeeConfigAuthority: r.pubkeyOrNull(),
      withdrawWithheldAuthority: r.pubkeyOrNull(),
      withheldAmount: r.u64(),
      olderTransferFee: transferFee(r),
      newerTransferFee: transferFee(r)
    })
  ],
  2: ['transferFeeAmount', (r) => ({ withheldAmount: r.u64() })],
  3: ['mintCloseAuthority', (r) => ({ closeAuthority: r.pubkeyOrNull() })],
  6: ['defaultAccountState', (r) => ({ accountState: STATES[r.u8()] })],
  7: ['immutableOwner'],
  8: ['memoTransfer', (r) => ({ requireIncomingTransferMemos: r.flag() })],
  9: ['nonTransferable'],
  10: [
    'interestBearingConfig',
    (r) => ({
      rateAuthority: r.pubkeyOrNull(),
      initializationTimestamp: r.i64(),
      preUpdateAverageRate: r.i16(),
      lastUpdateTimestamp: r.i64(),
      currentRate: r.i16()
    })
  ],
  11: ['cpiGuard', (r) => ({ lockCpi: r.flag() })],
  12: ['permanentDelegate', (r) => ({ delegate: r.pubkeyOrNull() })],
  13: ['nonTransferableAccount'],
  14: ['transferHook', (r) => ({ authority: r.pubkeyOrNull(), programId: r.pubkeyOrNull() })],
  15: ['transferHookAccount', (r) => ({ transferring: r.flag() })],
  18: ['metadataPointer', (r) => ({ authority: r.pubkeyOrNull(), metadataAddress: r.pubkeyOrNull() })],
  19: [
    'tokenMetadata',
    (r) => ({
      updateAuthority: r.pubkeyOrNull(),
      mint: r.pubkey(),
      name: r.text(4),
      symbol: r.text(4),
      uri: r.text(4),
      additionalMetadata: Array.from({ length: r.u32() }, () => [r.text(4), r.text(4)])
    })
  ],
  20: ['groupPointer', (r) => ({ authority: r.pubkeyOrNull(), groupAddress: r.pubkeyOrNull() })],
  21: ['tokenGroup', (r) => ({ updateAuthority: r.pubkeyOrNull(), mint: r.pubkey(), size: r.u64(), maxSize: r.u64() })],
  22: ['groupMemberPointer', (r) => ({ authority: r.pubkeyOrNull(), memberAddress: r.pubkeyOrNull() })],
  23: ['tokenGroupMember', (r) => ({ mint: r.pubkey(), group: r.pubkey(), memberNumber: r.u64() })],
  25: [
    'scaledUiAmountConfig',
    (r) => ({
      authority: r.pubkeyOrNull(),
      multiplier: `${r.f64()}`,
      newMultiplierEffectiveTimestamp: r.i64(),
      newMultiplier: `${r.f64()}`
    })
  ],
  26: ['pausableConfig', (r) => ({ authority: r.pubkeyOrNull(), paused: r.flag() })],
  27: ['pausableAccount']
}

/** The name of a kind of extension, as instructions list them. */
export function extensionName(type: number): string {
  return EXTENSIONS[type]?.[0] ?? 'unparseableExtension'
}

/** An extension as `jsonParsed` gives it; the confidential ones, and those that are not known, are named unparseable. */
export function viewExtension({ type, bytes }: Extension): object {
  const [extension, parse] = EXTENSIONS[type] ?? ['unparseableExtension']
  try {
    return parse === undefined ? { extension } : { extension, state: parse(new ByteReader(bytes)) }
  } catch {
    return { extension: 'unparseableExtension' }
  }
}
