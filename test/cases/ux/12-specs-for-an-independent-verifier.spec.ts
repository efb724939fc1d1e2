/** What somebody who verifies records with a program of his own has to find in the specs and their vectors. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { stakeSetOf } from '../../../src/k2/index.ts'
import { type AccountJson, accountsOf, inputsOf, type RecordVector, walk, walkVector } from '../../vectors/record.ts'

const protocols = join(import.meta.dirname, '../../../protocols')
const readme = (protocol: string) => readFileSync(join(protocols, protocol, 'README.md'), 'utf8')
type Cycle = RecordVector & { kind: 'cycle' }
const fileOf = (name: string) => join(protocols, 'record/vectors', `${name}.json`)
const cycleOf = (name: string) => JSON.parse(readFileSync(fileOf(name), 'utf8')) as Cycle

describe('cases: ux/12, what the specs tell an independent verifier', () => {
  it('whom a signer stands for: a record with replaced keys, from the accounts on K2 to its blocks', async () => {
    const { inputs, tally, record } = cycleOf('cycle-replaced-key')
    const changed = Object.keys(inputs.stakers!)
    const said = [...tally.accepted, ...tally.rejected.map(({ staker }) => staker)]
    expect(said.filter((key) => changed.includes(key))).to.have.length(3)
    // by key, though two of the keys come in another order than their addresses
    expect(inputs.accounts!.length).to.be.above(Object.keys(inputs.stakes).length)
    expect(record).to.be.an('object')
    await walk(fileOf('cycle-replaced-key'))
    await walk(fileOf('cycle-offence-under-a-former-key'))
  })

  it('one key for two stakes: the smaller address by its bytes, in whatever order K2 lists them', () => {
    const { accounts = [], stakers = {}, cycle } = cycleOf('cycle-replaced-key').inputs
    const shared = accounts.filter(({ stakingKey }, _at, all) => all.filter((one) => one.stakingKey === stakingKey).length > 1)
    const rest = shared.filter(({ stakingKey }) => accounts.every(({ staker }) => staker !== stakingKey))
    for (const order of [accounts, accounts.toReversed()] as AccountJson[][]) {
      expect(Object.fromEntries(stakeSetOf(accountsOf(order), cycle).stakers!)).to.deep.equal(stakers)
    }
    // of these two, text would have named the other
    expect(stakers[rest[0]!.stakingKey]).to.equal(rest.map(({ staker }) => staker).sort()[1])
  })

  it('who is rejected, with which words: equivocators too, whether they submitted anything or not', async () => {
    const vector = cycleOf('cycle-equivocator-without-submission')
    const submitted = inputsOf(vector.inputs).messages.flatMap(({ kind, signer }) => (kind === 'submission' ? [signer] : []))
    const silent = vector.input!.rejected.filter(({ staker }) => !submitted.includes(staker))
    expect(silent.map(({ reason }) => reason)).to.deep.equal(['equivocated', 'equivocated'])
    await walk(fileOf('cycle-equivocator-without-submission'))

    const words = new Set<string>()
    for (const name of readdirSync(join(protocols, 'record/vectors'))) {
      const { kind, tally } = JSON.parse(readFileSync(join(protocols, 'record/vectors', name), 'utf8')) as Cycle
      for (const { reason } of kind === 'cycle' ? tally.rejected : []) {
        words.add(`\`${reason}\``)
      }
    }
    for (const protocol of ['record', 'task']) {
      const [list] = readme(protocol).match(/(`\w+`, ){3}`\w+`(?=\. There are no others|, and nothing else)/) ?? []
      expect(list?.split(', '), protocol).to.have.members([...words])
    }
  })

  it('that words beside a reason are not compared', async () => {
    const vector = cycleOf('cycle-equivocation-direct')
    const other = {
      ...vector,
      tally: { ...vector.tally, rejected: vector.tally.rejected.map((one) => ({ ...one, detail: 'other words' })) }
    }
    await walkVector(other)
    expect(readme('record')).to.contain('`detail`')
  })
})
