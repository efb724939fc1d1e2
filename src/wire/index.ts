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
import { CID } from 'multiformats/cid'
import { MalformedMessageError } from './errors.ts'
import { Body, Envelope } from './generated/envelope.js'
import { FINDINGS, findingOf, type Kind, kindOf, onceKey } from './kinds.ts'
import { LIMITS } from './limits.ts'

export { MalformedMessageError } from './errors.ts'
export type {
  Announcement,
  Approval,
  Challenge,
  Equivocation,
  Proof,
  Record as RecordProposal,
  Response,
  Submission,
  Verdict,
  Vote
} from './generated/envelope.js'
export { Body, Envelope } from './generated/envelope.js'
export { AUDITS_PER_CYCLE, FINDINGS, type Finding, findingOf, KIND_NAMES, KINDS, type Kind, kindOf, onceKey } from './kinds.ts'
export { LIMITS } from './limits.ts'

/** The K2 cluster and the task that a signature holds for, and nowhere else. */
export interface Network {
  genesisHash: Uint8Array
  taskId: Uint8Array
  /** The bytes that come before the body in what is hashed and signed. */
  signaturePrefix: Uint8Array
  idPrefix: Uint8Array
}

/** A message whose shape and sizes are checked; its signature only where a docstring says so. */
export interface Message {
  /** Hash of network, signer and body: 64 hex digits. Not of the signature, so that re-signing makes no new message. */
  id: string
  kind: Kind
  /** base58 staking key. */
  signer: string
  body: Body
  envelope: Envelope
  /** The envelope as it travels. */
  bytes: Uint8Array
}

/** Signs 'bytes' with the staking key; refuses what contradicts an earlier signature (src/identity). */
export type Sign = (bytes: Uint8Array) => Promise<Uint8Array>
export type Verify = (signature: Uint8Array, bytes: Uint8Array, publicKey: Uint8Array) => boolean

const SIGNATURE_TAG = 'koii-mesh/envelope/1'
const ID_TAG = 'koii-mesh/message-id/1'

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
 * Bytes to a message: size, decode, shapes and field sizes; the signature is not checked here.
 *
 * @throws MalformedMessageError
 */
export function open(bytes: Uint8Array, network: Network): Message {
  if (bytes.length > LIMITS.envelopeBytes) {
    throw new MalformedMessageError(`message of ${bytes.length} bytes, at most ${LIMITS.envelopeBytes} are allowed`)
  }
  const envelope = decode(() => Envelope.decode(bytes), 'envelope')
  // the id covers body and signer only: without this, anyone on the way could pad an envelope and keep its id
  if (!Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).equals(Envelope.encode(envelope))) {
    throw new MalformedMessageError('the envelope is not encoded the one canonical way (unknown, repeated or misordered fields)')
  }
  return openEnvelope(envelope, bytes, network)
}

function openEnvelope(envelope: Envelope, bytes: Uint8Array, network: Network): Message {
  if (envelope.signer.length !== 32) {
    throw new MalformedMessageError(`signer of ${envelope.signer.length} bytes instead of 32`)
  }
  if (envelope.signature.length !== 64) {
    throw new MalformedMessageError(`signature of ${envelope.signature.length} bytes instead of 64`)
  }
  const body = decode(
    () =>
      Body.decode(envelope.body, {
        limits: {
          announcement: { multiaddrs: LIMITS.multiaddrs },
          submission: { proofs: LIMITS.proofs, multiaddrs: LIMITS.multiaddrs },
          response: { multiaddrs: LIMITS.multiaddrs }
        }
      }),
    'body'
  )
  const kind = kindOf(body)
  if (kind == null) {
    throw new MalformedMessageError('a body holds exactly one kind of message')
  }
  checkSafe(body.cycle, 'cycle')
  checkSafe(body.slot, 'slot')
  checkFields(body)
  if (onceKey(body) != null && bytes.length > LIMITS.onceBytes) {
    throw new MalformedMessageError(
      `${kind} of ${bytes.length} bytes, at most ${LIMITS.onceBytes} are allowed: two must fit in one as evidence`
    )
  }
  return { id: messageId(network, envelope.signer, envelope.body), kind, signer: bs58.encode(envelope.signer), body, envelope, bytes }
}

/** The halves of a piece of evidence, shape-checked; their signatures and their conflict are the caller's to check. */
export function openEvidence(evidence: { first?: Envelope; second?: Envelope }, network: Network): [Message, Message] {
  if (evidence.first == null || evidence.second == null) {
    throw new MalformedMessageError('evidence needs two envelopes')
  }
  return [
    openEnvelope(evidence.first, Envelope.encode(evidence.first), network),
    openEnvelope(evidence.second, Envelope.encode(evidence.second), network)
  ]
}

/** The one signature check. `verify` is native Ed25519 (src/identity). */
export function verifySignature(message: Message, network: Network, verify: Verify): boolean {
  return verify(message.envelope.signature, signedBytes(network, message.envelope.body), message.envelope.signer)
}

function decode<T>(run: () => T, what: string): T {
  try {
    return run()
  } catch (err) {
    throw new MalformedMessageError(`the ${what} does not decode: ${err instanceof Error ? err.message : String(err)}`)
  }
}

function checkSafe(value: number, name: string): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new MalformedMessageError(`${name} is not a whole number that fits`)
  }
}

function checkLength(bytes: Uint8Array, max: number, name: string, min = 0): void {
  if (bytes.length > max || bytes.length < min) {
    throw new MalformedMessageError(`${name} of ${bytes.length} bytes, ${min === max ? `exactly ${min}` : `${min} to ${max}`} are allowed`)
  }
}

/** CIDs are decoded far from the network's edge, where a throw would hurt: what is not one stops here. */
function checkCid(bytes: Uint8Array, name: string): CID {
  checkLength(bytes, LIMITS.cidBytes, name, 1)
  return decode(() => CID.decode(bytes), name)
}

const DAG_CBOR = 0x71
const SHA2_256 = 0x12

function checkRecordCid(bytes: Uint8Array, name: string): void {
  const cid = checkCid(bytes, name)
  if (cid.version !== 1 || cid.code !== DAG_CBOR || cid.multihash.code !== SHA2_256 || cid.multihash.size !== 32) {
    throw new MalformedMessageError(`${name} is not the CIDv1 of a dag-cbor block hashed with sha2-256`)
  }
}

function checkAddresses(peerId: Uint8Array, multiaddrs: Uint8Array[], kind: string): void {
  checkLength(peerId, LIMITS.peerIdBytes, `${kind}.peerId`, 1)
  for (const multiaddr of multiaddrs) {
    checkLength(multiaddr, LIMITS.multiaddrBytes, `${kind}.multiaddrs`)
  }
}

function checkReason(finding: number, reason: string, kind: string): void {
  if (findingOf(finding) == null) {
    throw new MalformedMessageError(`${kind}.finding ${finding} is not a finding`)
  }
  if (Buffer.byteLength(reason) > LIMITS.reasonBytes) {
    throw new MalformedMessageError(`${kind}.reason of more than ${LIMITS.reasonBytes} bytes`)
  }
}

function checkFields(body: Body): void {
  const { announcement, submission, challenge, response, verdict, record, approval, vote, equivocation } = body
  if (announcement != null) {
    checkAddresses(announcement.peerId, announcement.multiaddrs, 'announcement')
    checkSafe(announcement.sequence, 'announcement.sequence')
    checkSafe(announcement.expirySlot, 'announcement.expirySlot')
  }
  if (submission != null) {
    checkLength(submission.value, LIMITS.valueBytes, 'submission.value')
    checkAddresses(submission.peerId, submission.multiaddrs, 'submission')
    for (const proof of submission.proofs) {
      checkCid(proof.cid, 'submission.proofs.cid')
      checkSafe(proof.size, 'submission.proofs.size')
    }
  }
  if (challenge != null) {
    checkLength(challenge.subject, 32, 'challenge.subject', 32)
    checkLength(challenge.submission, 32, 'challenge.submission', 32)
    checkReason(challenge.finding, challenge.reason, 'challenge')
    if (challenge.finding === FINDINGS.valid) {
      throw new MalformedMessageError('a challenge never finds a submission valid')
    }
  }
  if (response != null) {
    checkLength(response.submission, 32, 'response.submission', 32)
    checkAddresses(response.peerId, response.multiaddrs, 'response')
  }
  if (verdict != null) {
    checkLength(verdict.subject, 32, 'verdict.subject', 32)
    checkLength(verdict.submission, 32, 'verdict.submission', 32)
    checkReason(verdict.finding, verdict.reason, 'verdict')
  }
  if (record != null) {
    checkRecordCid(record.cid, 'record.cid')
    checkLength(record.root, 32, 'record.root', 32)
  }
  if (approval != null) {
    checkRecordCid(approval.cid, 'approval.cid')
    checkLength(approval.root, 32, 'approval.root', 32)
  }
  if (vote != null) {
    checkLength(vote.root, 32, 'vote.root', 32)
    checkLength(vote.recordDigest, 32, 'vote.recordDigest', 32)
    checkLength(vote.signature, 64, 'vote.signature', 64)
  }
  if (equivocation != null && (equivocation.first == null || equivocation.second == null)) {
    throw new MalformedMessageError('equivocation needs two envelopes')
  }
}
