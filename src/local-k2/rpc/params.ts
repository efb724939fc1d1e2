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

/** An integer of a request: a bigint where a double would not hold it. */
export type Integer = number | bigint

/**
 * An unsigned integer of Rust's, whose words for what is none of it clients know: the whole range is taken, and nothing beyond.
 * Source of the words: serde (de/mod.rs, Unexpected) and jsonrpc-core (types/params.rs).
 */
function unsigned(name: 'u64' | 'usize' | 'u8', bits: number) {
  return z.unknown().transform((value, check): Integer => {
    const isInteger = typeof value === 'bigint' || Number.isSafeInteger(value)
    if (isInteger && (value as Integer) >= 0 && BigInt(value as Integer) >> BigInt(bits) === 0n) {
      return value as Integer
    }
    check.addIssue({ code: 'custom', message: `Invalid params: ${unexpected(value)}, expected ${name}.` })
    return z.NEVER
  })
}

function unexpected(value: unknown): string {
  const kind = (text: string) => `invalid type: ${text}`
  switch (typeof value) {
    case 'bigint':
      // what fits neither 64 bits is a floating point number to serde's JSON
      return value < 2n ** 64n && value >= -(2n ** 63n) ? `invalid value: integer \`${value}\`` : kind(floating(Number(value)))
    case 'number':
      return Number.isSafeInteger(value) ? `invalid value: integer \`${value}\`` : kind(floating(value))
    case 'string':
      return kind(`string ${JSON.stringify(value.slice(0, MAX_TOLD))}`)
    case 'boolean':
      return kind(`boolean \`${value}\``)
    default:
      return kind(value == null ? 'null' : Array.isArray(value) ? 'sequence' : 'map')
  }
}

/** How much of a wrong text is told. */
const MAX_TOLD = 100

/** A double as Rust shows it: the shortest digits that mean it, without an exponent. */
function floating(value: number): string {
  const [digits, exponent] = String(value).split('e+') as [string, string?]
  const whole = exponent === undefined ? digits : digits.replace('.', '').padEnd(Number(exponent) + (value < 0 ? 2 : 1), '0')
  return `floating point \`${whole}${Number.isInteger(value) ? '.0' : ''}\``
}

export const u64 = unsigned('u64', 64)
export const usize = unsigned('usize', 64)
export const u8 = unsigned('u8', 8)
export const slot = u64

/** What may be one of several shapes; null stands for absent. `name` is that of Rust's enum, which clients are told. */
export function untagged<S extends readonly [z.ZodType, ...z.ZodType[]]>(name: string, ...shapes: S) {
  const either = z.union(shapes).nullish()
  return z.unknown().transform((value, check) => {
    const { success, data } = either.safeParse(value)
    if (!success) {
      check.addIssue({ code: 'custom', message: `Invalid params: data did not match any variant of untagged enum ${name}.` })
      return z.NEVER
    }
    return data as z.output<S[number]> | null | undefined
  })
}

/** A configuration, or in its place the encoding alone, as it once was. */
export function encodingOr<C extends z.ZodType>(config: C) {
  const alone = transactionEncoding
    .unwrap()
    .unwrap()
    .transform((encoding) => ({ encoding }))
  return untagged('RpcEncodingConfigWrapper', alone, config).transform((given) => given as z.output<C> | null | undefined)
}

export const commitment = { commitment: z.enum(['processed', 'confirmed', 'finalized']).nullish() }
export const minContextSlot = { minContextSlot: slot.nullish() }
export const accountEncoding = z.enum(['binary', 'base58', 'base64', 'base64+zstd', 'jsonParsed']).nullish()
export const transactionEncoding = z.enum(['json', 'jsonParsed', 'base58', 'base64', 'binary']).nullish()
export const dataSlice = z.object({ offset: usize, length: usize }).nullish()

/** Rust's CommitmentConfig itself: where there is one, it has its field. */
export const commitmentAlone = z
  .object(commitment)
  .refine((config) => config.commitment != null, 'Invalid params: missing field `commitment`.')
  .nullish()
/** Commitment and the least slot: the configuration of most methods. */
export const viewConfig = z.object({ ...commitment, ...minContextSlot }).nullish()
export const accountConfig = z.object({ ...commitment, ...minContextSlot, encoding: accountEncoding, dataSlice }).nullish()

const memcmp = z.object({
  offset: usize,
  bytes: z.union([z.string(), z.array(z.number().int().min(0).max(255))]),
  encoding: z.enum(['base58', 'base64', 'bytes', 'binary']).nullish()
})
/** At most so many filters of program accounts, by Solana's rules. */
const MAX_FILTERS = 4
export const accountFilters = z
  .array(z.union([z.object({ memcmp }), z.object({ dataSize: u64 })]))
  .refine((filters) => filters.length <= MAX_FILTERS, `Too many filters provided; max ${MAX_FILTERS}`)
  .nullish()
