import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { DEFAULT_DAG_LIMITS } from '../../src/proofs/index.ts'
import * as api from '../../src/tasks/api.ts'
import type { TaskSubmission } from '../../src/tasks/index.ts'
import { makeRunner, memoryProofs, OTHER, STAKER, seededK2, source } from './support.ts'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

describe('tasks: docs/task-authors.md', () => {
  it('has an example that works, is audited, and finds a liar', async () => {
    const code = /```js\n(.*?)```/s.exec(read('docs/task-authors.md'))![1]!
    const timing = { cycle: 2, startSlot: 60, endSlot: 90, slotMs: 100 }
    const k2 = seededK2('docs', () => 100)
    const proofs = memoryProofs()
    const maker = await makeRunner({ bundle: source(code), k2, proofs })
    const auditor = await makeRunner({ bundle: source(code), k2, proofs, staker: OTHER })
    expect(await maker.runner.manifest()).to.deep.equal({ ok: true, value: { name: 'count', version: '1.0.0', memoryMb: 64 } })
    expect(await maker.runner.task(timing)).to.deep.equal({ ok: true, value: undefined })
    const submitted = await maker.runner.submission(timing)
    const submission = (submitted as { value: TaskSubmission }).value
    const audit = (given: TaskSubmission, staker = STAKER) => auditor.runner.audit({ staker, ...given }, timing, proofs)
    expect(await audit(submission)).to.deep.equal({ ok: true, value: { valid: true } })
    expect(await audit(submission, OTHER))
      .to.deep.include({ ok: true })
      .and.have.nested.property('value.valid', false)
    const lie = (await proofs.putValue({ staker: STAKER, cycle: 2, counts: Array(30).fill(1000) })).toString()
    expect(await audit({ value: lie, proofs: [lie] }))
      .to.have.nested.property('value.reason')
      .that.matches(/counted wrong/)
    const list = await maker.runner.distribution({
      taskId: 't',
      cycle: 2,
      bounty: '100',
      seed: '00',
      submissions: [{ staker: 'alice', value: '', stake: '1000' }],
      rejected: [
        { staker: 'bob', reason: 'invalid', stake: '1000' },
        // a slash of who is refuted breaks a rule of records
        { staker: 'carol', reason: 'refuted', stake: '1000' }
      ],
      stakes: ['alice', 'bob', 'carol'].map((staker) => ({ staker, stake: '1000' }))
    })
    expect(list).to.deep.equal({
      ok: true,
      value: [
        { staker: 'alice', amount: 100n },
        { staker: 'bob', amount: -10n }
      ]
    })
    await Promise.all([maker.runner.stop(), auditor.runner.stop()])
  })
})

describe('tasks: protocols/task/README.md', () => {
  it('has the limits that the code has', () => {
    const text = read('protocols/task/README.md').replace(/ +/g, ' ')
    const row = (name: string) => text.split('\n').find((line) => line.startsWith(`| ${name} |`)) ?? ''
    const number = (value: number) => value.toLocaleString('en-US')
    expect(row('value of a submission')).to.include(`${api.MAX_SUBMISSION_VALUE_BYTES} bytes`)
    expect(row('proofs of a submission')).to.include(` ${api.MAX_SUBMISSION_PROOFS} `)
    expect(row('`proofBytes`')).to.include(`${number(api.MAX_SUBMISSION_PROOF_BYTES)} bytes`)
    expect(api.MAX_SUBMISSION_PROOF_BYTES).to.equal(DEFAULT_DAG_LIMITS.maxBytes)
    expect(row('`minProofs`')).to.include(`0 to ${api.MAX_SUBMISSION_PROOFS};`)
    expect(row('`memoryMb`')).to.include(`; ${api.DEFAULT_MEMORY_MB} without it`)
    expect(row('reason of an audit')).to.include(`${api.MAX_REASON_BYTES} bytes`)
    expect(row('key, value of `kv`')).to.include(`${api.MAX_KEY_BYTES} bytes, ${number(api.MAX_VALUE_BYTES)} bytes`)
    expect(row('`kv.list`')).to.include(`${number(api.MAX_LIST_KEYS)} keys`)
    expect(row('`putNode`')).to.include(`${number(api.MAX_NODE_BYTES)} bytes`)
    expect(row('`putFiles`')).to.include(`${api.MAX_PUT_FILES_BYTES / 1024 / 1024} MiB, ${number(api.MAX_PUT_FILES)} files`)
    expect(row('`readFile`')).to.include(`${api.MAX_READ_BYTES / 1024 / 1024} MiB`)
    expect(row('`getBlocks`')).to.include(`${number(api.MAX_SLOT_SPAN)} slots`)
    expect(text).to.include(`at most ${api.MAX_BUNDLE_BYTES / 1024 / 1024} MiB`)
  })
})
