/** Sizes and shapes of every field, before anything is believed. Spec: protocols/wire/README.md, "Limits". */
import { CID } from 'multiformats/cid'
import { decode, MalformedMessageError } from './errors.ts'
import type { Announcement, Body, Challenge, Submission, Verdicts } from './generated/envelope.js'
import { FINDINGS, findingOf, MAX_ATTEMPTS } from './kinds.ts'
import { LIMITS } from './limits.ts'

/** @throws MalformedMessageError */
export function checkFields(body: Body): void {
  const { announcement, submission, challenge, response, verdicts, record, approval, vote, equivocation } = body
  checkSafe(body.cycle, 'cycle')
  checkSafe(body.slot, 'slot')
  if (announcement != null) {
    checkAnnouncement(announcement)
  }
  if (submission != null) {
    checkSubmission(submission)
  }
  if (challenge != null) {
    checkChallenge(challenge)
  }
  if (response != null) {
    checkLength(response.submission, 32, 'response.submission', 32)
  }
  if (verdicts != null) {
    checkVerdicts(verdicts)
  }
  if (record != null) {
    checkRecordCid(record.cid, 'record.cid')
    checkLength(record.root, 32, 'record.root', 32)
    checkAttempt(record.attempt, 'record.attempt')
  }
  if (approval != null) {
    checkRecordCid(approval.cid, 'approval.cid')
    checkLength(approval.root, 32, 'approval.root', 32)
    checkAttempt(approval.attempt, 'approval.attempt')
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

function checkAnnouncement({ peerId, multiaddrs, sequence, expirySlot }: Announcement): void {
  checkLength(peerId, LIMITS.peerIdBytes, 'announcement.peerId', 1)
  for (const multiaddr of multiaddrs) {
    checkLength(multiaddr, LIMITS.multiaddrBytes, 'announcement.multiaddrs')
  }
  checkSafe(sequence, 'announcement.sequence')
  checkSafe(expirySlot, 'announcement.expirySlot')
}

function checkSubmission({ value, proofs }: Submission): void {
  checkLength(value, LIMITS.valueBytes, 'submission.value')
  for (const proof of proofs) {
    checkCid(proof.cid, 'submission.proofs.cid')
    checkSafe(proof.size, 'submission.proofs.size')
  }
}

function checkChallenge({ subject, submission, finding, reason }: Challenge): void {
  checkLength(subject, 32, 'challenge.subject', 32)
  checkLength(submission, 32, 'challenge.submission', 32)
  checkFinding(finding, 'challenge.finding')
  if (finding === FINDINGS.valid) {
    throw new MalformedMessageError('a challenge never finds a submission valid')
  }
  if (Buffer.byteLength(reason) > LIMITS.reasonBytes) {
    throw new MalformedMessageError(`challenge.reason of more than ${LIMITS.reasonBytes} bytes`)
  }
}

function checkVerdicts({ findings }: Verdicts): void {
  if (findings.length === 0) {
    throw new MalformedMessageError('verdicts without a finding')
  }
  let last = -1
  for (const { place, finding } of findings) {
    if (place <= last) {
      throw new MalformedMessageError('verdicts.findings do not ascend by place')
    }
    last = place
    checkFinding(finding, 'verdicts.finding')
  }
}

function checkFinding(finding: number, name: string): void {
  if (findingOf(finding) == null) {
    throw new MalformedMessageError(`${name} ${finding} is not a finding`)
  }
}

function checkAttempt(attempt: number, name: string): void {
  if (attempt >= MAX_ATTEMPTS) {
    throw new MalformedMessageError(`${name} ${attempt}: a round has fewer than ${MAX_ATTEMPTS} attempts`)
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
