import { z } from 'zod'
import { decodeBase58 } from '../base58.ts'

// the parts that the methods' parameters are made of; null stands for absent everywhere, as Solana's nodes take it

function bytesInBase58(length: number) {
  return z.string().transform((text, check) => {
    let bytes: Uint8Array | undefined
    try {
      bytes = decodeBase58(text)
    } catch {
      // the words are those of Solana's nodes
    }
    if (bytes?.length !== length) {
      check.addIssue({ code: 'custom', message: bytes === undefined ? 'Invalid param: Invalid' : 'Invalid param: WrongSize' })
      return z.NEVER
    }
    return { text, bytes }
  })
}

export const pubkey = bytesInBase58(32)
export const signature = bytesInBase58(64)
export const slot = z.number().int().nonnegative()

export const commitment = { commitment: z.enum(['processed', 'confirmed', 'finalized']).nullish() }
export const minContextSlot = { minContextSlot: slot.nullish() }
export const accountEncoding = z.enum(['binary', 'base58', 'base64', 'base64+zstd', 'jsonParsed']).nullish()
export const transactionEncoding = z.enum(['json', 'jsonParsed', 'base58', 'base64', 'binary']).nullish()
export const dataSlice = z.object({ offset: z.number().int().nonnegative(), length: z.number().int().nonnegative() }).nullish()

/** Commitment and the least slot: the configuration of most methods. */
export const viewConfig = z.object({ ...commitment, ...minContextSlot }).nullish()
export const accountConfig = z.object({ ...commitment, ...minContextSlot, encoding: accountEncoding, dataSlice }).nullish()

const memcmp = z.object({
  offset: z.number().int().nonnegative(),
  bytes: z.union([z.string(), z.array(z.number().int().min(0).max(255))]),
  encoding: z.enum(['base58', 'base64', 'bytes', 'binary']).nullish()
})
/** At most so many filters of program accounts, by Solana's rules. */
const MAX_FILTERS = 4
export const accountFilters = z
  .array(z.union([z.object({ memcmp }), z.object({ dataSize: z.number().int().nonnegative() })]))
  .refine((filters) => filters.length <= MAX_FILTERS, `Too many filters provided; max ${MAX_FILTERS}`)
  .nullish()
