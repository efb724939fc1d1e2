/**
 * # wire
 *
 * Bytes to bounded, typed messages and back. Spec: protocols/wire/README.md.
 *
 * @example
 * ```ts
 * const network = networkOf(genesisHash, taskId)
 * const message = await seal({ cycle: 3, slot: 97, submission }, network, signer)
 * const same = open(message.bytes, network)           // bounded decode, no signature check yet
 * const ok = verifySignature(same, network, verify)   // the one native check
 * ```
 */
import { createHash } from 'node:crypto'
import bs58 from 'bs58'
import { checkFields } from './check.ts'
import { decode, MalformedMessageError } from './errors.ts'
import { evidenceOf } from './evidence.ts'
import { Body, Envelope } from './generated/envelope.js'
import { type Kind, kindOf } from './kinds.ts'
import { LIMITS } from './limits.ts'
import type { Message } from './message.ts'

export { MalformedMessageError } from './errors.ts'
export { evidenceOf, offenceOf } from './evidence.ts'
export type {
  Announcement,
  Approval,
  Challenge,
  Equivocation,
  Finding as FindingEntry,
  Proof,
  Record as RecordProposal,
  Response,
  Submission,
  Verdicts,
  Vote
} from './generated/envelope.js'
export { Body, Envelope } from './generated/envelope.js'
export {
  AUDITS_PER_CYCLE,
  FINDINGS,
  type Finding,
  findingOf,
  KIND_NAMES,
  KINDS,
  type Kind,
  kindOf,
  MAX_ATTEMPTS,
  onceKey
} from './kinds.ts'
export { LIMITS } from './limits.ts'
export type { Evidence, Message } from './message.ts'

/** The K2 cluster and the task that a signature holds for, and nowhere else. */
export interface Network {
  genesisHash: Uint8Array
  taskId: Uint8Array
  /** The bytes that come before the body in what is hashed and signed. */
  signaturePrefix: Uint8Array
  idPrefix: Uint8Array
}

/** Signs 'bytes' with the staking key; refuses what contradicts an earlier signature (src/identity). */
export type Sign = (bytes: Uint8Array) => Promise<Uint8Array>
export type Verify = (signature: Uint8Array, bytes: Uint8Array, publicKey: Uint8Array) => boolean

const SIGNATURE_TAG = 'koii-mesh/envelope/1'
const ID_TAG = 'koii-mesh/message-id/1'
const KEY_BYTES = 32

/** Every variable part is preceded by its length, so that no two lists of parts give the same bytes. */
export function lengthPrefixed(...parts: Uint8Array[]): Uint8Array {
  const out = Buffer.alloc(parts.reduce((sum, part) => sum + 4 + part.length, 0))
  let at = 0
  for (const part of parts) {
    at = out.writeUInt32BE(part.length, at)
    out.set(part, at)
    at += part.length
  }
  return out
}

export function networkOf(genesisHash: string, taskId: string): Network {
  const genesis = bs58.decode(genesisHash)
  const task = bs58.decode(taskId)
  if (genesis.length !== 32 || task.length !== 32) {
    throw new MalformedMessageError('a genesis hash and a task id are 32 bytes in base58')
  }
  return {
    genesisHash: genesis,
    taskId: task,
    signaturePrefix: lengthPrefixed(Buffer.from(SIGNATURE_TAG), genesis, task),
    idPrefix: lengthPrefixed(Buffer.from(ID_TAG), genesis, task)
  }
}

/** What the signature of an envelope covers: tag, genesis hash, task id and body, each after its length. */
export function signedBytes(network: Network, body: Uint8Array): Uint8Array {
  return Buffer.concat([network.signaturePrefix, lengthPrefixed(body)])
}

/**
 * What `signedBytes` made, read again: the task, in base58, and the body.
 *
 * @throws MalformedMessageError when it is anything else, or not in its one canonical form
 */
export function readSignedBytes(bytes: Uint8Array): { task: string; body: Body } {
  // tag, genesis hash, task id and body, each after its length
  const genesisAt = 4 + SIGNATURE_TAG.length + 4
  const taskAt = genesisAt + KEY_BYTES + 4
  const bodyAt = taskAt + KEY_BYTES + 4
  if (bytes.length < bodyAt || bytes.length > bodyAt + LIMITS.envelopeBytes) {
    throw new MalformedMessageError(`${bytes.length} bytes are no message of the mesh`)
  }
  const [genesis, task] = [genesisAt, taskAt].map((at) => bs58.encode(bytes.subarray(at, at + KEY_BYTES))) as [string, string]
  const body = bytes.subarray(bodyAt)
  if (Buffer.compare(signedBytes(networkOf(genesis, task), body), bytes) !== 0) {
    throw new MalformedMessageError('it does not begin as a message of the mesh does')
  }
  return { task, body: readBody(body).body }
}

export function messageId(network: Network, signer: Uint8Array, body: Uint8Array): string {
  return createHash('sha256').update(network.idPrefix).update(lengthPrefixed(signer, body)).digest('hex')
}

/** Makes and signs a message. `sign` gets exactly `signedBytes`. */
export async function seal(body: Body, network: Network, signer: { publicKey: Uint8Array; sign: Sign }): Promise<Message> {
  const bytes = Body.encode(body)
  const signature = await signer.sign(signedBytes(network, bytes))
  return open(Envelope.encode({ body: bytes, signer: new Uint8Array(signer.publicKey), signature: new Uint8Array(signature) }), network)
}

/**
 * Bytes to a message: size, decode, shapes and field sizes; the signature is not checked here. The codec takes the one canonical
 * encoding alone: the id covers body and signer only, so that anyone on the way could pad an envelope, and a signer its body.
 *
 * @throws MalformedMessageError
 */
export function open(bytes: Uint8Array, network: Network): Message {
  if (bytes.length > LIMITS.envelopeBytes) {
    throw new MalformedMessageError(`message of ${bytes.length} bytes, at most ${LIMITS.envelopeBytes} are allowed`)
  }
  const envelope = decode(() => Envelope.decode(bytes), 'envelope')
  return openEnvelope(envelope, bytes, network)
}

function openEnvelope(envelope: Envelope, bytes: Uint8Array, network: Network, half = false): Message {
  if (envelope.signer.length !== 32) {
    throw new MalformedMessageError(`signer of ${envelope.signer.length} bytes instead of 32`)
  }
  if (envelope.signature.length !== 64) {
    throw new MalformedMessageError(`signature of ${envelope.signature.length} bytes instead of 64`)
  }
  const { body, kind } = readBody(envelope.body)
  const message: Message = {
    id: messageId(network, envelope.signer, envelope.body),
    kind,
    signer: bs58.encode(envelope.signer),
    body,
    envelope,
    bytes
  }
  if (body.equivocation == null || half) {
    return message
  }
  const { first, second } = body.equivocation
  if (first == null || second == null) {
    throw new MalformedMessageError('evidence needs two envelopes')
  }
  const halves = [first, second].map((one) => openEnvelope(one, Envelope.encode(one), network, true)) as [Message, Message]
  return { ...message, evidence: evidenceOf(halves, body.cycle) }
}

/** Of exactly one kind, in its one canonical form. @throws MalformedMessageError */
function readBody(bytes: Uint8Array): { body: Body; kind: Kind } {
  const body = decode(
    () =>
      Body.decode(bytes, {
        limits: {
          announcement: { multiaddrs: LIMITS.multiaddrs },
          submission: { proofs: LIMITS.proofs },
          verdicts: { findings: LIMITS.findings }
        }
      }),
    'body'
  )
  const kind = kindOf(body)
  if (kind == null) {
    throw new MalformedMessageError('a body holds exactly one kind of message')
  }
  checkFields(body)
  return { body, kind }
}

/** The one signature check. `verify` is native Ed25519 (src/identity). */
export function verifySignature(message: Message, network: Network, verify: Verify): boolean {
  return verify(message.envelope.signature, signedBytes(network, message.envelope.body), message.envelope.signer)
}
