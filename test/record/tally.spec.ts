import { expect } from 'chai'
import fc from 'fast-check'
import { type CycleInputs, distributionInput, offencesIn, type Tally, tally } from '../../src/record/index.ts'
import type { Finding, Message } from '../../src/wire/index.ts'
import { challenge, cidBytes, equivocation, type Person, response, submission, verdicts } from '../wire/people.ts'
import { alice, bob, carol, dave, erin, inputs, nameOf, PEOPLE, person, stakes } from './cycle.ts'

const accepted = (result: Tally) => result.accepted.map(({ signer }) => nameOf(signer)).sort()
const rejected = (result: Tally) => Object.fromEntries(result.rejected.map(({ staker, reason }) => [nameOf(staker), reason]))
const slashed = (result: Tally) => Object.fromEntries([...result.slashes].map(([staker, slash]) => [nameOf(staker), slash]))
const ids = (messages: readonly Message[]) => messages.map(({ id }) => id)
const EQUAL = inputs().stakes

interface Row {
  it: string
  stakes?: Array<[Person, bigint]>
  /** What is said about alice's submission. */
  said: Array<[Person, Finding]>
  alice: 'accepted' | 'invalid' | 'unavailable'
}

/** Five of 100 each where a row says nothing else: a third is 167, half is 250. */
const ROWS: Row[] = [
  { it: 'accepts what nobody speaks about', said: [], alice: 'accepted' },
  { it: 'accepts what one finds invalid, a fifth of all stake, and nobody valid', said: [[bob, 'invalid']], alice: 'accepted' },
  {
    it: 'rejects what more than a third of all stake finds invalid',
    said: [
      [bob, 'invalid'],
      [carol, 'invalid']
    ],
    alice: 'invalid'
  },
  {
    it: 'accepts what as much stake finds valid as invalid',
    said: [
      [bob, 'invalid'],
      [carol, 'invalid'],
      [dave, 'valid'],
      [erin, 'valid']
    ],
    alice: 'accepted'
  },
  {
    it: 'accepts at exactly a third, the silent and the submitter counted',
    stakes: [
      [alice, 100n],
      [bob, 100n],
      [carol, 100n]
    ],
    said: [[bob, 'invalid']],
    alice: 'accepted'
  },
  {
    it: 'rejects one ROE above a third',
    stakes: [
      [alice, 100n],
      [bob, 101n],
      [carol, 100n]
    ],
    said: [[bob, 'invalid']],
    alice: 'invalid'
  },
  {
    it: 'accepts what less than half could not get',
    said: [
      [bob, 'unavailable'],
      [carol, 'unavailable']
    ],
    alice: 'accepted'
  },
  {
    it: 'rejects what more than half could not get, whoever says valid',
    said: [
      [bob, 'unavailable'],
      [carol, 'unavailable'],
      [dave, 'unavailable'],
      [erin, 'valid']
    ],
    alice: 'unavailable'
  },
  {
    it: 'adds invalid to unavailable for the half',
    said: [
      [bob, 'invalid'],
      [carol, 'unavailable'],
      [dave, 'unavailable']
    ],
    alice: 'unavailable'
  },
  {
    it: 'accepts at exactly half',
    stakes: [
      [alice, 100n],
      [bob, 100n],
      [carol, 100n],
      [dave, 100n]
    ],
    said: [
      [bob, 'unavailable'],
      [carol, 'unavailable']
    ],
    alice: 'accepted'
  },
  {
    it: 'counts stake and not heads',
    stakes: [
      [alice, 1n],
      [bob, 3n],
      [carol, 1n],
      [dave, 1n]
    ],
    said: [
      [carol, 'invalid'],
      [dave, 'invalid']
    ],
    alice: 'accepted'
  },
  {
    it: 'does not count the subject itself',
    stakes: [
      [alice, 10n],
      [bob, 11n]
    ],
    said: [
      [alice, 'valid'],
      [bob, 'invalid']
    ],
    alice: 'invalid'
  },
  {
    it: 'does not count who has no stake',
    stakes: [
      [alice, 1n],
      [bob, 0n]
    ],
    said: [
      [bob, 'invalid'],
      [carol, 'invalid']
    ],
    alice: 'accepted'
  }
]

describe('record: tally of verdicts', () => {
  for (const row of ROWS) {
    it(row.it, async () => {
      const all = row.stakes == null ? EQUAL : stakes(...row.stakes)
      const work = await alice.says(submission('work of alice'))
      const said = await Promise.all(row.said.map(([who, finding]) => who.says(verdicts(all, [[alice, finding]]))))
      const result = tally(inputs({ messages: [...said, work], stakes: all }))
      expect(accepted(result)).to.deep.equal(row.alice === 'accepted' ? ['alice'] : [])
      expect(rejected(result)).to.deep.equal(row.alice === 'accepted' ? {} : { alice: row.alice })
      expect(Object.keys(slashed(result))).to.deep.equal(row.alice === 'invalid' ? ['alice'] : [])
    })
  }

  it('weighs stake without a key too: the total is what K2 says', async () => {
    const all = stakes([alice, 100n], [bob, 101n], [carol, 100n])
    const messages = [await alice.says(submission('a')), await bob.says(verdicts(all, [[alice, 'invalid']]))]
    expect(rejected(tally(inputs({ messages, stakes: all })))).to.deep.equal({ alice: 'invalid' })
    expect(rejected(tally(inputs({ messages, stakes: all, totalStake: 303n })))).to.deep.equal({})
  })

  it('takes a hundredth of the stake for invalid work, and nothing for missing work', async () => {
    const [a, b] = [await alice.says(submission('a')), await bob.says(submission('b'))]
    const found: Array<[Person, Finding]> = [
      [alice, 'invalid'],
      [bob, 'unavailable']
    ]
    const said = await Promise.all([carol, dave, erin].map((who) => who.says(verdicts(EQUAL, found))))
    const result = tally(inputs({ messages: [a, b, ...said] }))
    expect(rejected(result)).to.deep.equal({ alice: 'invalid', bob: 'unavailable' })
    expect(slashed(result)).to.deep.equal({ alice: 1n })
    expect(slashed(tally(inputs({ messages: [a, b, ...said], largestSlash: 0 })))).to.deep.equal({ alice: 0n })
  })

  it('keeps verdicts about other submissions apart', async () => {
    const messages = [await alice.says(submission('a')), await bob.says(submission('b'))]
    for (const who of [carol, dave]) {
      messages.push(
        await who.says(
          verdicts(EQUAL, [
            [alice, 'invalid'],
            [bob, 'valid']
          ])
        )
      )
    }
    const result = tally(inputs({ messages }))
    expect(accepted(result)).to.deep.equal(['bob'])
    expect(rejected(result)).to.deep.equal({ alice: 'invalid' })
  })

  it('passes over places that nobody has, and who submitted nothing', async () => {
    const a = await alice.says(submission('a'))
    const beyond = await bob.says({ cycle: 3, slot: 148, verdicts: { findings: [{ place: 5, finding: 2 }] } })
    const nobody = await carol.says(verdicts(EQUAL, [[dave, 'invalid']]))
    expect(ids(tally(inputs({ messages: [a, beyond, nobody] })).messages)).to.deep.equal([a.id])
  })

  it('never rejects the honest below a third of faults, whoever speaks, is silent or is away', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.bigInt(1n, 1000n), { minLength: 5, maxLength: 5 }),
        fc.array(fc.constantFrom<Finding | null>('invalid', 'unavailable', null), { minLength: 5, maxLength: 5 }),
        async (weights, lies) => {
          const all = stakes(...weights.map((weight, i) => [PEOPLE[i]!, weight] as [Person, bigint]))
          const total = weights.reduce((sum, weight) => sum + weight, 0n)
          const work = await Promise.all(PEOPLE.map((who) => who.says(submission(who.name))))
          const said: Message[] = []
          let faulty = 0n
          for (const [i, lie] of lies.entries()) {
            // as many as come to less than a third say it of everybody; all others are silent
            if (lie != null && 3n * (faulty + weights[i]!) < total) {
              faulty += weights[i]!
              said.push(
                await PEOPLE[i]!.says(
                  verdicts(
                    all,
                    PEOPLE.map((who) => [who, lie])
                  )
                )
              )
            }
          }
          expect(tally(inputs({ messages: [...work, ...said], stakes: all })).rejected).to.deep.equal([])
        }
      ),
      { numRuns: 100 }
    )
  })
})

describe('record: who is refuted', () => {
  const found = (...list: Array<[Person, Finding]>) => verdicts(EQUAL, list)

  it('pays nothing to who calls work invalid that others find valid, by its verdicts or by its challenge, and slashes neither', async () => {
    const work = await Promise.all(PEOPLE.map((who) => who.says(submission(who.name))))
    const accusation = await bob.says(challenge(work[0]!, 'invalid'))
    const said = [
      accusation,
      await carol.says(found([alice, 'invalid'])),
      await dave.says(found([alice, 'valid'])),
      await erin.says(found([alice, 'valid']))
    ]
    const all = stakes([alice, 100n], [bob, 10n], [carol, 10n], [dave, 100n], [erin, 100n])
    const result = tally(inputs({ messages: [...work, ...said], stakes: all }))
    expect(rejected(result)).to.deep.equal({ bob: 'refuted', carol: 'refuted' })
    expect(slashed(result)).to.deep.equal({})
    expect(ids(result.messages)).to.include(accusation.id)
  })

  it('lets who took its challenge back alone, and who could not get a proof', async () => {
    const work = await Promise.all(PEOPLE.map((who) => who.says(submission(who.name))))
    const said = [
      await bob.says(challenge(work[0]!, 'invalid')),
      await bob.says(found([alice, 'valid'])),
      await carol.says(challenge(work[0]!, 'unavailable')),
      await carol.says(found([alice, 'unavailable'])),
      await dave.says(found([alice, 'valid'])),
      await erin.says(found([alice, 'valid']))
    ]
    const result = tally(inputs({ messages: [...work, ...said] }))
    expect(rejected(result)).to.deep.equal({})
    expect(result.messages.some(({ kind }) => kind === 'challenge')).to.equal(false)
  })

  it('holds one challenge of each who is refuted, however many it made', async () => {
    const work = await Promise.all([alice, carol].map((who) => who.says(submission(who.name))))
    const made = [await bob.says(challenge(work[0]!, 'invalid')), await bob.says(challenge(work[1]!, 'invalid'))]
    const said = await Promise.all([dave, erin].map((who) => who.says(found([alice, 'valid'], [carol, 'valid']))))
    const result = tally(inputs({ messages: [...work, ...made, ...said] }))
    expect(result.messages.filter(({ kind }) => kind === 'challenge')).to.have.length(1)
  })
})

describe('record: tally of equivocation', () => {
  it('rejects and slashes who submits twice, and nobody else', async () => {
    const messages = [await alice.says(submission('one')), await alice.says(submission('two')), await bob.says(submission('b'))]
    const result = tally(inputs({ messages }))
    expect(accepted(result)).to.deep.equal(['bob'])
    expect(rejected(result)).to.deep.equal({ alice: 'equivocated' })
    expect(slashed(result)).to.deep.equal({ alice: 10n })
    expect(ids(result.messages)).to.have.members(ids(messages))
  })

  it('slashes a tenth of the stake, rounded down', async () => {
    const messages = [await alice.says(submission('one')), await alice.says(submission('two'))]
    expect(slashed(tally(inputs({ messages, stakes: stakes([alice, 1009n]) })))).to.deep.equal({ alice: 100n })
    expect(slashed(tally(inputs({ messages, stakes: stakes([alice, 9n]) })))).to.deep.equal({ alice: 0n })
  })

  it('holds evidence against someone whose messages never came', async () => {
    const evidence = await bob.says(equivocation(await alice.says(submission('one')), await alice.says(submission('two'))))
    const result = tally(inputs({ messages: [evidence] }))
    expect(rejected(result)).to.deep.equal({ alice: 'equivocated' })
    expect(slashed(result)).to.deep.equal({ alice: 10n })
    expect(ids(result.messages)).to.deep.equal([evidence.id])
  })

  it('counts neither of two different verdicts of one auditor', async () => {
    const [a, b] = [await alice.says(submission('a')), await bob.says(submission('b'))]
    const twice = [await carol.says(verdicts(EQUAL, [[alice, 'invalid']])), await carol.says(verdicts(EQUAL, [[bob, 'invalid']]))]
    const result = tally(inputs({ messages: [a, b, ...twice] }))
    expect(accepted(result)).to.deep.equal(['alice', 'bob'])
    expect(rejected(result)).to.deep.equal({ carol: 'equivocated' })
    expect(ids(result.messages)).to.have.members(ids([a, b, ...twice]))
  })

  it('takes the same message signed twice for one', async () => {
    const a = await alice.says(submission('a'))
    const again: Message = { ...a, envelope: { ...a.envelope, signature: new Uint8Array(64) } }
    for (const messages of [
      [a, again],
      [again, a]
    ]) {
      const result = tally(inputs({ messages }))
      expect(accepted(result)).to.deep.equal(['alice'])
      expect(result.messages[0]!.envelope.signature).to.deep.equal(new Uint8Array(64)) // the smaller, whichever came first
    }
  })

  it('keeps the least that proves it, however much the equivocator says', async () => {
    const many = await Promise.all(Array.from({ length: 5 }, (_, i) => alice.says(submission(`work ${i}`))))
    const b = await bob.says(submission('b'))
    const said = [await alice.says(verdicts(EQUAL, [[bob, 'invalid']])), await alice.says(challenge(b, 'invalid'))]
    const accused = [await carol.says(equivocation(many[0]!, many[1]!)), await dave.says(equivocation(many[2]!, many[3]!))]
    const result = tally(inputs({ messages: [...accused, ...said, ...many, b] }))
    const proof = ids(many).sort().slice(0, 2)
    expect(ids(result.messages)).to.have.members([...proof, b.id])
    expect(accepted(result)).to.deep.equal(['bob'])
  })

  const proposal = (attempt: number, cycle = 2) => ({
    cycle,
    slot: 125,
    record: { cid: cidBytes(`record ${attempt}`), root: new Uint8Array(32), totalRewards: 1n, attempt: 0 }
  })

  it('convicts for two proposals in the cycle before: what is said while a record is agreed on counts in the next', async () => {
    const pair = [await bob.says(proposal(0)), await bob.says(proposal(1))] as const
    const evidence = await carol.says({ ...equivocation(...pair), cycle: 3 })
    expect(rejected(tally(inputs({ messages: [evidence] })))).to.deep.equal({ bob: 'equivocated' })
  })

  it('convicts for what was said twice in a cycle that was skipped, and not for what the last record has punished', async () => {
    const pair = [await bob.says(submission('one', 2, 100)), await bob.says(submission('two', 2, 101))] as const
    const evidence = await carol.says({ ...equivocation(...pair), cycle: 3 })
    const previous = { cid: inputs().previous!.cid, cycle: 1 }
    expect(rejected(tally(inputs({ messages: [evidence], previous })))).to.deep.equal({ bob: 'equivocated' })
    const counted = { cid: inputs().previous!.cid, cycle: 2, offences: offencesIn([...pair], 2) }
    expect(tally(inputs({ messages: [evidence], previous: counted })).messages).to.deep.equal([])
    // and what lies before the record that the last one built on is too old
    expect(tally(inputs({ messages: [evidence], previous: { cid: previous.cid, cycle: 3 } })).messages).to.deep.equal([])
  })

  it('passes over evidence against the unstaked', async () => {
    const [one, two] = [await alice.says(submission('one')), await alice.says(submission('two'))]
    const unstaked = await bob.says(equivocation(one, two))
    expect(tally(inputs({ messages: [unstaked], stakes: stakes([bob, 5n]) })).messages).to.deep.equal([])
  })
})

describe('record: what the record holds', () => {
  it('passes over other cycles, the unstaked, other kinds, and words about nothing', async () => {
    const a = await alice.says(submission('a'))
    const messages = [
      a,
      await bob.says(submission('b', 4)),
      await person('mallory').says(submission('m')),
      await bob.says({ cycle: 3, slot: 150, approval: { cid: a.body.submission!.proofs[0]!.cid, root: new Uint8Array(32), attempt: 0 } }),
      await bob.says(verdicts(EQUAL, [[carol, 'invalid']])),
      await alice.says(response(a)),
      await carol.says(challenge(a, 'invalid'))
    ]
    expect(ids(tally(inputs({ messages })).messages)).to.deep.equal([a.id])
  })

  it('sorts by kind, signer and id', async () => {
    const [a, b] = [await alice.says(submission('a')), await bob.says(submission('b'))]
    const rest = [
      await carol.says(verdicts(EQUAL, [[alice, 'valid']])),
      await erin.says(verdicts(EQUAL, [[alice, 'valid']])),
      await bob.says(challenge(a, 'invalid'))
    ]
    const evidence = await bob.says(equivocation(await dave.says(submission('1')), await dave.says(submission('2'))))
    const { messages } = tally(inputs({ messages: [evidence, ...rest, b, a] }))
    expect(messages.map(({ kind }) => kind)).to.deep.equal([
      'submission',
      'submission',
      'challenge',
      'verdicts',
      'verdicts',
      'equivocation'
    ])
    const submissions = messages.slice(0, 2)
    expect(Buffer.compare(submissions[0]!.envelope.signer, submissions[1]!.envelope.signer)).to.equal(-1)
  })
})

/** Whatever five people may say in a cycle: some honest, some not. */
const speech = fc.array(
  fc.record({
    who: fc.nat(4),
    what: fc.constantFrom('submission', 'verdicts', 'challenge', 'response', 'evidence'),
    about: fc.nat(4),
    variant: fc.nat(1),
    finding: fc.constantFrom<Finding>('valid', 'invalid', 'unavailable')
  }),
  { maxLength: 25 }
)

type Said = typeof speech extends fc.Arbitrary<infer T> ? T : never

async function spoken(list: Said): Promise<Message[]> {
  const work = (n: number, variant: number) => PEOPLE[n]!.says(submission(`work ${variant} of ${PEOPLE[n]!.name}`))
  return Promise.all(
    list.map(async ({ who, what, about, variant, finding }) => {
      const speaker = PEOPLE[who]!
      switch (what) {
        case 'verdicts':
          return speaker.says(verdicts(EQUAL, [[PEOPLE[about]!, finding]]))
        case 'challenge':
          return speaker.says(challenge(await work(about, variant), finding === 'valid' ? 'invalid' : finding))
        case 'response':
          return speaker.says(response(await work(who, variant)))
        case 'evidence':
          return speaker.says(equivocation(await work(about, 0), await work(about, 1)))
        default:
          return work(who, variant)
      }
    })
  )
}

const weights = fc
  .array(fc.bigInt(0n, 50n), { minLength: 5, maxLength: 5 })
  .map((list) => stakes(...list.map((w, i) => [PEOPLE[i]!, w] as [Person, bigint])))

describe('record: tally, whatever is said', () => {
  const shuffled = (messages: Message[], seed: number) => [...messages].sort((a, b) => digest(a, seed) - digest(b, seed))
  const digest = (m: Message, seed: number) => Number.parseInt(m.id.slice(seed, seed + 8), 16)

  it('does not depend on the order, nor on hearing things twice', async () => {
    await fc.assert(
      fc.asyncProperty(speech, weights, fc.nat(50), async (list, weight, seed) => {
        const messages = await spoken(list)
        const at = (m: Message[]): CycleInputs => inputs({ messages: m, stakes: weight })
        const result = tally(at(messages))
        expect(tally(at(shuffled(messages, seed)))).to.deep.equal(result)
        expect(tally(at([...messages, ...messages]))).to.deep.equal(result)
      }),
      { numRuns: 100 }
    )
  })

  it('comes to the same from what it kept', async () => {
    await fc.assert(
      fc.asyncProperty(speech, weights, async (list, weight) => {
        const messages = await spoken(list)
        const result = tally(inputs({ messages, stakes: weight }))
        expect(tally(inputs({ messages: result.messages, stakes: weight }))).to.deep.equal(result)
      }),
      { numRuns: 100 }
    )
  })

  it('gives each staker one fate, slashes only who equivocated or did invalid work, and never more than a tenth', async () => {
    await fc.assert(
      fc.asyncProperty(speech, weights, async (list, weight) => {
        const result = tally(inputs({ messages: await spoken(list), stakes: weight }))
        const fates = [...result.accepted.map(({ signer }) => signer), ...result.rejected.map(({ staker }) => staker)]
        expect(new Set(fates).size).to.equal(fates.length)
        const guilty = result.rejected.filter(({ reason }) => reason === 'equivocated' || reason === 'invalid')
        expect([...result.slashes.keys()]).to.have.members(guilty.map(({ staker }) => staker))
        for (const [staker, slash] of result.slashes) {
          expect(slash * 10n <= weight.get(staker)!).to.equal(true)
        }
      }),
      { numRuns: 100 }
    )
  })
})

describe('record: what the task is given', () => {
  it('lists accepted, rejected and stakes as plain text', async () => {
    const [a, b] = [await alice.says(submission('value of alice')), await bob.says(submission('bad'))]
    const all = stakes([alice, 2n ** 60n], [bob, 7n], [carol, 2n ** 60n])
    const own = inputs({ messages: [a, b, await carol.says(verdicts(all, [[bob, 'invalid']]))], stakes: all })
    const input = distributionInput(own, tally(own))
    expect(input.submissions).to.deep.equal([{ staker: alice.address, value: 'value of alice', stake: '1152921504606846976' }])
    expect(input.rejected).to.deep.equal([{ staker: bob.address, reason: 'invalid', stake: '7' }])
    expect(input.stakes).to.have.deep.members([
      { staker: alice.address, stake: '1152921504606846976' },
      { staker: bob.address, stake: '7' },
      { staker: carol.address, stake: '1152921504606846976' }
    ])
    expect(input.bounty).to.equal('1000')
    expect(JSON.parse(JSON.stringify(input))).to.deep.equal(input)
  })

  it('has a seed that nothing changes but the task, the cycle and the block of K2: nobody who signs can choose it', async () => {
    const a = await alice.says(submission('a'))
    const seedOf = (change: Partial<CycleInputs>) => {
      const own = inputs({ messages: [a], ...change })
      return distributionInput(own, tally(own)).seed
    }
    const seeds = [seedOf({}), seedOf({ cycle: 4 }), seedOf({ taskId: dave.address }), seedOf({ beacon: new Uint8Array(32) })]
    expect(new Set(seeds).size).to.equal(seeds.length)
    expect(seeds[0]).to.match(/^[0-9a-f]{64}$/)
    const varied = [
      seedOf({ messages: [await alice.says(submission('b'))] }),
      seedOf({ messages: [] }),
      seedOf({ previous: null }),
      seedOf({ bounty: 1001n })
    ]
    expect(new Set([seeds[0], ...varied]).size).to.equal(1)
  })
})
