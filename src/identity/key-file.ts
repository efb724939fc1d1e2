import { chmod, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import bs58 from 'bs58'
import sodium from 'sodium-native'
import { commandLine } from '../command/index.ts'
import { diskAdvice, diskFault, makeFolder, readSmallFile, type UnreadableFileError } from '../disk/index.ts'
import { KeyFileError } from './errors.ts'

/** 64 numbers of up to three digits, and room for blanks. */
const MAX_KEY_FILE_BYTES = 4096

/** An Ed25519 key pair as the Solana CLI writes it: 64 bytes, the seed and then the public key. */
export interface KeyPair {
  publicKey: Uint8Array
  secretKey: Uint8Array
  /** The public key in base58. */
  address: string
}

export function keyPairFromSeed(seed: Uint8Array): KeyPair {
  const publicKey = Buffer.alloc(sodium.crypto_sign_PUBLICKEYBYTES)
  const secretKey = Buffer.alloc(sodium.crypto_sign_SECRETKEYBYTES)
  sodium.crypto_sign_seed_keypair(publicKey, secretKey, Buffer.from(seed))
  return { publicKey, secretKey, address: bs58.encode(publicKey) }
}

export function generateKeyPair(): KeyPair {
  const seed = Buffer.alloc(32)
  sodium.randombytes_buf(seed)
  return keyPairFromSeed(seed)
}

/**
 * Reads a key file: a JSON array of 64 byte values.
 *
 * @throws KeyFileError naming the file, what is wrong with it and what to do
 */
export async function readKeyFile(path: string): Promise<KeyPair> {
  let text: string
  try {
    text = readSmallFile(path, MAX_KEY_FILE_BYTES).toString('utf8')
  } catch (err) {
    const { code, message } = err as UnreadableFileError
    const next = code === 'ENOENT' ? `make one with: ${commandLine(['keygen'], { out: path })}` : 'check the path and its permissions'
    throw new KeyFileError(`cannot read the key file ${path} (${message}): ${next}`)
  }
  const wrong = (what: string) =>
    new KeyFileError(`${path} is not a key file (${what}): it should hold a JSON array of 64 numbers, as the Solana and Koii CLIs write it`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw wrong('not JSON')
  }
  if (!Array.isArray(value) || value.length !== 64 || !value.every((byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255)) {
    throw wrong(Array.isArray(value) ? `an array of ${value.length} values` : 'not an array')
  }
  const bytes = Uint8Array.from(value as number[])
  const pair = keyPairFromSeed(bytes.subarray(0, 32))
  if (!Buffer.from(pair.publicKey).equals(bytes.subarray(32))) {
    throw wrong('the public half does not belong to the secret half')
  }
  return pair
}

/** Writes a key file that only its owner can read; never over an existing one. */
export async function writeKeyFile(path: string, pair: KeyPair): Promise<void> {
  const cannotWrite = (err: unknown) => {
    const fault = diskFault(err, dirname(path))
    const why = fault == null || fault.kind === 'denied' ? (err as Error).message : diskAdvice(fault, dirname(path))
    return new KeyFileError(`cannot write the key file ${path} (${why}): choose another place with --out`)
  }
  let file: Awaited<ReturnType<typeof open>>
  try {
    makeFolder(dirname(path))
  } catch (err) {
    throw cannotWrite(err)
  }
  try {
    file = await open(path, 'wx', 0o600)
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new KeyFileError(`${path} exists already and is not overwritten: choose another file, or move it away first`)
    }
    throw cannotWrite(err)
  }
  try {
    await file.writeFile(`${JSON.stringify([...pair.secretKey])}\n`)
    await file.sync()
  } catch (err) {
    // half a key is none, and would be in the way of the next try
    await rm(path, { force: true })
    throw cannotWrite(err)
  } finally {
    await file.close()
  }
  await chmod(path, 0o600)
}
