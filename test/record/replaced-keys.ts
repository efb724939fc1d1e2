/** Cycles in which keys were replaced, so that each list is sorted by other bytes than the one before. */
import { stakeSetOf } from '../../src/k2/index.ts'
import type { CycleInputs, DistributionEntry } from '../../src/record/index.ts'
import type { Finding } from '../../src/wire/index.ts'
import { type AccountJson, accountsOf } from '../vectors/record.ts'
import { challenge, equivocation, type Person, submission, verdicts } from '../wire/people.ts'
import { alice, bob, carol, dave, erin, inputs, person } from './cycle.ts'

export interface ReplacedKeys {
  name: string
  description: string
  inputs: CycleInputs
  distribution: DistributionEntry[]
  accounts: AccountJson[]
}

const pay = (...list: Array<[Person, bigint]>) => list.map(([{ address }, amount]) => ({ staker: address, amount }))

export async function replacedKeys(): Promise<ReplacedKeys[]> {
  const [alice2, carol2, dave2, shared] = ['alice', 'carol', 'dave', 'shared'].map((name) => person(`${name}, renewed`)) as [
    Person,
    Person,
    Person,
    Person
  ]
  // two whose addresses are the other way round as text
  const names = Array.from({ length: 500 }, (_, at) => person(`frank ${at}`))
  const short = names.find(({ address }) => address.length === 43)!
  const frank = names.find(({ address }) => address.length === 44 && address < short.address)!
  const account = (who: Person, stake: bigint, stakingKey: Person = who, keyFrom = 0): AccountJson => ({
    staker: who.address,
    stakingKey: stakingKey.address,
    formerKey: stakingKey === who ? null : who.address,
    keyFrom,
    stake: `${stake}`
  })
  const accounts = [
    account(alice, 100n, alice2, 3),
    account(bob, 200n),
    account(carol, 150n, carol2, 4),
    account(dave, 100n, dave2, 2),
    account(erin, 50n, bob, 3),
    account(frank, 40n, shared, 3),
    account(short, 30n, shared, 3)
  ]
  const { weights, total, stakers } = stakeSetOf(accountsOf(accounts), 3)
  const set = { stakes: weights, totalStake: total, ...(stakers == null ? {} : { stakers }) }
  const a2 = await alice2.says(submission('work of alice'))
  const ledger = new Map([
    [alice.address, { reward: 40n, slash: 0n }],
    [dave.address, { reward: 9n, slash: 1n }]
  ])
  const [onAlice, onCarol] = [
    [alice2, 'invalid'],
    [carol, 'valid']
  ] as [[Person, Finding], [Person, Finding]]
  const c = await carol.says(submission('work of carol'))
  const found = (about: Array<[Person, Finding]>, by: Person) => by.says(verdicts(weights, about))
  const words = [
    a2,
    await bob.says(submission('work of bob')),
    c,
    await shared.says(submission('work of frank')),
    await alice.says(submission('by the former key')),
    await carol2.says(submission('by a key that does not count yet')),
    await dave2.says(submission('one')),
    await dave2.says(submission('two')),
    await found([onAlice, onCarol], bob),
    await found([onAlice], carol),
    await found([onCarol], alice2),
    await shared.says(challenge(c, 'invalid', 'wrong sum')),
    await bob.says(challenge(a2, 'invalid', 'wrong product'))
  ]
  const past = [await alice.says(submission('one', 2, 95)), await alice.says(submission('two', 2, 95))] as const
  const facts = { ...set, ledger }
  return [
    {
      name: 'cycle-replaced-key',
      description:
        'alice and dave have new keys, that of carol counts from cycle 4 only. erin gave her stake to the key of bob, who has his own: nobody speaks for it. Two stakes have one new key: it stands for the one with the smaller address. Messages, places and the list of the task name keys; the record and its ledger name addresses.',
      inputs: inputs({ messages: words, ...facts }),
      distribution: pay([bob, 500n], [carol, 300n], [alice2, -2n], [dave2, -1n]),
      accounts
    },
    {
      name: 'cycle-offence-under-a-former-key',
      description:
        'What alice did in cycle 2 is due, but she did it under the key that she had then, which has no stake in cycle 3: the evidence counts for nothing.',
      inputs: inputs({ messages: [a2, await bob.says({ ...equivocation(...past), cycle: 3 })], ...facts }),
      distribution: pay([alice2, 700n]),
      accounts
    }
  ]
}
