/**
 * Writes protocols/record/vectors and protocols/audit/vectors: run by hand when the protocol changes, never by the tests.
 *
 *     node test/record/make-vectors.ts
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as dagCbor from '@ipld/dag-cbor'
import { sampleSubmissions } from '../../src/audit/index.ts'
import { type Block, blockOf } from '../../src/record/blocks.ts'
import { buildRecord, type CycleInputs, type DistributionEntry, proposerFor, tally } from '../../src/record/index.ts'
import type { Message } from '../../src/wire/index.ts'
import type { SamplingVector } from '../vectors/audit.ts'
import { type RecordVector, tallyJson } from '../vectors/record.ts'
import { plain } from '../vectors/wire.ts'
import { challenge, equivocation, response, submission, verdict } from '../wire/people.ts'
import { alice, bob, carol, dave, erin, inputs, person, stakes } from './cycle.ts'

const vectors = (protocol: string) => join(import.meta.dirname, '..', '..', 'protocols', protocol, 'vectors')

function write(protocol: string, name: string, vector: unknown): void {
  mkdirSync(vectors(protocol), { recursive: true })
  writeFileSync(join(vectors(protocol), `${name}.json`), `${JSON.stringify(plain(vector), null, 2)}\n`)
}

const blockJson = ({ cid, bytes }: Block) => ({ cid: cid.toString(), bytes: Buffer.from(bytes).toString('hex') })

function inputsJson(own: CycleInputs) {
  return {
    genesisHash: own.genesisHash,
    taskId: own.taskId,
    cycle: own.cycle,
    previous: own.previous == null ? null : { cid: own.previous.cid.toString(), cycle: own.previous.cycle },
    bounty: own.bounty.toString(),
    stakes: Object.fromEntries([...own.stakes].map(([staker, stake]) => [staker, stake.toString()])),
    ledger: [...own.ledger].map(([staker, { reward, slash }]) => ({ staker, reward: reward.toString(), slash: slash.toString() })),
    messages: own.messages.map(({ bytes }) => Buffer.from(bytes).toString('hex'))
  }
}

function writeCycle(
  name: string,
  description: string,
  own: CycleInputs,
  distribution: DistributionEntry[],
  expect: 'ok' | 'DistributionError' = 'ok'
): void {
  const list = distribution.map(({ staker, amount }) => ({ staker, amount: amount.toString() }))
  const head = { description, kind: 'cycle', inputs: inputsJson(own), tally: tallyJson(own), distribution: list, expect }
  if (expect !== 'ok') {
    write('record', name, head)
    return
  }
  const { cid, root, totalRewards, totalSlashed, blocks } = buildRecord(own, tally(own), distribution)
  write('record', name, { ...head, record: { cid: cid.toString(), root, totalRewards, totalSlashed, blocks: blocks.map(blockJson) } })
}

const a = await alice.says(submission('work of alice'))
const b = await bob.says(submission('work of bob'))
const c = await carol.says(submission('work of carol'))
const [d1, d2, d3] = [await dave.says(submission('one')), await dave.says(submission('two')), await dave.says(submission('three'))]
const pay = (...list: Array<[{ address: string }, bigint]>) => list.map(([{ address }, amount]) => ({ staker: address, amount }))
const cycle = (messages: Message[], change: Partial<CycleInputs> = {}) => inputs({ messages, ...change })

writeCycle(
  'cycle-first',
  'The first record of a task: nothing before it, everybody honest.',
  cycle([c, a, b], { previous: null }),
  pay([alice, 333n], [bob, 333n], [carol, 333n])
)
writeCycle('cycle-empty', 'Nobody submitted anything.', cycle([]), [])
const against = [
  await erin.says(challenge(c, 'invalid', 'wrong sum')),
  await carol.says(response(c)),
  await erin.says(verdict(c, 'invalid', 'wrong sum')),
  await bob.says(verdict(c, 'invalid', 'wrong sum')),
  await alice.says(verdict(c, 'valid'))
]
writeCycle(
  'cycle-rejected-invalid',
  'carol is challenged, answers, and is rejected by two verdicts to one; the task slashes her.',
  cycle([...against, a, b, c], {
    ledger: new Map([
      [alice.address, { reward: 40n, slash: 0n }],
      [carol.address, { reward: 9n, slash: 1n }]
    ])
  }),
  pay([bob, 500n], [alice, 500n], [carol, -10n])
)
const gone = [
  await alice.says(verdict(b, 'unavailable', 'no answer')),
  await carol.says(verdict(b, 'unavailable', 'timed out')),
  await dave.says(verdict(b, 'unavailable', 'timed out'))
]
writeCycle(
  'cycle-rejected-unavailable',
  "Nobody could fetch bob's proof; the most common reason is told.",
  cycle([a, b, ...gone]),
  pay([alice, 1000n])
)
const split = [
  await carol.says(verdict(a, 'invalid', 'x')),
  await dave.says(verdict(a, 'unavailable', 'y')),
  await erin.says(verdict(a, 'valid')),
  await bob.says(verdict(a, 'valid')),
  await alice.says(verdict(a, 'valid'))
]
writeCycle(
  'cycle-accepted-at-a-tie',
  'The stake for and against alice is equal, her own word aside: accepted.',
  cycle([a, ...split]),
  pay([alice, 1000n])
)
writeCycle(
  'cycle-rejected-by-stake',
  'One staker outweighs two.',
  cycle([a, ...split], { stakes: stakes([alice, 1n], [bob, 10n], [carol, 30n], [dave, 1n], [erin, 20n]) }),
  []
)
writeCycle(
  'cycle-equivocation-direct',
  'dave submitted three times: two are proof enough, the two with the smallest ids; a tenth of his stake is slashed.',
  cycle([a, d1, d2, d3]),
  pay([alice, 1000n])
)
writeCycle(
  'cycle-equivocation-evidence',
  "Only evidence of dave's equivocation came; the piece with the smallest id is kept.",
  cycle([a, await bob.says(equivocation(d1, d2)), await erin.says(equivocation(d2, d3))]),
  pay([alice, 1000n])
)
writeCycle(
  'cycle-equivocation-verdicts',
  'erin contradicts herself about alice: none of her verdicts counts, that about bob included.',
  cycle([a, b, await erin.says(verdict(a, 'invalid')), await erin.says(verdict(a, 'valid')), await erin.says(verdict(b, 'invalid'))]),
  pay([alice, 500n], [bob, 500n])
)
writeCycle(
  'cycle-slashes-capped-at-the-stake',
  'The task takes 95 of 100 from dave, equivocation would take 10: together no more than the stake.',
  cycle([a, d1, d2]),
  pay([dave, -95n])
)
writeCycle(
  'cycle-words-about-nothing',
  'Verdicts about unknown submissions, by the unstaked and of another cycle are passed over.',
  cycle([a, await bob.says(verdict(b, 'invalid')), await person('mallory').says(submission('m')), await carol.says(submission('c', 4))]),
  pay([alice, 1000n])
)
writeCycle(
  'cycle-amounts-past-2-to-the-53',
  'Amounts that a double cannot hold.',
  cycle([a], {
    bounty: 2n ** 60n,
    stakes: stakes([alice, 2n ** 62n]),
    ledger: new Map([[alice.address, { reward: 2n ** 63n, slash: 2n ** 61n }]])
  }),
  pay([alice, 2n ** 60n - 1n])
)
writeCycle('distribution-above-the-bounty', 'A lamport more than the bounty.', cycle([a]), pay([alice, 1001n]), 'DistributionError')
writeCycle('distribution-slash-above-the-stake', 'A lamport more than the stake.', cycle([a]), pay([alice, -101n]), 'DistributionError')
writeCycle('distribution-unknown-staker', 'Somebody without stake.', cycle([a]), pay([person('mallory'), 1n]), 'DistributionError')
writeCycle('distribution-staker-twice', 'alice twice.', cycle([a]), pay([alice, 1n], [alice, 1n]), 'DistributionError')
writeCycle(
  'distribution-past-64-bits',
  'Cumulative rewards that K2 cannot count.',
  cycle([a], { ledger: new Map([[alice.address, { reward: 2n ** 64n - 1n, slash: 0n }]]) }),
  pay([alice, 1n]),
  'DistributionError'
)

const record = buildRecord(cycle([a, b, d1, d2]), tally(cycle([a, b, d1, d2])), pay([alice, 600n], [bob, 400n]))
const rootFields = dagCbor.decode(record.blocks[0]!.bytes) as Record<string, unknown>
const ledgerBlock = record.blocks.find(({ cid }) => cid.equals(record.content.ledger))!
const ledgerFields = dagCbor.decode(ledgerBlock.bytes) as Record<string, unknown>

function writeRead(name: string, description: string, what: 'record' | 'ledger', root: Block, blocks: Block[], where: string): void {
  const vector: RecordVector = {
    description,
    kind: 'read',
    what,
    cid: root.cid.toString(),
    blocks: blocks.map(blockJson),
    expect: 'RecordMalformedError',
    where
  }
  write('record', name, vector)
}
const forgedRecord = (name: string, description: string, change: object, where: string, extra: Block[] = []) => {
  const root = blockOf({ ...rootFields, ...change })
  writeRead(name, description, 'record', root, [root, ...record.blocks.slice(1), ...extra], where)
}
const chunkOf = (list: string) => {
  const [link] = rootFields[list] as Array<{ equals(other: unknown): boolean }>
  return dagCbor.decode(record.blocks.find(({ cid }) => link!.equals(cid))!.bytes) as unknown[]
}
const relisted = (name: string, description: string, list: string, entries: unknown[], where: string) => {
  const chunk = blockOf(entries)
  forgedRecord(name, description, { [list]: [chunk.cid] }, where, [chunk])
}
writeRead(
  'read-wrong-hash',
  'Another block came than was asked for.',
  'record',
  record.blocks[0]!,
  [{ cid: record.blocks[0]!.cid, bytes: record.blocks[1]!.bytes }],
  'record root block'
)
forgedRecord('read-version-2', 'A version of the future.', { version: 2 }, 'record.version')
forgedRecord('read-unknown-field', 'A field that records do not have.', { proposer: alice.publicKey }, 'record')
forgedRecord('read-cycle-negative', 'A cycle below 0.', { cycle: -1 }, 'record.cycle')
forgedRecord('read-root-31-bytes', 'A root of 31 bytes.', { root: new Uint8Array(31) }, 'record.root')
forgedRecord(
  'read-pays-above-the-bounty',
  'The distribution pays more than the bounty that it names.',
  { bounty: 999 },
  'record.distribution'
)
forgedRecord('read-totals-too-low', 'Cumulative rewards below those of this cycle.', { totalRewards: 999 }, 'record.totalRewards')
relisted(
  'read-distribution-unsorted',
  'Entries not in the order of the staking keys.',
  'distribution',
  chunkOf('distribution').reverse(),
  'record.distribution'
)
relisted(
  'read-staker-twice',
  'A staker twice.',
  'distribution',
  [chunkOf('distribution')[0], chunkOf('distribution')[0]],
  'record.distribution'
)
relisted('read-amount-zero', 'An entry without an amount.', 'distribution', [[alice.publicKey, 0]], 'record.distribution[0][0][1]')
relisted('read-slash-negative', 'A slash is a positive amount.', 'slashes', [[dave.publicKey, -10]], 'record.slashes')
relisted('read-messages-unsorted', 'Messages out of order.', 'messages', chunkOf('messages').reverse(), 'record.messages')
relisted('read-message-twice', 'A message twice.', 'messages', [chunkOf('messages')[0], ...chunkOf('messages')], 'record.messages')
const halves = [blockOf(chunkOf('messages').slice(0, 2)), blockOf(chunkOf('messages').slice(2))]
forgedRecord(
  'read-chunks-not-full',
  'A list cut into more chunks than it needs.',
  { messages: halves.map(({ cid }) => cid) },
  'record',
  halves
)
const forgedLedger = (name: string, description: string, change: object, where: string) => {
  const root = blockOf({ ...ledgerFields, ...change })
  writeRead(name, description, 'ledger', root, [root, ...record.blocks.slice(-1)], where)
}
forgedLedger('read-ledger-wrong-root', 'A root that is not that of the entries.', { root: new Uint8Array(32).fill(1) }, 'ledger.root')
forgedLedger('read-ledger-wrong-total', 'Rewards that do not add up.', { totalRewards: 1001 }, 'ledger.totalRewards')

const seed = Buffer.from(record.digest)
for (const [name, description, all] of [
  ['proposers-equal', 'Five equal stakers: each has one turn before any has two.', inputs().stakes],
  [
    'proposers-by-stake',
    'One with nearly all the stake, one with none.',
    stakes([alice, 10n ** 15n], [bob, 10n ** 9n], [carol, 1n], [dave, 0n])
  ]
] as const) {
  const proposers = Array.from({ length: 2 * all.size }, (_, attempt) => proposerFor({ stakes: all, seed, cycle: 3, attempt })!)
  write('record', name, { description, kind: 'proposer', stakes: Object.fromEntries(all), seed: seed.toString('hex'), cycle: 3, proposers })
}

const ids = Array.from({ length: 12 }, (_, i) => i.toString(16).repeat(64).slice(0, 64))
const samples: Array<[string, string, Omit<SamplingVector, 'chosen' | 'description'>]> = [
  [
    'sampling-eight-of-twelve',
    'Eight of eleven others, one random number each.',
    { candidates: ids, self: ids[4]!, count: 8, random: [0.1, 0.9, 0.5, 0.25, 0.75, 0, 0.999, 0.3] }
  ],
  [
    'sampling-fewer-than-asked',
    'All others, when there are fewer than asked.',
    { candidates: ids.slice(0, 4), self: ids[0]!, count: 8, random: [0.5, 0.5, 0.5] }
  ],
  ['sampling-nobody-else', 'Nobody else submitted.', { candidates: ids.slice(0, 1), self: ids[0]!, count: 8, random: [] }],
  [
    'sampling-without-own',
    'An auditor that submitted nothing itself.',
    { candidates: ids.slice(0, 3), self: null, count: 2, random: [0.7, 0.7] }
  ],
  [
    'sampling-repeated-candidate',
    'A candidate listed twice counts once.',
    { candidates: [ids[1]!, ids[1]!, ids[2]!], self: null, count: 2, random: [0.4, 0.4] }
  ]
]
for (const [name, description, facts] of samples) {
  let drawn = 0
  write('audit', name, { description, ...facts, chosen: sampleSubmissions({ ...facts, random: () => facts.random[drawn++]! }) })
}
