import { chmod, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { diskAdvice, diskFault, makeFolder, readSmallFile, type UnreadableFileError } from '../disk/index.ts'
import { NodeKeyError } from './errors.ts'

/** A key of libp2p's, with room for other kinds, which are refused by their name. */
const MAX_KEY_BYTES = 16 * 1024

/**
 * Reads the node key, or makes one on the first start: a libp2p Ed25519 key in protobuf bytes, which only its owner
 * can read. It is the PeerId; it signs nothing that counts.
 *
 * @throws NodeKeyError naming the file, what is wrong with it and what to do
 */
export async function readOrMakeNodeKey(path: string): Promise<PrivateKey> {
  const found = await readNodeKey(path)
  if (found != null) {
    return found
  }
  const key = await generateKeyPair('Ed25519')
  try {
    makeFolder(dirname(path))
    const file = await open(path, 'wx', 0o600)
    try {
      await file.writeFile(privateKeyToProtobuf(key))
      await file.sync()
    } catch (err) {
      // half a key would be in the way of the next start
      await rm(path, { force: true })
      throw err
    } finally {
      await file.close()
    }
    await chmod(path, 0o600)
  } catch (err) {
    const fault = diskFault(err, dirname(path))
    throw new NodeKeyError(
      fault == null
        ? `cannot write the node key ${path} (${(err as Error).message}): check that its folder may be written to`
        : `cannot write the node key ${path}: ${diskAdvice(fault, dirname(path))}`
    )
  }
  return key
}

/** Reads the node key, or undefined where there is none yet. @throws NodeKeyError */
export async function readNodeKey(path: string): Promise<PrivateKey | undefined> {
  let bytes: Uint8Array
  try {
    bytes = readSmallFile(path, MAX_KEY_BYTES)
  } catch (err) {
    const { code, message } = err as UnreadableFileError
    if (code === 'ENOENT') {
      return undefined
    }
    throw new NodeKeyError(`cannot read the node key ${path} (${message}): check the path and its permissions`)
  }
  let key: PrivateKey
  try {
    key = privateKeyFromProtobuf(bytes)
  } catch {
    throw new NodeKeyError(`${path} is not a node key: move it away, and the node makes a new one (its PeerId changes, its stake does not)`)
  }
  if (key.type !== 'Ed25519') {
    throw new NodeKeyError(`${path} holds a ${key.type} key, only Ed25519 is used here: move it away, and the node makes a new one`)
  }
  return key
}
