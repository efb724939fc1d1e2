import { chmod, mkdir, open, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { NodeKeyError } from './errors.ts'

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
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const file = await open(path, 'wx', 0o600)
    try {
      await file.writeFile(privateKeyToProtobuf(key))
      await file.sync()
    } finally {
      await file.close()
    }
    await chmod(path, 0o600)
  } catch (err) {
    throw new NodeKeyError(
      `cannot write the node key ${path} (${(err as NodeJS.ErrnoException).code}): check that its folder may be written to`
    )
  }
  return key
}

/** Reads the node key, or undefined where there is none yet. @throws NodeKeyError */
export async function readNodeKey(path: string): Promise<PrivateKey | undefined> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (err) {
    const code = (err as NodeJS.ErrnoException).code
    if (code === 'ENOENT') {
      return undefined
    }
    throw new NodeKeyError(`cannot read the node key ${path} (${code}): check the path and its permissions`)
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
