/** A rule that stands in two places is two rules as soon as one of them is changed. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { hasQuorum as onK2 } from '../../src/k2/settlement/index.ts'
import { hasQuorum, isRecorded, RECORDED_KINDS } from '../../src/record/index.ts'
import { KIND_NAMES } from '../../src/wire/index.ts'

const SRC = join(import.meta.dirname, '..', '..', 'src')

const filesWith = (pattern: RegExp) =>
  readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && pattern.test(readFileSync(join(SRC, file), 'utf8')))
    .map((file) => file.replaceAll('\\', '/'))

describe('record: rules that several rooms keep', () => {
  it('what a quorum is, is said once', () => {
    expect(filesWith(/\* 3n > \w+ \* 2n/)).to.deep.equal(['record/quorum.ts'])
    expect(onK2).to.equal(hasQuorum)
  })

  it('which kinds are recorded, is said once', () => {
    expect(filesWith(/recorded: true/)).to.deep.equal(['wire/kinds.ts'])
    expect(RECORDED_KINDS, 'the order of a record').to.deep.equal(['submission', 'challenge', 'verdicts', 'equivocation'])
    expect(KIND_NAMES.filter(isRecorded)).to.have.members([...RECORDED_KINDS])
    expect(KIND_NAMES.filter((kind) => !isRecorded(kind))).to.include.members(['announcement', 'record', 'approval'])
  })
})
