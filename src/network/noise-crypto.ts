import { createCipheriv, createDecipheriv, createHash, hkdfSync } from 'node:crypto'
import type { ICryptoInterface } from '@libp2p/noise'
import sodium from 'sodium-native'
import { Uint8ArrayList } from 'uint8arraylist'

type Bytes = Uint8Array | Uint8ArrayList

/** What sodium-native has and its types leave out. @throws Error when the bytes were not sealed with this key and nonce */
interface Aead {
  crypto_aead_chacha20poly1305_ietf_encrypt(
    out: Uint8Array,
    plain: Uint8Array,
    ad: Uint8Array,
    none: null,
    nonce: Uint8Array,
    key: Uint8Array
  ): number
  crypto_aead_chacha20poly1305_ietf_decrypt(
    out: Uint8Array,
    none: null,
    sealed: Uint8Array,
    ad: Uint8Array,
    nonce: Uint8Array,
    key: Uint8Array
  ): number
}
const aead = sodium as unknown as Aead

const TAG_BYTES = 16
const CIPHER = 'chacha20-poly1305'

/**
 * From here on OpenSSL is faster than libsodium; below, what Node takes to set a cipher up costs more than the cipher itself
 * (1.2 KiB: 19 us against 6, 64 KiB: 60 against 106).
 */
const OPENSSL_FROM_BYTES = 12 * 1024

/**
 * The cryptography of Noise (X25519, ChaCha20-Poly1305, SHA-256), all of it native: what `@libp2p/noise` brings seals the
 * frames that gossip consists of in WebAssembly or in pieces, which took more CPU than anything else of a delivery.
 */
export const noiseCrypto: ICryptoInterface = {
  hashSHA256(data) {
    const hash = createHash('sha256')
    for (const part of data instanceof Uint8Array ? [data] : data) {
      hash.update(part)
    }
    return hash.digest()
  },
  getHKDF(ck, ikm) {
    const okm = new Uint8Array(hkdfSync('sha256', ikm, ck, new Uint8Array(0), 96))
    return [okm.subarray(0, 32), okm.subarray(32, 64), okm.subarray(64, 96)]
  },
  generateX25519KeyPair() {
    const publicKey = Buffer.alloc(sodium.crypto_box_PUBLICKEYBYTES)
    const privateKey = Buffer.alloc(sodium.crypto_box_SECRETKEYBYTES)
    sodium.crypto_box_keypair(publicKey, privateKey)
    return { publicKey, privateKey }
  },
  generateX25519KeyPairFromSeed(seed) {
    const publicKey = Buffer.alloc(sodium.crypto_scalarmult_BYTES)
    sodium.crypto_scalarmult_base(publicKey, Buffer.from(seed))
    return { publicKey, privateKey: seed }
  },
  generateX25519SharedKey(privateKey, publicKey) {
    const shared = Buffer.alloc(sodium.crypto_scalarmult_BYTES)
    sodium.crypto_scalarmult(shared, Buffer.from(privateKey.subarray()), Buffer.from(publicKey.subarray()))
    return shared
  },
  chaCha20Poly1305Encrypt(plaintext: Bytes, nonce, ad, key) {
    const length = plaintext.byteLength
    if (length < OPENSSL_FROM_BYTES) {
      const sealed = new Uint8Array(length + TAG_BYTES)
      aead.crypto_aead_chacha20poly1305_ietf_encrypt(sealed, plaintext.subarray(), ad, null, nonce, key)
      return sealed
    }
    const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
    cipher.setAAD(ad, { plaintextLength: length })
    const parts = partsOf(plaintext).map((part) => cipher.update(part))
    // in one piece: what is written piece by piece waits for the socket between them
    const sealed = Buffer.concat([...parts, cipher.final(), cipher.getAuthTag()])
    parts.forEach(free)
    return sealed
  },
  chaCha20Poly1305Decrypt(ciphertext: Bytes, nonce, ad, key) {
    const length = ciphertext.byteLength - TAG_BYTES
    if (length < OPENSSL_FROM_BYTES) {
      const plain = new Uint8Array(length)
      aead.crypto_aead_chacha20poly1305_ietf_decrypt(plain, null, ciphertext.subarray(), ad, nonce, key)
      return plain
    }
    const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(ad, { plaintextLength: length })
    decipher.setAuthTag(ciphertext.subarray(length))
    const sealed = ciphertext instanceof Uint8Array ? ciphertext.subarray(0, length) : ciphertext.sublist(0, length)
    // a frame of a socket comes in two parts: joined first, it would be copied once more
    const plain = new Uint8ArrayList(...partsOf(sealed).map((part) => decipher.update(part)))
    decipher.final()
    return plain
  }
}

/** A socket gives a frame in two reads as a rule; what a sender cuts into many costs less joined. */
const MAX_PARTS = 16

function partsOf(bytes: Bytes): Uint8Array[] {
  const parts = bytes instanceof Uint8Array ? [bytes] : [...bytes]
  return parts.length > MAX_PARTS ? [bytes.subarray()] : parts
}

/** Gives the memory back that nobody else has seen: the collector would let it pile up to many MiB, and the next frame then gets cold memory. */
function free(bytes: Uint8Array): void {
  if (bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength) {
    bytes.buffer.transfer(0)
  }
}
