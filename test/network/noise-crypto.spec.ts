import { pureJsCrypto } from '@libp2p/noise'
import { expect } from 'chai'
import fc from 'fast-check'
import { Uint8ArrayList } from 'uint8arraylist'
import { noiseCrypto } from '../../src/network/noise-crypto.ts'

const hex = (bytes: { subarray(): Uint8Array }) => Buffer.from(bytes.subarray()).toString('hex')
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))
const fixed = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

/** On both sides of every switch between implementations, and the longest that a noise frame holds. */
const sizes = fc.oneof(fc.integer({ min: 0, max: 3_000 }), fc.constantFrom(12_287, 12_288, 12_289, 20_000, 65_519))

describe('network: noise cryptography', () => {
  it('gives what the JavaScript one of the library gives, whole or in pieces, and opens what that has sealed', () => {
    fc.assert(
      fc.property(sizes, fixed(32), fixed(12), fc.uint8Array({ maxLength: 40 }), fc.nat(), (size, key, nonce, ad, cut) => {
        const plain = Uint8Array.from({ length: size }, (_, at) => at * 7)
        const at = cut % (size + 1)
        const pieces = new Uint8ArrayList(plain.subarray(0, at), plain.subarray(at))
        const expected = hex(pureJsCrypto.chaCha20Poly1305Encrypt(plain, nonce, ad, key))
        for (const input of [plain, pieces]) {
          expect(hex(noiseCrypto.chaCha20Poly1305Encrypt(input, nonce, ad, key))).to.equal(expected)
        }
        const sealed = bytes(expected)
        for (const input of [sealed, new Uint8ArrayList(sealed.subarray(0, at), sealed.subarray(at))]) {
          expect(hex(noiseCrypto.chaCha20Poly1305Decrypt(input, nonce, ad, key))).to.equal(hex(plain))
        }
        expect(hex(noiseCrypto.hashSHA256(pieces))).to.equal(hex(pureJsCrypto.hashSHA256(plain)))
        expect(noiseCrypto.getHKDF(key, ad).map(hex)).to.deep.equal(pureJsCrypto.getHKDF(key, ad).map(hex))
      }),
      { numRuns: 60 }
    )
  })

  it('opens nothing that was touched, whatever its length', () => {
    fc.assert(
      fc.property(sizes, fixed(32), fixed(12), fc.nat(), (size, key, nonce, where) => {
        const ad = new Uint8Array(0)
        const sealed = Uint8Array.from(noiseCrypto.chaCha20Poly1305Encrypt(new Uint8Array(size), nonce, ad, key).subarray())
        const at = where % sealed.length
        sealed[at] = (sealed[at] as number) ^ 1
        expect(() => noiseCrypto.chaCha20Poly1305Decrypt(sealed, nonce, ad, key)).to.throw()
        expect(() => noiseCrypto.chaCha20Poly1305Decrypt(sealed.subarray(0, where % 16), nonce, ad, key)).to.throw()
      }),
      { numRuns: 40 }
    )
  })

  it('agrees on a secret with the JavaScript one, and on none with a point of small order', () => {
    fc.assert(
      fc.property(fixed(32), (seed) => {
        const alice = noiseCrypto.generateX25519KeyPairFromSeed(seed)
        expect(hex(alice.publicKey)).to.equal(hex(pureJsCrypto.generateX25519KeyPairFromSeed(seed).publicKey))
        const bob = noiseCrypto.generateX25519KeyPair()
        const shared = noiseCrypto.generateX25519SharedKey(alice.privateKey, bob.publicKey)
        expect(hex(shared)).to.equal(hex(pureJsCrypto.generateX25519SharedKey(bob.privateKey, alice.publicKey)))
        expect(hex(noiseCrypto.generateX25519SharedKey(bob.privateKey, new Uint8ArrayList(alice.publicKey)))).to.equal(hex(shared))
        expect(noiseCrypto.generateX25519KeyPair().privateKey).not.to.deep.equal(bob.privateKey)
      }),
      { numRuns: 8 }
    )
    for (const first of [0, 1]) {
      const point = Uint8Array.from({ length: 32 }, (_, at) => (at === 0 ? first : 0))
      expect(() => noiseCrypto.generateX25519SharedKey(noiseCrypto.generateX25519KeyPair().privateKey, point)).to.throw()
    }
  })
})
