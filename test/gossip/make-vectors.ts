/**
 * Writes protocols/gossip/vectors: run by hand when the protocol changes, never by the tests.
 *
 *     node test/gossip/make-vectors.ts
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { RPC } from '@libp2p/gossipsub/message'
import { REASONS } from '../../src/judge/index.ts'
import { createMessageIds, topicOf } from '../../src/network/index.ts'
import { type Body, KINDS, LIMITS, type Message, networkOf, open } from '../../src/wire/index.ts'
import {
  announcement,
  by,
  CYCLE,
  challenge,
  court,
  evidence,
  evidenceUnchecked,
  forged,
  proposal,
  response,
  SCHEDULE,
  sealUnchecked,
  slotIn,
  submission,
  verdicts,
  WEIGHTS
} from '../judge/court.ts'
import { GENESIS, keyOf, NETWORK, NOW, TASK, TIMING } from '../network/mesh.ts'
import { GO_FRAMES } from './go-frames.ts'
import type { GossipVector } from './vectors.ts'

const dir = join(import.meta.dirname, '..', '..', 'protocols', 'gossip', 'vectors')
// what no longer exists goes
rmSync(dir, { recursive: true, force: true })
mkdirSync(dir, { recursive: true })

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const networked = { genesisHash: GENESIS, taskId: TASK }

function write(name: string, vector: GossipVector): void {
  writeFileSync(join(dir, `${name}.json`), `${JSON.stringify(vector, null, 2)}\n`)
}

type Expect = Extract<GossipVector, { kind: 'judge' }>['expect']

/** The name of a vector begins with what is said of it. */
function judged(expect: Expect, what: string, description: string, slot: number, bytes: Uint8Array, before: Message[] = []): void {
  const { say, pool } = court({ slot: () => slot })
  for (const message of before) {
    pool.add(message)
  }
  const said = say(bytes)
  if (said !== expect) {
    throw new Error(`${expect} ${what}: the judge says ${said}`)
  }
  write(`${expect}${what === '' ? '' : `-${what}`}`, {
    description,
    kind: 'judge',
    ...networked,
    timing: TIMING,
    slot,
    weights: Object.fromEntries([...WEIGHTS].map(([staker, weight]) => [staker, weight.toString()])),
    before: before.map((message) => hex(message.bytes)),
    envelope: hex(bytes),
    expect,
    result: expect === 'accept' ? 'accept' : REASONS[expect]
  })
}

const alices = await by('alice', submission())
const [one, two, three] = [await by('bob', submission({}, '1')), await by('bob', submission({}, '2')), await by('bob', submission({}, '3'))]
const { audit, challengeSlot, finalSlot, verdictsEndSlot, distribution } = SCHEDULE
const publicKey = (name: string) => new Uint8Array(keyOf(name).publicKey)

write('topic', { description: 'The topic of a task.', kind: 'topic', ...networked, topic: topicOf(NETWORK) })
for (const [name, description, bytes] of [
  ['ids', 'The ids of a message.', alices.bytes],
  ['ids-forged-copy', 'The same words under a broken signature: another id for the router, the same for the mesh.', forged(alices)]
] as const) {
  const routerId = hex(createMessageIds().msgIdFn({ data: bytes }))
  write(name, { description, kind: 'ids', ...networked, envelope: hex(bytes), routerId, messageId: open(bytes, NETWORK).id })
}

// windows
const lastOf = (window: { to: number }) => window.to - 1
const submissionAt = (slot: number) => by('alice', submission({ slot }))
const { submission: window } = SCHEDULE
judged('accept', 'submission', 'In its window, by a staker.', NOW, alices.bytes)
judged('accept', 'submission-late', 'It was in time, and comes in the distribution stage.', distribution.from, alices.bytes)
judged('accept', 'last-slot-of-window', 'The last slot of the window.', distribution.from, (await submissionAt(lastOf(window))).bytes)
judged(
  'wrong-window',
  'first-slot-after',
  'Windows are half open: the slot after the last is outside.',
  distribution.from,
  (await submissionAt(window.to)).bytes
)
judged('wrong-window', 'slot-before', 'One slot before the window.', NOW, (await submissionAt(window.from - 1)).bytes)
const aboutBobs = async (slot: number) => (await by('alice', challenge(one, {}, slot))).bytes
const answering = async (slot: number) => (await by('bob', { ...response(one), slot })).bytes
const speaking = async (slot: number) => (await by('alice', verdicts(slot))).bytes
judged(
  'accept',
  'challenge',
  'The first slot in which a challenge may be signed is that of the audit window.',
  distribution.from,
  await aboutBobs(audit.from),
  [one]
)
judged(
  'accept',
  'challenge-last-slot',
  'The last slot in which a challenge may be signed.',
  distribution.from,
  await aboutBobs(challengeSlot - 1),
  [one]
)
judged(
  'wrong-window',
  'challenge-first-slot-after',
  'Challenges are signed before half of the looking is over.',
  distribution.from,
  await aboutBobs(challengeSlot),
  [one]
)
judged(
  'accept',
  'response-last-slot',
  'The last slot in which a response may be signed.',
  distribution.from,
  await answering(finalSlot - 1),
  [one]
)
judged('wrong-window', 'response-first-slot-after', 'From here on *unavailable* is final.', distribution.from, await answering(finalSlot), [
  one
])
judged('accept', 'verdicts', 'The first slot in which verdicts may be signed.', distribution.from, await speaking(finalSlot))
judged(
  'accept',
  'verdicts-last-slot',
  'The last slot in which verdicts may be signed.',
  distribution.from,
  await speaking(verdictsEndSlot - 1)
)
judged(
  'wrong-window',
  'verdicts-slot-before',
  'Verdicts wait until *unavailable* is final.',
  distribution.from,
  await speaking(finalSlot - 1)
)
judged(
  'wrong-window',
  'verdicts-first-slot-after',
  'Two delivery times before the audit window ends, and one slot: later verdicts might not reach all.',
  distribution.from,
  await speaking(verdictsEndSlot)
)

// slots, cycles and stakes
judged(
  'accept',
  'announcement-two-slots-ahead',
  'As far ahead as clocks may differ.',
  NOW,
  (await by('alice', announcement({ slot: NOW + 2 }))).bytes
)
judged('future', 'three-slots-ahead', 'One slot further.', NOW, (await by('alice', announcement({ slot: NOW + 3 }))).bytes)
judged('old', '', 'Its cycle is no longer live.', NOW + 3 * TIMING.roundSlots, alices.bytes)
judged('unstaked', '', 'mallory has no stake; the signature is not looked at.', NOW, forged(await by('mallory', submission())))

// what is known, and how often
judged('seen', '', 'The same message again.', NOW, alices.bytes, [alices])
judged('seen', 'forged-copy', 'A known message under a broken signature: known, and not looked at again.', NOW, forged(alices), [alices])
judged('over-quota', '', 'A third submission of one signer in one cycle: two are proof, a third adds nothing.', NOW, three.bytes, [
  one,
  two
])
const said = await Promise.all([1, 2, 3].map((finding) => by('alice', verdicts(finalSlot, finding))))
judged('over-quota', 'verdicts', 'Third verdicts of one signer in one cycle.', finalSlot, said[2]!.bytes, said.slice(0, 2))
const proposals = await Promise.all(['1', '2', '3'].map((value) => by('bob', proposal(value))))
judged(
  'over-quota',
  'proposal',
  'A third proposal of one signer in one attempt.',
  distribution.from,
  proposals[2]!.bytes,
  proposals.slice(0, 2)
)
judged(
  'accept',
  'proposal-of-another-attempt',
  'Each attempt has a key of its own.',
  distribution.from,
  (await by('bob', proposal('3', 1))).bytes,
  proposals.slice(0, 2)
)
const challenges = await Promise.all(
  Array.from({ length: KINDS.challenge.perCycle + 1 }, (_, at) => by('alice', challenge(one, { reason: `reason ${at}` })))
)
judged('over-quota', 'challenge', 'One challenge more than a node draws submissions.', audit.from, challenges.at(-1)!.bytes, [
  one,
  ...challenges.slice(0, -1)
])
judged(
  'accept',
  'others-quota-is-full',
  'What alice has said takes no place of what carol says.',
  audit.from,
  (await by('carol', challenge(one))).bytes,
  [one, ...challenges.slice(0, -1)]
)

// about a submission
judged(
  'unknown-subject',
  'challenge',
  'The submission is not here: the challenge comes again by sync when it is.',
  audit.from,
  await aboutBobs(audit.from)
)
judged('unknown-subject', 'response', 'The submission is not here.', audit.from, await answering(audit.from))
judged('accept', 'response', 'By the submitter.', audit.from, await answering(audit.from), [one])
judged(
  'meaningless',
  'challenge-other-submitter',
  "It names carol, and the submission is bob's.",
  audit.from,
  (await by('alice', challenge(one, { subject: publicKey('carol') }))).bytes,
  [one]
)
judged('meaningless', 'challenge-of-own', 'bob challenges himself.', audit.from, (await by('bob', challenge(one))).bytes, [one])
judged(
  'meaningless',
  'challenge-of-no-submission',
  'It is about a message that is here and no submission.',
  audit.from,
  (await by('alice', challenge(challenges[0]!))).bytes,
  [one, challenges[0]!]
)
const before = await by('bob', submission({ cycle: CYCLE - 2, slot: slotIn(CYCLE - 2, 'submission') }))
judged(
  'meaningless',
  'challenge-of-another-cycle',
  'It is about a submission of the cycle before.',
  audit.from,
  (await by('alice', challenge(before))).bytes,
  [before]
)
judged('meaningless', 'response-for-another', "alice answers for bob's submission.", audit.from, (await by('alice', response(one))).bytes, [
  one
])

// evidence
judged('accept', 'evidence', "bob's two submissions of one cycle.", NOW, (await evidence(one, two)).bytes)
judged(
  'accept',
  'evidence-of-proposals',
  "bob's two proposals of one attempt, for the record of the next cycle.",
  distribution.from,
  evidenceUnchecked(proposals[0]!, proposals[1]!, CYCLE)
)
judged(
  'over-quota',
  'evidence',
  'Another pair about the same offence, told by another staker: one piece says all.',
  NOW,
  (await evidence(two, three, 'carol')).bytes,
  [await evidence(one, two)]
)
judged('meaningless', 'evidence-forged', 'One half is not signed by bob.', NOW, (await evidence(one, open(forged(two), NETWORK))).bytes)
judged('malformed', 'evidence-same', "bob's one submission twice.", NOW, evidenceUnchecked(one, one))
judged('malformed', 'evidence-of-two-stakers', "bob's submission and alice's.", NOW, evidenceUnchecked(one, alices))
judged(
  'malformed',
  'evidence-of-proposals-too-early',
  'Proposals come too late for the record that they propose.',
  distribution.from,
  evidenceUnchecked(proposals[0]!, proposals[1]!, CYCLE - 1)
)

// signatures, bytes and contents
judged('bad-signature', '', 'Nobody signed this.', NOW, forged(alices))
judged(
  'bad-signature',
  'other-cluster',
  'Signed for another K2 cluster.',
  NOW,
  (await by('alice', submission(), networkOf(TASK, TASK))).bytes
)
judged('bad-signature', 'other-task', 'Signed for another task.', NOW, (await by('alice', submission(), networkOf(GENESIS, GENESIS))).bytes)
judged('too-large', '', 'One byte more than an envelope may have.', NOW, new Uint8Array(LIMITS.envelopeBytes + 1))
judged('malformed', '', 'No envelope.', NOW, new Uint8Array([1, 2, 3]))
judged(
  'malformed',
  'unknown-field',
  'A field that envelopes do not have.',
  NOW,
  Buffer.concat([alices.bytes, Buffer.from('7a0100', 'hex')])
)
judged(
  'meaningless',
  'peer-id',
  'An announcement of something that is no PeerId.',
  NOW,
  (await by('alice', announcement({}, { peerId: new Uint8Array([9, 9]) }))).bytes
)
judged(
  'meaningless',
  'expired',
  'An announcement that expires before it is said.',
  NOW,
  (await by('alice', announcement({}, { expirySlot: NOW - 1 }))).bytes
)
const noText: Body = submission()
noText.submission!.value = new Uint8Array([0xff])
judged('meaningless', 'value-not-utf-8', 'A value that is no text.', NOW, sealUnchecked('alice', noText))
const version0: Body = submission()
version0.submission!.proofs = [{ cid: new Uint8Array(Buffer.from(`1220${'ab'.repeat(32)}`, 'hex')), size: 1, blocks: 1 }]
judged('meaningless', 'cid-version-0', 'A proof whose CID is of version 0.', NOW, sealUnchecked('alice', version0))

/** What is around the envelope, before anybody looks into it. */
function routed(name: string, expect: 'accept' | 'signed-by-router', description: string, rpc: Uint8Array): void {
  write(`${expect}-${name}`, {
    description,
    kind: 'router',
    ...networked,
    rpc: hex(rpc),
    expect,
    result: expect === 'accept' ? 'accept' : 'reject'
  })
}

const { strictSign, strictNoSign, noAuthor } = GO_FRAMES
routed('go-strict-sign', 'signed-by-router', 'By go-libp2p-pubsub 0.19.0 as it comes: all four fields.', Buffer.from(strictSign, 'hex'))
routed('go-strict-no-sign', 'signed-by-router', 'By the same with StrictNoSign alone: from and seqno.', Buffer.from(strictNoSign, 'hex'))
routed('go-no-author', 'accept', 'By the same with StrictNoSign and WithNoAuthor(): data and topic.', Buffer.from(noAuthor, 'hex'))
for (const name of ['from', 'seqno', 'signature', 'key']) {
  const message = { topic: topicOf(NETWORK), data: alices.bytes, [name]: new Uint8Array(0) }
  routed(
    `${name}-alone`,
    'signed-by-router',
    `An empty ${name}, and nothing else that is too much.`,
    RPC.encode({ subscriptions: [], messages: [message] })
  )
}
