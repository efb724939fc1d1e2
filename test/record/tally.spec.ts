import { expect } from 'chai'
import fc from 'fast-check'
import { type CycleInputs, distributionInput, evidenceOf, type Tally, tally } from '../../src/record/index.ts'
import type { Finding, Message } from '../../src/wire/index.ts'
import { challenge, equivocation, GENESIS, NETWORK, type Person, response, submission, TASK, verdict } from '../wire/people.ts'
import { alice, bob, carol, dave, erin, inputs, nameOf, PEOPLE, person, stakes } from './cycle.ts'

const accepted = (result: Tally) => result.accepted.map(({ signer }) => nameOf(signer)).sort()
const rejected = (result: Tally) => Object.fromEntries(result.rejected.map(({ staker, reason }) => [nameOf(staker), reason]))
const slashed = (result: Tally) => Object.fromEntries([...result.slashes].map(([staker, slash]) => [nameOf(staker), slash]))
const ids = (messages: readonly Message[]) => messages.map(({ id }) => id)

interface Row {
  it: string
  stakes?: Array<[Person, bigint]>
  /** What is said about alice's submission. */
  verdicts: Array<[Person, Finding, string?]>
  alice: 'accepted' | 'invalid' | 'unavailable'
  detail?: string
}

const VERDICTS: Row[] = [
  { it: 'accepts what nobody speaks about', verdicts: [], alice: 'accepted' },
  {
    it: 'accepts what all find valid',
    verdicts: [
      [bob, 'valid'],
      [carol, 'valid']
    ],
    alice: 'accepted'
  },
  { it: 'rejects what one finds invalid and nobody valid', verdicts: [[bob, 'invalid', 'bad sum']], alice: 'invalid', detail: 'bad sum' },
  {
    it: 'accepts at equal stake',
    verdicts: [
      [bob, 'valid'],
      [carol, 'invalid']
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
    verdicts: [
      [bob, 'valid'],
      [carol, 'invalid'],
      [dave, 'invalid']
    ],
    alice: 'accepted'
  },
  {
    it: 'rejects by one lamport',
    stakes: [
      [alice, 1n],
      [bob, 100n],
      [carol, 101n]
    ],
    verdicts: [
      [bob, 'valid'],
      [carol, 'invalid']
    ],
    alice: 'invalid'
  },
  {
    it: 'adds invalid and unavailable up',
    verdicts: [
      [bob, 'valid'],
      [carol, 'invalid'],
      [dave, 'unavailable']
    ],
    alice: 'invalid'
  },
  {
    it: 'names the heavier of the two',
    stakes: [
      [alice, 1n],
      [carol, 2n],
      [dave, 3n]
    ],
    verdicts: [
      [carol, 'invalid', 'x'],
      [dave, 'unavailable', 'gone']
    ],
    alice: 'unavailable',
    detail: 'gone'
  },
  {
    it: 'says invalid at a tie of the two',
    verdicts: [
      [carol, 'invalid', 'x'],
      [dave, 'unavailable', 'gone']
    ],
    alice: 'invalid',
    detail: 'x'
  },
  {
    it: 'does not count the subject itself',
    stakes: [
      [alice, 1000n],
      [bob, 1n]
    ],
    verdicts: [
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
    verdicts: [
      [bob, 'invalid'],
      [carol, 'invalid']
    ],
    alice: 'accepted'
  },
  {
    it: 'tells the most common reason',
    verdicts: [
      [bob, 'invalid', 'b'],
      [carol, 'invalid', 'a'],
      [dave, 'invalid', 'b']
    ],
    alice: 'invalid',
    detail: 'b'
  },
  {
    it: 'tells the first of equally common reasons',
    verdicts: [
      [bob, 'invalid', 'b'],
      [carol, 'invalid', 'a']
    ],
    alice: 'invalid',
    detail: 'a'
  }
]

describe('record: tally of verdicts', () => {
  for (const row of VERDICTS) {
    it(row.it, async () => {
      const work = await alice.says(submission('work of alice'))
      const said = await Promise.all(row.verdicts.map(([who, finding, reason]) => who.says(verdict(work, finding, reason))))
      const result = tally(inputs({ messages: [...said, work], ...(row.stakes == null ? {} : { stakes: stakes(...row.stakes) }) }))
      if (row.alice === 'accepted') {
        expect(accepted(result)).to.deep.equal(['alice'])
        expect(result.rejected).to.deep.equal([])
      } else {
        expect(accepted(result)).to.deep.equal([])
        expect(rejected(result)).to.deep.equal({ alice: row.alice })
        expect(result.rejected[0]!.detail).to.equal(row.detail ?? '')
      }
      expect(result.slashes.size).to.equal(0)
    })
  }

  it('keeps verdicts about other submissions apart', async () => {
    const [a, b] = [await alice.says(submission('a')), await bob.says(submission('b'))]
    const result = tally(inputs({ messages: [a, b, await carol.says(verdict(a, 'invalid')), await dave.says(verdict(b, 'valid'))] }))
    expect(accepted(result)).to.deep.equal(['bob'])
    expect(rejected(result)).to.deep.equal({ alice: 'invalid' })
  })

  it('does not count a verdict that names one staker and the submission of another', async () => {
    const [a, b] = [await alice.says(submission('a')), await bob.says(submission('b'))]
    const mixed = verdict(a, 'invalid')
    mixed.verdict!.subject = b.envelope.signer
    const result = tally(inputs({ messages: [a, b, await carol.says(mixed)] }))
    expect(accepted(result)).to.deep.equal(['alice', 'bob'])
    expect(ids(result.messages)).to.not.include((await carol.says(mixed)).id)
  })

  it('is right for an honest submission while the honest others outweigh the faulty', async () => {
    // the bound in the comment above tally(), with every faulty staker speaking against alice
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 99 }), fc.integer({ min: 0, max: 99 }), async (honest, faulty) => {
        const a = await alice.says(submission('a'))
        const messages = [a, await bob.says(verdict(a, 'valid')), await carol.says(verdict(a, 'invalid'))]
        const result = tally(inputs({ messages, stakes: stakes([alice, 50n], [bob, BigInt(honest)], [carol, BigInt(faulty)]) }))
        expect(accepted(result).length).to.equal(honest >= faulty ? 1 : 0)
      }),
      { numRuns: 50 }
    )
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

  it('counts neither of two contradicting verdicts of one auditor, nor any other of its', async () => {
    const [a, b] = [await alice.says(submission('a')), await bob.says(submission('b'))]
    const twice = [await carol.says(verdict(a, 'invalid')), await carol.says(verdict(a, 'valid'))]
    const other = await carol.says(verdict(b, 'invalid'))
    const result = tally(inputs({ messages: [a, b, ...twice, other] }))
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
    const said = [await alice.says(verdict(b, 'invalid')), await alice.says(challenge(b, 'invalid'))]
    const accused = [await carol.says(equivocation(many[0]!, many[1]!)), await dave.says(equivocation(many[2]!, many[3]!))]
    const result = tally(inputs({ messages: [...accused, ...said, ...many, b] }))
    const proof = ids(many).sort().slice(0, 2)
    expect(ids(result.messages)).to.have.members([...proof, b.id])
    expect(accepted(result)).to.deep.equal(['bob'])
  })

  const cycle4 = 4
  const evidence: Array<[string, () => Promise<[Message, Message]>]> = [
    ['of two signers', async () => [await alice.says(submission('a')), await bob.says(submission('b'))]],
    ['of the same words twice', async () => [await alice.says(submission('a')), await alice.says(submission('a'))]],
    ['of another cycle', async () => [await alice.says(submission('a', cycle4)), await alice.says(submission('b', cycle4))]],
    ['of one message of another cycle', async () => [await alice.says(submission('a')), await alice.says(submission('b', cycle4))]],
    ['of different things', async () => [await alice.says(submission('a')), await alice.says(response(await alice.says(submission('a'))))]],
    [
      'of verdicts on two submissions',
      async () => [
        await alice.says(verdict(await bob.says(submission('b')), 'valid')),
        await alice.says(verdict(await carol.says(submission('c')), 'valid'))
      ]
    ],
    [
      'of what may be repeated',
      async () => {
        const [one, two] = [await bob.says(submission('one')), await bob.says(submission('two'))]
        return [await alice.says(equivocation(one, two, 146)), await alice.says(equivocation(one, two, 147))]
      }
    ]
  ]
  for (const [what, make] of evidence) {
    it(`passes evidence over: ${what}`, async () => {
      const [first, second] = await make()
      const accusation = await dave.says({ ...equivocation(first, second), cycle: 3 })
      expect(evidenceOf(accusation, NETWORK)).to.equal(null)
      const result = tally(inputs({ messages: [accusation] }))
      expect(result).to.deep.equal({ accepted: [], rejected: [], slashes: new Map(), messages: [] })
    })
  }

  it('passes evidence over that cannot be opened, and evidence against the unstaked', async () => {
    const [one, two] = [await alice.says(submission('one')), await alice.says(submission('two'))]
    const broken = await bob.says(equivocation({ ...one, envelope: { ...one.envelope, signer: new Uint8Array(3) } }, two))
    const unstaked = await bob.says(equivocation(one, two))
    expect(tally(inputs({ messages: [broken] })).messages).to.deep.equal([])
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
      await bob.says(verdict(await carol.says(submission('unseen')), 'invalid')),
      await bob.says(response(a)),
      await alice.says(challenge(a, 'invalid'))
    ]
    expect(ids(tally(inputs({ messages })).messages)).to.deep.equal([a.id])
  })

  it('sorts by kind, signer and id', async () => {
    const [a, b] = [await alice.says(submission('a')), await bob.says(submission('b'))]
    const rest = [
      await carol.says(verdict(a, 'valid')),
      await carol.says(verdict(b, 'valid')),
      await bob.says(challenge(a, 'invalid')),
      await alice.says(response(a))
    ]
    const evidence = await bob.says(equivocation(await dave.says(submission('1')), await dave.says(submission('2'))))
    const { messages } = tally(inputs({ messages: [evidence, ...rest, b, a] }))
    expect(messages.map(({ kind }) => kind)).to.deep.equal([
      'submission',
      'submission',
      'challenge',
      'response',
      'verdict',
      'verdict',
      'equivocation'
    ])
    const submissions = messages.slice(0, 2)
    expect(Buffer.compare(submissions[0]!.envelope.signer, submissions[1]!.envelope.signer)).to.equal(-1)
    expect(messages[4]!.id < messages[5]!.id).to.equal(true)
  })
})

/** Whatever five people may say in a cycle: some honest, some not. */
const speech = fc.array(
  fc.record({
    who: fc.nat(4),
    what: fc.constantFrom('submission', 'verdict', 'challenge', 'response', 'evidence'),
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
        case 'verdict':
          return speaker.says(verdict(await work(about, variant), finding))
        case 'challenge':
          return speaker.says(challenge(await work(about, variant), finding === 'valid' ? 'invalid' : finding))
        case 'response':
          return speaker.says(response(await work(who, variant)))
        case 'evidence':
          return speaker.says(equivocation(await work(about, 0), await work(about, variant)))
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

  it('gives each staker one fate, slashes only equivocators, and never more than a tenth', async () => {
    await fc.assert(
      fc.asyncProperty(speech, weights, async (list, weight) => {
        const result = tally(inputs({ messages: await spoken(list), stakes: weight }))
        const fates = [...result.accepted.map(({ signer }) => signer), ...result.rejected.map(({ staker }) => staker)]
        expect(new Set(fates).size).to.equal(fates.length)
        const equivocators = result.rejected.filter(({ reason }) => reason === 'equivocated').map(({ staker }) => staker)
        expect([...result.slashes.keys()]).to.have.members(equivocators)
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
    const own = inputs({
      messages: [a, b, await carol.says(verdict(b, 'invalid'))],
      stakes: stakes([alice, 2n ** 60n], [bob, 7n], [carol, 9n])
    })
    const input = distributionInput(own, tally(own))
    expect(input.submissions).to.deep.equal([{ staker: alice.address, value: 'value of alice', stake: '1152921504606846976' }])
    expect(input.rejected).to.deep.equal([{ staker: bob.address, reason: 'invalid', stake: '7' }])
    expect(input.stakes).to.have.deep.members([
      { staker: alice.address, stake: '1152921504606846976' },
      { staker: bob.address, stake: '7' },
      { staker: carol.address, stake: '9' }
    ])
    expect(input.bounty).to.equal('1000')
    expect(JSON.parse(JSON.stringify(input))).to.deep.equal(input)
  })

  it('has a seed that everything in the record changes', async () => {
    const a = await alice.says(submission('a'))
    const seedOf = (change: Partial<CycleInputs>) => {
      const own = inputs({ messages: [a], ...change })
      return distributionInput(own, tally(own)).seed
    }
    const seeds = [
      seedOf({}),
      seedOf({ cycle: 4 }),
      seedOf({ bounty: 1001n }),
      seedOf({ previous: null }),
      seedOf({ genesisHash: TASK }),
      seedOf({ taskId: GENESIS }),
      seedOf({ messages: [await alice.says(submission('b'))] }),
      seedOf({ stakes: stakes([alice, 100n], [bob, 100n], [carol, 100n], [dave, 100n], [erin, 101n]) })
    ]
    expect(new Set(seeds).size).to.equal(seeds.length)
    expect(seeds[0]).to.match(/^[0-9a-f]{64}$/)
  })
})
