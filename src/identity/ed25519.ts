import sodium from 'sodium-native'

/** Checks one Ed25519 signature natively (libsodium): the only place where the house does. */
export function verifyEd25519(signature: Uint8Array, bytes: Uint8Array, publicKey: Uint8Array): boolean {
  if (signature.length !== sodium.crypto_sign_BYTES || publicKey.length !== sodium.crypto_sign_PUBLICKEYBYTES) {
    return false
  }
  return sodium.crypto_sign_verify_detached(buffer(signature), buffer(bytes), buffer(publicKey))
}

/** Signs with a 64-byte Ed25519 secret key (seed, then public key), as the Solana CLI keeps it. */
export function signEd25519(bytes: Uint8Array, secretKey: Uint8Array): Uint8Array {
  const signature = Buffer.alloc(sodium.crypto_sign_BYTES)
  sodium.crypto_sign_detached(signature, buffer(bytes), buffer(secretKey))
  return signature
}

// sodium wants Buffers; this wraps the same memory
function buffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
