import { LIMITS } from '../wire/index.ts'

/** A reason is one line on the wire: cut at a character, not in the middle of one. */
export function clip(reason: string): string {
  const bytes = Buffer.from(reason.replaceAll(/\s+/g, ' ').trim())
  return bytes.length <= LIMITS.reasonBytes
    ? bytes.toString()
    : bytes
        .subarray(0, LIMITS.reasonBytes - 3)
        .toString()
        .replace(/\uFFFD+$/, '')
}
