import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { verifyEd25519 } from '../../src/identity/index.ts'
import { MalformedMessageError, networkOf, onceKey, open, verifySignature } from '../../src/wire/index.ts'

/** Bytes are hex, keys base58, 64-bit amounts decimal strings. */
export interface WireVector {
  description: string
  genesisHash: string
  taskId: string
  /** The envelope as it travels. */
  bytes: string
  /** `bad-signature`: it opens, and its signature does not hold. */
  expect: 'ok' | 'bad-signature' | 'MalformedMessageError'
  /** What this implementation says of it: the vector must fail for the reason that it is about. */
  complaint?: string
  message?: { id: string; kind: string; signer: string; onceKey: string | null; body: unknown }
}

/** As it stands in a vector. */
export function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, part: unknown) =>
      typeof part === 'bigint' ? part.toString() : part instanceof Uint8Array ? Buffer.from(part).toString('hex') : part
    )
  )
}

export function walk(file: string): void {
  const vector = JSON.parse(readFileSync(file, 'utf8')) as WireVector
  const network = networkOf(vector.genesisHash, vector.taskId)
  const bytes = new Uint8Array(Buffer.from(vector.bytes, 'hex'))
  if (vector.expect === 'MalformedMessageError') {
    expect(() => open(bytes, network)).to.throw(MalformedMessageError, vector.complaint)
    return
  }
  const message = open(bytes, network)
  const { id, kind, signer, body } = message
  expect(plain({ id, kind, signer, onceKey: onceKey(body), body })).to.deep.equal(vector.message)
  expect(verifySignature(message, network, verifyEd25519)).to.equal(vector.expect === 'ok')
}
