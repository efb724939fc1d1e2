/**
 * Writes protocols/record/vectors and protocols/audit/vectors: run by hand when the protocol changes, never by the tests.
 *
 *     node test/record/make-vectors.ts
 */
import { sampleSubmissions } from '../../src/audit/index.ts'
import {
  buildRecord,
  type CycleInputs,
  type DistributionEntry,
  distributionInput,
  LARGEST_SLASH,
  offencesIn,
  proposerFor,
  tally
} from '../../src/record/index.ts'
import type { Finding, Message } from '../../src/wire/index.ts'
import type { SamplingVector } from '../vectors/audit.ts'
import { type AccountJson, tallyJson } from '../vectors/record.ts'
import { challenge, cidBytes, equivocation, type Person, submission, verdicts } from '../wire/people.ts'
import { alice, BEACON, bob, carol, dave, erin, inputs, person, stakes } from './cycle.ts'
import { writeReadVectors } from './read-vectors.ts'
import { replacedKeys } from './replaced-keys.ts'
import { blockJson, clear, write } from './vector-files.ts'

clear('record')
clear('audit')

function inputsJson(own: CycleInputs, accounts?: AccountJson[]) {
  return {
    genesisHash: own.genesisHash,
    taskId: own.taskId,
    cycle: own.cycle,
    previous:
      own.previous == null
        ? null
        : { cid: own.previous.cid.toString(), cycle: own.previous.cycle, offences: [...(own.previous.offences ?? [])] },
    beacon: Buffer.from(own.beacon).toString('hex'),
    bounty: own.bounty.toString(),
    ...(accounts == null ? {} : { accounts, stakers: Object.fromEntries(own.stakers ?? []) }),
    stakes: Object.fromEntries([...own.stakes].map(([staker, stake]) => [staker, stake.toString()])),
    totalStake: (own.totalStake ?? [...own.stakes.values()].reduce((sum, stake) => sum + stake, 0n)).toString(),
    largestSlash: own.largestSlash ?? LARGEST_SLASH,
    ledger: [...own.ledger].map(([staker, { reward, slash }]) => ({ staker, reward: reward.toString(), slash: slash.toString() })),
    messages: own.messages.map(({ bytes }) => Buffer.from(bytes).toString('hex'))
  }
}

function writeCycle(
  name: string,
  description: string,
  own: CycleInputs,
  distribution: DistributionEntry[],
  expect: 'ok' | 'DistributionError' = 'ok',
  more: { accounts?: AccountJson[]; input?: true } = {}
): void {
  const list = distribution.map(({ staker, amount }) => ({ staker, amount: amount.toString() }))
  const input = more.input == null ? {} : { input: distributionInput(own, tally(own)) }
  const inputs = inputsJson(own, more.accounts)
  const head = { description, kind: 'cycle', inputs, tally: tallyJson(own), ...input, distribution: list, expect }
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
/** What each of them found, in one message each. */
const found = (about: Array<[Person, Finding]>, by: Person[], all = inputs().stakes) =>
  Promise.all(by.map((who) => who.says(verdicts(all, about))))
writeCycle(
  'cycle-rejected-invalid-by-more-than-a-third',
  'Two of five equal stakers, 40 % of all stake, find the work of carol invalid, and one finds it valid: it is rejected. She loses a hundredth of her stake, and what the task takes.',
  cycle([a, b, c, ...(await found([[carol, 'invalid']], [erin, bob])), ...(await found([[carol, 'valid']], [alice]))], {
    ledger: new Map([
      [alice.address, { reward: 40n, slash: 0n }],
      [carol.address, { reward: 9n, slash: 1n }]
    ])
  }),
  pay([bob, 500n], [alice, 500n], [carol, -5n])
)
const trio = stakes([alice, 100n], [bob, 100n], [carol, 100n])
writeCycle(
  'cycle-accepted-at-a-third',
  'One of three equal stakers finds the work of carol invalid, and nobody else says anything: a third is not more than a third.',
  cycle([c, ...(await found([[carol, 'invalid']], [bob], trio))], { stakes: trio }),
  pay([carol, 1000n])
)
writeCycle(
  'cycle-accepted-as-much-valid-as-invalid',
  'As much stake finds the work of carol valid as finds it invalid, which is more than a third: accepted.',
  cycle([c, ...(await found([[carol, 'invalid']], [alice, bob])), ...(await found([[carol, 'valid']], [dave, erin]))]),
  pay([carol, 1000n])
)
writeCycle(
  'cycle-rejected-unavailable-by-more-than-half',
  'Three of five did not get the proof of bob, one of them finding it invalid: 60 % of all stake. Nothing is slashed.',
  cycle([
    a,
    b,
    ...(await found([[bob, 'unavailable']], [alice, carol])),
    ...(await found([[bob, 'invalid']], [dave])),
    ...(await found([[bob, 'valid']], [erin]))
  ]),
  pay([alice, 1000n])
)
const four = stakes([alice, 100n], [bob, 100n], [carol, 100n], [dave, 100n])
writeCycle(
  'cycle-accepted-at-half',
  'Two of four equal stakers did not get the proof of bob: half is not more than half.',
  cycle([b, ...(await found([[bob, 'unavailable']], [alice, carol], four))], { stakes: four }),
  pay([bob, 1000n])
)
writeCycle(
  'cycle-silence-counts-for-nothing',
  'Only one of five speaks, against all others, and finds their work invalid: a fifth of all stake, so all are accepted.',
  cycle([
    a,
    b,
    c,
    ...(await found(
      [
        [alice, 'invalid'],
        [bob, 'invalid'],
        [carol, 'invalid']
      ],
      [erin]
    ))
  ]),
  pay([alice, 300n], [bob, 300n], [carol, 300n])
)
const two = stakes([alice, 100n], [bob, 101n], [carol, 100n])
writeCycle(
  'cycle-stake-without-a-key-is-in-all-stake',
  'What bob has would be more than a third of what the three have; with the stake that no key speaks for it is less.',
  cycle([c, ...(await found([[carol, 'invalid']], [bob], two))], { stakes: two, totalStake: 400n }),
  pay([carol, 1000n])
)
const heavy = stakes([alice, 1n], [bob, 10n], [carol, 30n], [dave, 1n], [erin, 20n])
writeCycle(
  'cycle-rejected-by-stake-and-not-by-heads',
  'One with nearly half of all stake finds the work of alice invalid, three find it valid: stake counts. Her own word about it does not.',
  cycle([a, ...(await found([[alice, 'invalid']], [carol], heavy)), ...(await found([[alice, 'valid']], [alice, bob, dave], heavy))], {
    stakes: heavy
  }),
  []
)
const refuting = await found([[alice, 'valid']], [carol, dave])
writeCycle(
  'cycle-refuted-by-verdicts',
  'bob alone finds the work of alice invalid, two find it valid, 40 % of all stake: bob is refuted and paid nothing, and loses nothing.',
  cycle([a, b, ...refuting, ...(await found([[alice, 'invalid']], [bob]))]),
  pay([alice, 500n])
)
const challenges = [await bob.says(challenge(a, 'invalid', 'wrong sum')), await bob.says(challenge(a, 'invalid', 'wrong product'))]
writeCycle(
  'cycle-refuted-challenge',
  'bob challenged the work of alice as invalid, twice, and says nothing in verdicts: the challenge with the smallest id shows that he is refuted, and no other is held.',
  cycle([
    a,
    b,
    ...refuting,
    ...challenges,
    await erin.says(challenge(b, 'invalid', 'nobody agrees, nobody objects')),
    await bob.says(challenge(a, 'unavailable'))
  ]),
  pay([alice, 500n])
)
writeCycle(
  'cycle-challenge-taken-back',
  'bob challenged the work of alice as invalid and finds it valid in his verdicts: he is not refuted, and no challenge is held.',
  cycle([a, b, ...refuting, ...challenges, ...(await found([[alice, 'valid']], [bob]))]),
  pay([alice, 500n], [bob, 500n])
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
  'erin found the work of alice invalid and, in other verdicts, valid: her own submission does not stand, and what she says of bob counts for nothing either.',
  cycle([
    a,
    b,
    await erin.says(submission('work of erin')),
    ...(await found(
      [
        [alice, 'invalid'],
        [bob, 'invalid']
      ],
      [erin]
    )),
    ...(await found(
      [
        [alice, 'valid'],
        [bob, 'invalid']
      ],
      [erin]
    )),
    ...(await found([[bob, 'invalid']], [carol]))
  ]),
  pay([alice, 500n], [bob, 500n])
)
writeCycle(
  'cycle-equivocator-without-submission',
  'erin gave two verdicts and submitted nothing, and of dave, who said nothing in this cycle, only evidence came: both are among the rejected, as equivocated. carol submitted nothing, and is not.',
  cycle([
    a,
    ...(await found([[alice, 'invalid']], [erin])),
    ...(await found([[alice, 'valid']], [erin])),
    await bob.says(equivocation(d1, d2))
  ]),
  pay([alice, 990n], [dave, -3n]),
  'ok',
  { input: true }
)
/** Submissions of dave in cycle 2, whose record is the one before. */
const earlier = [await dave.says(submission('one', 2, 95)), await dave.says(submission('two', 2, 95))] as const
const late = await bob.says({ ...equivocation(...earlier), cycle: 3 })
writeCycle(
  'cycle-evidence-of-the-cycle-before',
  'dave submitted twice in cycle 2, which became known too late for its record: he is convicted in that of cycle 3, and his work there does not count.',
  cycle([a, d1, late]),
  pay([alice, 1000n])
)
const { previous } = inputs()
writeCycle(
  'cycle-evidence-already-punished',
  'The record of cycle 2 holds the proof: the same offence is not punished again, and the evidence is not held.',
  cycle([a, d1, late], { previous: { ...previous!, offences: offencesIn([...earlier], 2) } }),
  pay([alice, 500n], [dave, 500n])
)
const long = [await dave.says(submission('one', 1, 65)), await dave.says(submission('two', 1, 65))] as const
writeCycle(
  'cycle-evidence-too-old',
  'What dave did in cycle 1 was for the record of cycle 2 to punish, which was finalized: it is too late.',
  cycle([a, d1, await bob.says({ ...equivocation(...long), cycle: 3 })]),
  pay([alice, 500n], [dave, 500n])
)
const proposing = (value: string) => ({
  cycle: 2,
  slot: 121,
  record: { cid: cidBytes(value), root: new Uint8Array(32), totalRewards: 1n, attempt: 0 }
})
const proposals = [await dave.says(proposing('one')), await dave.says(proposing('two'))] as const
writeCycle(
  'cycle-equivocation-proposals',
  'dave proposed two records in one attempt of cycle 2: in the record of cycle 3 that counts as submitting twice does.',
  cycle([a, d1, await bob.says({ ...equivocation(...proposals), cycle: 3 })]),
  pay([alice, 1000n])
)
writeCycle(
  'cycle-slashes-capped-at-the-largest',
  'The task takes 7 of 100 from dave, equivocation would take 10: together no more than the largest slash, a tenth.',
  cycle([a, d1, d2]),
  pay([dave, -7n])
)
writeCycle(
  'cycle-slashes-of-a-gentle-task',
  'The largest slash of the task is a thousandth: equivocation takes no more, and invalid work neither.',
  cycle(
    [
      a,
      c,
      d1,
      d2,
      ...(await found([[carol, 'invalid']], [alice, bob], stakes([alice, 5000n], [bob, 5000n], [carol, 5000n], [dave, 5000n])))
    ],
    {
      largestSlash: 10,
      stakes: stakes([alice, 5000n], [bob, 5000n], [carol, 5000n], [dave, 5000n])
    }
  ),
  pay([alice, 1000n])
)
writeCycle(
  'cycle-words-about-nothing',
  'Verdicts about a place that nobody has, about who submitted nothing and about oneself, words by the unstaked and of another cycle are passed over.',
  cycle([
    a,
    await bob.says({ cycle: 3, slot: 148, verdicts: { findings: [{ place: 5, finding: 2 }] } }),
    ...(await found([[dave, 'invalid']], [carol])),
    ...(await found([[alice, 'valid']], [alice])),
    await person('mallory').says(submission('m')),
    await carol.says(submission('c', 4))
  ]),
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
writeCycle('distribution-above-the-bounty', 'A ROE more than the bounty.', cycle([a]), pay([alice, 1001n]), 'DistributionError')
writeCycle('distribution-slash-of-accepted', 'Of somebody whose work is accepted.', cycle([a]), pay([alice, -1n]), 'DistributionError')
writeCycle('distribution-slash-of-nobody', 'Of somebody who submitted nothing.', cycle([a]), pay([bob, -1n]), 'DistributionError')
writeCycle(
  'distribution-slash-of-refuted',
  'Of somebody whose false word costs the pay, and no more.',
  cycle([a, b, ...refuting, ...(await found([[alice, 'invalid']], [bob]))]),
  pay([bob, -1n]),
  'DistributionError'
)
writeCycle(
  'distribution-slash-above-the-largest',
  'A ROE more than a tenth of the stake, of an equivocator.',
  cycle([a, d1, d2]),
  pay([dave, -11n]),
  'DistributionError'
)
writeCycle('distribution-unknown-staker', 'Somebody without stake.', cycle([a]), pay([person('mallory'), 1n]), 'DistributionError')
writeCycle('distribution-staker-twice', 'alice twice.', cycle([a]), pay([alice, 1n], [alice, 1n]), 'DistributionError')
writeCycle(
  'distribution-past-64-bits',
  'Cumulative rewards that K2 cannot count.',
  cycle([a], { ledger: new Map([[alice.address, { reward: 2n ** 64n - 1n, slash: 0n }]]) }),
  pay([alice, 1n]),
  'DistributionError'
)

for (const { name, description, inputs: own, distribution, accounts } of await replacedKeys()) {
  writeCycle(name, description, own, distribution, 'ok', { accounts, input: true })
}

const record = buildRecord(cycle([a, b, d1, d2]), tally(cycle([a, b, d1, d2])), pay([alice, 600n], [bob, 400n]))
writeReadVectors(record)

const beacon = Buffer.from(BEACON).toString('hex')
const { taskId } = inputs()
for (const [name, description, all] of [
  ['proposers-equal', 'Five equal stakers: each has one turn before any has two.', inputs().stakes],
  [
    'proposers-by-stake',
    'One with nearly all the stake, one with none.',
    stakes([alice, 10n ** 15n], [bob, 10n ** 9n], [carol, 1n], [dave, 0n])
  ]
] as const) {
  for (const [suffix, block] of [
    ['', beacon],
    ['-other-beacon', beacon.replace(/^../, (byte) => (Number.parseInt(byte, 16) ^ 1).toString(16).padStart(2, '0'))]
  ] as const) {
    const facts = { taskId, stakes: all, beacon: Buffer.from(block, 'hex'), cycle: 3 }
    const proposers = Array.from({ length: 2 * all.size }, (_, attempt) => proposerFor({ ...facts, attempt })!)
    const said = suffix === '' ? description : `${description} The beacon differs in one bit from the one of the other vector.`
    write('record', `${name}${suffix}`, {
      description: said,
      kind: 'proposer',
      taskId,
      stakes: Object.fromEntries(all),
      beacon: block,
      cycle: 3,
      proposers
    })
  }
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
