/** 1 KOII = 1e9 ROE, the lamports of K2 (KOII.md, Money). */
export const ROE_PER_KOII = 1_000_000_000n

/** K2 counts ROE in 64 bits. */
const MAX_ROE = 2n ** 64n - 1n

/** "2.5" to 2500000000n; exact, with at most nine decimals. @throws RangeError, also past what 64 bits of ROE hold */
export function koiiToRoe(text: string): bigint {
  const match = /^(\d{1,11})(?:\.(\d{1,9}))?$/.exec(text)
  if (match == null) {
    throw new RangeError('an amount in KOII is a number such as 2 or 0.25, with at most nine decimals')
  }
  const roe = BigInt(match[1]!) * ROE_PER_KOII + BigInt((match[2] ?? '').padEnd(9, '0'))
  if (roe > MAX_ROE) {
    throw new RangeError(`K2 has no amount of more than ${roeToKoii(MAX_ROE)} KOII`)
  }
  return roe
}

/** 2500000000n to "2.5". */
export function roeToKoii(roe: bigint): string {
  const sign = roe < 0n ? '-' : ''
  const abs = roe < 0n ? -roe : roe
  const fraction = (abs % ROE_PER_KOII).toString().padStart(9, '0').replace(/0+$/, '')
  return `${sign}${abs / ROE_PER_KOII}${fraction === '' ? '' : `.${fraction}`}`
}
