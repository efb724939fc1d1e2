import { createPrivateKey, createPublicKey, sign as nodeSign, verify as nodeVerify } from 'node:crypto'
import { expect } from 'chai'
import fc from 'fast-check'
import { generateKeyPair, keyPairFromSeed, signEd25519, verifyEd25519 } from '../../src/identity/index.ts'

const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe('identity: Ed25519', () => {
  it('signs and derives keys as node:crypto does', () => {
    fc.assert(
      fc.property(seeds, fc.uint8Array({ maxLength: 200 }), (seed, bytes) => {
        const pair = keyPairFromSeed(seed)
        const key = createPrivateKey({
          key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]),
          format: 'der',
          type: 'pkcs8'
        })
        const publicDer = createPublicKey(key).export({ format: 'der', type: 'spki' })
        expect(Buffer.from(pair.publicKey).toString('hex')).to.equal(publicDer.subarray(-32).toString('hex'))
        const signature = signEd25519(bytes, pair.secretKey)
        expect(Buffer.from(signature).toString('hex')).to.equal(nodeSign(null, bytes, key).toString('hex'))
        expect(nodeVerify(null, bytes, createPublicKey(key), signature)).to.equal(true)
      }),
      { numRuns: 30 }
    )
  })

  it('takes a signature for these bytes by this key and no other', () => {
    fc.assert(
      fc.property(seeds, fc.uint8Array({ minLength: 1, maxLength: 100 }), fc.nat(), (seed, bytes, bit) => {
        const pair = keyPairFromSeed(seed)
        const signature = signEd25519(bytes, pair.secretKey)
        const flipped = (source: Uint8Array) => {
          const copy = Uint8Array.from(source)
          copy[(bit >> 3) % copy.length]! ^= 1 << (bit & 7)
          return copy
        }
        expect(verifyEd25519(signature, bytes, pair.publicKey)).to.equal(true)
        expect(verifyEd25519(flipped(signature), bytes, pair.publicKey)).to.equal(false)
        expect(verifyEd25519(signature, flipped(bytes), pair.publicKey)).to.equal(false)
        expect(verifyEd25519(signature, bytes, flipped(pair.publicKey))).to.equal(false)
      }),
      { numRuns: 50 }
    )
  })

  it('reads views into larger buffers, and answers false to lengths that are none', () => {
    const pair = keyPairFromSeed(new Uint8Array(32).fill(5))
    const frame = Buffer.concat([Buffer.alloc(7), signEd25519(Buffer.from('hello'), pair.secretKey), pair.publicKey, Buffer.from('hello')])
    const view = new Uint8Array(frame.buffer, frame.byteOffset, frame.length)
    expect(verifyEd25519(view.subarray(7, 71), view.subarray(103), view.subarray(71, 103))).to.equal(true)
    expect(verifyEd25519(new Uint8Array(63), Buffer.from('hello'), pair.publicKey)).to.equal(false)
    expect(verifyEd25519(new Uint8Array(64), Buffer.from('hello'), new Uint8Array(31))).to.equal(false)
    expect(verifyEd25519(new Uint8Array(64), Buffer.from('hello'), new Uint8Array(32))).to.equal(false)
  })

  it('makes another key every time', () => {
    expect(generateKeyPair().address).to.not.equal(generateKeyPair().address)
  })
})
