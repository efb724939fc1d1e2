/**
 * What can be said: the one place of the simulation that knows how messages look. Everything else asks here for a body
 * that says something, or what a message says.
 */
import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import type { RecordFacts } from '../../src/rounds/index.ts'
import { Body, Envelope, FINDINGS, type Finding, findingOf, type Message, type Network, open, signedBytes } from '../../src/wire/index.ts'
import type { SimKey } from './keys.ts'

export type Accusation = Exclude<Finding, 'valid'>

/** When and about which cycle something is said. */
export interface When {
  cycle: number
  slot: number
}

/** A submission, or something that pretends to be about one. */
export interface Subject {
  signer: string
  id: string
  key: Uint8Array
}

export const subjectOf = (message: Message): Subject => ({
  signer: message.signer,
  id: message.id,
  key: message.envelope.signer
})

/** A submission that nobody made. */
export function nobody(text: string): Subject {
  const digest = createHash('sha256').update(text).digest()
  return { signer: '', id: digest.toString('hex'), key: digest }
}

const copy = (bytes: Uint8Array) => new Uint8Array(bytes)
const idBytes = (id: string) => new Uint8Array(Buffer.from(id, 'hex'))

export const words = {
  submission: (when: When, text: string): Body => ({
    ...when,
    submission: { value: new Uint8Array(Buffer.from(text)), proofs: [] }
  }),
  challenge: (when: When, about: Subject, finding: Accusation, reason: string = finding): Body => ({
    ...when,
    challenge: { subject: copy(about.key), submission: idBytes(about.id), finding: FINDINGS[finding], reason }
  }),
  response: (when: When, about: { id: string }): Body => ({
    ...when,
    response: { submission: idBytes(about.id) }
  }),
  /** Places as K2's list of stakers has them; null when nothing is found of anybody. */
  verdicts: (when: When, findings: Array<{ place: number; finding: Finding }>): Body | null => {
    const byPlace = new Map(findings.map(({ place, finding }) => [place, FINDINGS[finding]]))
    const list = [...byPlace].map(([place, finding]) => ({ place, finding })).sort((a, b) => a.place - b.place)
    return list.length === 0 ? null : { ...when, verdicts: { findings: list } }
  },
  proposal: (when: When, record: RecordFacts, attempt: number): Body => ({
    ...when,
    record: { cid: copy(CID.parse(record.cid).bytes), root: copy(record.root), totalRewards: record.totalRewards, attempt }
  }),
  approval: (when: When, record: RecordFacts, attempt: number): Body => ({
    ...when,
    approval: { cid: copy(CID.parse(record.cid).bytes), root: copy(record.root), attempt }
  }),
  /** Of a proposal or an approval; null of anything else. */
  attemptOf: (body: Body): number | null => body.record?.attempt ?? body.approval?.attempt ?? null,
  /** Whether it speaks of another's work: a challenge or a verdict. */
  judges: (body: Body): boolean => body.challenge != null || body.verdicts != null,
  isProposal: (body: Body): boolean => body.record != null,
  evidence: (when: When, first: Message, second: Message): Body => ({
    ...when,
    equivocation: { first: first.envelope, second: second.envelope }
  })
}

/** Signs at once, and as the adversary likes: `pad` adds that many bytes in a field that nobody knows. Null when it cannot be a message. */
export function sign(body: Body, network: Network, key: SimKey, { pad = 0, variant = 0 } = {}): Message | null {
  let bytes: Uint8Array<ArrayBuffer> = new Uint8Array(Body.encode(body))
  if (pad > 0) {
    // field 31 of wire type 2, its length as a varint of two bytes
    const head = [0xfa, 0x01, (pad & 0x7f) | 0x80, pad >> 7]
    bytes = new Uint8Array(Buffer.concat([bytes, Buffer.from(head), Buffer.alloc(pad, 7)]))
  }
  const envelope = { body: bytes, signer: key.publicKey, signature: key.sign(signedBytes(network, bytes), variant) }
  try {
    return open(Envelope.encode(envelope), network)
  } catch {
    return null
  }
}

/** What a message says, for the tables and for who reacts to it. */
export interface Said {
  kind: string
  /** Submissions that it is about, by id or by their submitter's place, with what it finds of them. */
  about: Array<{ id?: string; place?: number; finding?: Finding | undefined }>
  cid?: string
  attempt?: number
}

export function saidBy({ kind, body, id }: Message): Said {
  const { challenge, response, verdicts, record, approval } = body
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
  if (kind === 'submission') {
    return { kind, about: [{ id }] }
  }
  if (verdicts != null) {
    return { kind, about: verdicts.findings.map(({ place, finding }) => ({ place, finding: findingOf(finding) })) }
  }
  if (challenge != null) {
    return { kind, about: [{ id: hex(challenge.submission), finding: findingOf(challenge.finding) }] }
  }
  if (response != null) {
    return { kind, about: [{ id: hex(response.submission) }] }
  }
  const chosen = record ?? approval
  return chosen == null ? { kind, about: [] } : { kind, about: [], cid: CID.decode(chosen.cid).toString(), attempt: chosen.attempt }
}
