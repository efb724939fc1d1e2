import { decodeBase58 } from '../base58.ts'
import { MAX_TRANSACTION_BYTES } from '../transaction.ts'
import { invalidParams } from './errors.ts'

// the words are those of Agave (rpc/src/rpc.rs, decode_and_deserialize) and of the crates that it reads texts with, base64 0.22 and bs58 0.5

/** The longest texts that a packet's 1,232 bytes become. */
const MAX_CHARACTERS = { base58: 1683, base64: 1644 }
const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

/**
 * The bytes of a transaction or a message that came as text.
 *
 * @param what Rust's name for what they should be, for words
 * @throws RpcError
 */
export function wireBytes(text: string, encoding: 'base58' | 'base64', what: string): Uint8Array {
  const most = MAX_CHARACTERS[encoding]
  if (text.length > most) {
    throw invalidParams(`${encoding} encoded ${what} too large: ${text.length} bytes (max: encoded/raw ${most}/${MAX_TRANSACTION_BYTES})`)
  }
  const fault = encoding === 'base64' ? base64Fault(text) : base58Fault(text)
  if (fault !== undefined) {
    throw invalidParams(`invalid ${encoding} encoding: ${fault}`)
  }
  const bytes = encoding === 'base64' ? Buffer.from(text, 'base64') : decodeBase58(text)
  if (bytes.length > MAX_TRANSACTION_BYTES) {
    throw invalidParams(`decoded ${what} too large: ${bytes.length} bytes (max: ${MAX_TRANSACTION_BYTES} bytes)`)
  }
  return bytes
}

function base64Fault(text: string): string | undefined {
  const bytes = Buffer.from(text, 'utf8')
  const padding = text.match(/={0,2}$/)![0].length
  const end = bytes.length - padding
  const bad = bytes.subarray(0, end).findIndex((byte) => !/[A-Za-z0-9+/]/.test(String.fromCharCode(byte)))
  if (bad !== -1) {
    return `InvalidByte(${bad}, ${bytes[bad]})`
  }
  if (end % 4 === 1) {
    return `InvalidLength(${end})`
  }
  if (bytes.length % 4 !== 0) {
    return 'InvalidPadding'
  }
  // the bits past the last byte must be zero
  const isWhole = Buffer.from(text, 'base64').toString('base64') === text
  return isWhole ? undefined : `InvalidLastSymbol(${end - 1}, ${bytes[end - 1]})`
}

function base58Fault(text: string): string | undefined {
  const index = [...text].findIndex((character) => !BASE58.includes(character))
  if (index === -1) {
    return undefined
  }
  const character = [...text][index]!
  return character.codePointAt(0)! > 127
    ? `NonAsciiCharacter { index: ${index} }`
    : `InvalidCharacter { character: '${character}', index: ${index} }`
}
