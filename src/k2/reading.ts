import { PublicKey } from '@solana/web3.js'
import { K2ArgumentError } from './errors.ts'

/** As text that is equal where the values are. */
export function toText(value: unknown): string {
  return (
    JSON.stringify(value, (_key, inner: unknown) =>
      typeof inner === 'bigint' ? `${inner}` : inner instanceof Uint8Array ? Buffer.from(inner).toString('hex') : inner
    ) ?? 'none'
  )
}

/** @throws K2ArgumentError */
export function publicKey(text: string, what: string, hint: string): PublicKey {
  try {
    return new PublicKey(text)
  } catch {
    throw new K2ArgumentError(`"${text}" is not the address of ${what}, which is 32 bytes in base58: see ${hint}`)
  }
}
