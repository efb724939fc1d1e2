// Solana's JSON holds unsigned 64-bit integers as plain numbers, beyond what a double can: these two keep them exact

const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown }

/** JSON text of `value`; a bigint becomes a number with all its digits. */
export function stringifyJson(value: unknown): string {
  return JSON.stringify(value, (_key, item) => (typeof item === 'bigint' ? rawJSON(item.toString()) : item))
}

type Reviver = (key: string, value: unknown, context: { source: string }) => unknown

const exactIntegers: Reviver = (_key, value, { source }) =>
  typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(source) ? BigInt(source) : value

/**
 * The value of JSON text; an integer that a double cannot hold becomes a bigint.
 *
 * @throws SyntaxError
 */
export function parseJson(text: string): unknown {
  // the reviver is slow, and hardly any text has such a number
  return /\d{16}/.test(text) ? JSON.parse(text, exactIntegers as Parameters<typeof JSON.parse>[1]) : JSON.parse(text)
}
