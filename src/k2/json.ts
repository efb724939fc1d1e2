// Solana's JSON holds unsigned 64-bit integers as plain numbers, beyond what a double can: these two keep them exact

const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown }

/** JSON text of `value`; a bigint becomes a number with all its digits. */
export function stringifyJson(value: unknown): string {
  return JSON.stringify(value, (_key, item) => (typeof item === 'bigint' ? rawJSON(item.toString()) : item))
}

type Reviver = (key: string, value: unknown, context: { source: string }) => unknown

/** 2^64 - 1 has 20 characters, and so has -2^63; what BigInt takes grows with the square of the digits. */
const MAX_INTEGER_CHARACTERS = 20
/** Reading them exactly takes a microsecond each, and this many hold a full block of Solana's. */
const MAX_EXACT_VALUES = 1_000_000

/** It may be JSON, and is none that anybody of good will would send. */
export class JsonLimitError extends SyntaxError {
  override name = 'JsonLimitError'
}

const exactIntegers: Reviver = (_key, value, { source }) => {
  if (typeof value !== 'number' || Number.isSafeInteger(value) || !/^-?\d+$/.test(source)) {
    return value
  }
  if (source.length > MAX_INTEGER_CHARACTERS) {
    throw new JsonLimitError(`an integer of ${source.length} characters, and none of 64 bits has more than ${MAX_INTEGER_CHARACTERS}`)
  }
  return BigInt(source)
}

/**
 * The value of JSON text; an integer that a double cannot hold becomes a bigint.
 *
 * @throws SyntaxError; JsonLimitError at an integer that is longer than any of 64 bits, and where more than a million values are with one
 */
export function parseJson(text: string): unknown {
  // the reviver is slow, and hardly any text has such a number
  if (!/(?<!\d)\d{16}/.test(text)) {
    return JSON.parse(text)
  }
  if (commasIn(text) >= MAX_EXACT_VALUES) {
    throw new JsonLimitError(`more than ${MAX_EXACT_VALUES} values, and integers past 2^53 among them`)
  }
  return JSON.parse(text, exactIntegers as Parameters<typeof JSON.parse>[1])
}

function commasIn(text: string): number {
  let count = 0
  for (let at = text.indexOf(','); at >= 0; at = text.indexOf(',', at + 1)) {
    count++
  }
  return count
}
