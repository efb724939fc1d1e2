/** Staking keys: real Ed25519, or a keyed hash in its place where thousands of runs have to fit into minutes. */
import { createHash, hash } from 'node:crypto'
import bs58 from 'bs58'
import { keyPairFromSeed, signEd25519, verifyEd25519 } from '../../src/identity/index.ts'
import type { Verify } from '../../src/wire/index.ts'

export interface SimKey {
  address: string
  publicKey: Uint8Array<ArrayBuffer>
  /** @param variant - another valid signature of the same bytes, as every signer can make; the stand-in alone has them */
  sign(bytes: Uint8Array, variant?: number): Uint8Array<ArrayBuffer>
}

export interface SimKeys {
  keyOf(seed: number, index: number): SimKey
  verify: Verify
}

export const realKeys: SimKeys = {
  keyOf(seed, index) {
    const pair = keyPairFromSeed(createHash('sha256').update(`${seed}/${index}`).digest())
    return {
      address: pair.address,
      publicKey: new Uint8Array(pair.publicKey),
      sign: (bytes) => new Uint8Array(signEd25519(bytes, pair.secretKey))
    }
  },
  verify: verifyEd25519
}

/** Nobody signs for another here because nobody is given another's key; the hash only ties signature, key and bytes together. */
export const standInKeys: SimKeys = {
  keyOf(seed, index) {
    const publicKey = new Uint8Array(hash('sha256', `${seed}/${index}`, 'buffer'))
    return { address: bs58.encode(publicKey), publicKey, sign: (bytes, variant = 0) => standIn(bytes, publicKey, variant) }
  },
  verify: (signature, bytes, publicKey) =>
    signature.length === 64 &&
    Buffer.compare(signature, standIn(bytes, publicKey, Buffer.from(signature.buffer, signature.byteOffset).readUInt32BE(60))) === 0
}

function standIn(bytes: Uint8Array, publicKey: Uint8Array, variant: number): Uint8Array<ArrayBuffer> {
  const text = Buffer.alloc(36 + bytes.length)
  text.set(publicKey, 0)
  text.writeUInt32BE(variant, 32)
  text.set(bytes, 36)
  const signature = Buffer.alloc(64)
  signature.set(hash('sha256', text, 'buffer'), 0)
  signature.writeUInt32BE(variant, 60)
  return new Uint8Array(signature)
}
