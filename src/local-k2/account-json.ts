import { zstdDecompressSync } from 'node:zlib'
import { z } from 'zod'
import { decodeBase58 } from './base58.ts'
import type { AccountState } from './vm.ts'

/** The most data of an account, by Solana's rules. */
export const MAX_ACCOUNT_BYTES = 10 * 1024 * 1024
/** base58 takes quadratic time; Solana's nodes write no more than 128 bytes in it. */
const MAX_BASE58_CHARACTERS = 2048
const U64_MAX = 2n ** 64n - 1n

function fail(check: z.core.$RefinementCtx, message: string): never {
  check.addIssue({ code: 'custom', message })
  return z.NEVER
}

/** base58 of 32 bytes. */
export const addressText = z.string('should be an address in base58').transform((text, check): string => {
  let length = 0
  try {
    // no address has more
    length = text.length > 44 ? 0 : decodeBase58(text).length
  } catch {
    // told as one that is not 32 bytes
  }
  return length === 32 ? text : fail(check, 'is not an address, which is 32 bytes in base58')
})

const u64 = z.union([z.number(), z.bigint()], 'should be a whole number of 64 bits').transform((value, check): bigint => {
  const isWhole = typeof value === 'bigint' || Number.isSafeInteger(value)
  return isWhole && value >= 0 && value <= U64_MAX ? BigInt(value) : fail(check, `is ${value}, and should be a whole number of 64 bits`)
})

// a node writes the largest number of 64 bits here, and programs that read JSON's numbers as doubles round it up
const rentEpoch = z
  .union([z.number(), z.bigint()])
  .transform((value) => (BigInt(Math.trunc(Number(value))) === U64_MAX + 1n ? U64_MAX : value))
  .pipe(u64)

const data = z.unknown().transform((value, check): Uint8Array => {
  const [text, encoding] = Array.isArray(value) && value.length === 2 ? (value as unknown[]) : [value, 'base58']
  if (typeof text !== 'string' || typeof encoding !== 'string') {
    return fail(check, 'is parsed or is no data: it should be ["...", "base64"], as `solana account --output json` writes it')
  }
  const bytes = decode(text, encoding)
  if (typeof bytes === 'string') {
    return fail(check, bytes)
  }
  return bytes.length <= MAX_ACCOUNT_BYTES
    ? bytes
    : fail(check, `has ${bytes.length} bytes, and an account has ${MAX_ACCOUNT_BYTES} at most`)
})

/** The bytes, or what is wrong with the text. */
function decode(text: string, encoding: string): Uint8Array | string {
  const isBase64 = text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text)
  switch (encoding) {
    case 'base64':
      return isBase64 ? Buffer.from(text, 'base64') : 'is not base64'
    case 'base64+zstd':
      try {
        return isBase64 ? zstdDecompressSync(Buffer.from(text, 'base64'), { maxOutputLength: MAX_ACCOUNT_BYTES }) : 'is not base64'
      } catch (err) {
        return `is not zstd, or has more than ${MAX_ACCOUNT_BYTES} bytes (${(err as Error).message})`
      }
    case 'base58':
      try {
        return text.length <= MAX_BASE58_CHARACTERS ? decodeBase58(text) : 'is too long for base58: use base64'
      } catch {
        return 'is not base58'
      }
    default:
      return `is in "${encoding.slice(0, 40)}", and should be in base64`
  }
}

/** An account as JSON-RPC and the Solana CLI write it. */
export const accountJson = z
  .object(
    {
      lamports: u64,
      data,
      owner: addressText,
      executable: z.boolean('should be true or false'),
      rentEpoch: rentEpoch.default(U64_MAX)
    },
    'should be an object'
  )
  .transform(({ lamports, owner, ...rest }, check): AccountState => {
    return lamports > 0n ? { lamports, owner: decodeBase58(owner), ...rest } : fail(check, 'has no lamports, and no account has none')
  })

/** What is wrong first, with the field that it is wrong about. */
export function firstFault(error: z.ZodError): string {
  const { path, message } = error.issues[0]!
  return path.length === 0 ? message : `${path.join('.')} ${message}`
}
