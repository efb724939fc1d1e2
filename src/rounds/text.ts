import { LIMITS } from '../wire/index.ts'

const CUT = ' …'

/** A reason is one line on the wire: what is too long ends in `…`, after a whole word where one ends nearby, and never in the middle of a character. */
export function clip(reason: string): string {
  const bytes = Buffer.from(reason.replaceAll(/\s+/g, ' ').trim())
  if (bytes.length <= LIMITS.reasonBytes) {
    return bytes.toString()
  }
  const room = LIMITS.reasonBytes - Buffer.byteLength(CUT)
  const cut = bytes
    .subarray(0, room)
    .toString()
    .replace(/\uFFFD+$/, '')
  const space = cut.lastIndexOf(' ')
  const isWhole = bytes[Buffer.byteLength(cut)] === 0x20
  return `${isWhole || space < cut.length / 2 ? cut : cut.slice(0, space)}${CUT}`
}
