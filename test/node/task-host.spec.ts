import { expect } from 'chai'
import { createTaskHost, type TaskHostInit } from '../../src/node/task-host.ts'
import { BlockStoreError, ProofMalformedError, type Proofs, ProofUnavailableError } from '../../src/proofs/index.ts'
import { clip } from '../../src/rounds/text.ts'
import type { Outcome, TaskRunner } from '../../src/tasks/index.ts'
import { Lab } from '../proofs/fixtures.ts'
import { alice, cidBytes, submission, TASK } from '../wire/people.ts'

describe('node: task host', () => {
  const lab = new Lab()
  afterEach(() => lab.end())

  it('says of a proof that did not come what time the round gave it, and who was asked', async () => {
    const [auditor, submitter] = [await lab.node(), await lab.node()]
    const host = createTaskHost({
      taskId: TASK,
      runner: {} as TaskRunner,
      proofs: auditor.proofs,
      limits: { maxBytes: 1_000_000, maxBlocks: 100 },
      alsoProvide: () => false
    })
    const body = submission('nobody has this')
    const message = await alice.says({
      ...body,
      submission: {
        ...body.submission!,
        proofs: [{ cid: cidBytes('nobody has this'), size: 1000, blocks: 2 }]
      }
    })
    const timing = { cycle: 3, startSlot: 90, endSlot: 120, slotMs: 100 }
    const { finding, reason } = await host.audit(message, [submitter.hint], timing, { fetchMs: 400.4, totalMs: 700.7 })
    expect(finding).to.equal('unavailable')
    const wire = clip(reason)
    expect(wire).to.include('400 ms').and.to.include('701 in all')
    expect(wire).to.include(submitter.hint.peerId)
    // all of it has room, up to what the first of them did
    expect(
      clip(`${reason.slice(0, reason.indexOf(submitter.hint.peerId))}${submitter.hint.peerId} sent nothing for 5000 ms`)
    ).not.to.include('…')
    // the slot has come before the time that was measured for it
    const limits = { fetchMs: 60_000, totalMs: 70_000, fetchEnds: AbortSignal.timeout(300) }
    expect(await host.audit(message, [submitter.hint], timing, limits)).to.include({ finding: 'unavailable' })
  })

  describe('what it says of a submission, by whose doing', () => {
    const timing = { cycle: 3, startSlot: 90, endSlot: 120, slotMs: 100 }
    const from = [{ peerId: 'nobody', multiaddrs: [] }]
    interface Given {
      proofs?: Array<{ size: number; blocks: number }>
      init?: Partial<TaskHostInit>
      fetch?: () => Promise<unknown>
      pin?: () => Promise<unknown>
      outcome?: Outcome<unknown>
    }
    const audit = async ({
      proofs = [{ size: 1000, blocks: 2 }],
      init = {},
      fetch,
      pin,
      outcome = { ok: true, value: { valid: true } }
    }: Given) => {
      let fetches = 0
      const host = createTaskHost({
        taskId: TASK,
        runner: { audit: async () => outcome } as unknown as TaskRunner,
        proofs: {
          async fetch() {
            fetches++
            return fetch?.()
          },
          async pin() {
            return pin?.()
          }
        } as unknown as Proofs,
        limits: { maxBytes: 1e9 },
        alsoProvide: () => false,
        ...init
      })
      const body = submission('any')
      const declared = proofs.map((proof, i) => ({ cid: cidBytes(`proof ${i}`), ...proof }))
      const message = await alice.says({ ...body, submission: { ...body.submission!, proofs: declared } })
      return { ...(await host.audit(message, from, timing, { fetchMs: 400, totalMs: 700 })), fetches }
    }
    const MiB = 1024 * 1024

    it('beyond the protocol or the manifest, all proofs together: invalid, and nobody is asked', async () => {
      const wrong: Given[] = [
        { proofs: Array(4).fill({ size: 64 * MiB, blocks: 256 }) },
        {
          proofs: [
            { size: 64 * MiB, blocks: 256 },
            { size: 1, blocks: 1 }
          ]
        },
        { proofs: Array(2).fill({ size: MiB, blocks: 8193 }) },
        { proofs: Array(2).fill({ size: 600, blocks: 1 }), init: { bounds: { proofBytes: 1000 } } },
        { proofs: [], init: { bounds: { minProofs: 1 } } }
      ]
      for (const given of wrong) {
        expect(await audit(given)).to.deep.include({ finding: 'invalid', fetches: 0 })
      }
      expect(await audit({ proofs: [] })).to.include({ finding: 'valid' })
    })
    it('beyond what this node takes, and within the protocol: nothing', async () => {
      const limits = { maxBytes: 4 * MiB }
      const { finding, reason, fetches } = await audit({ proofs: Array(2).fill({ size: 3 * MiB, blocks: 1 }), init: { limits } })
      expect({ finding, fetches }).to.deep.equal({ finding: 'abstained', fetches: 0 })
      expect(reason).to.include('quota')
      expect(await audit({ proofs: [{ size: 4 * MiB, blocks: 16_384 }], init: { limits } })).to.include({ finding: 'valid' })
      expect(await audit({ init: { limits: { maxBytes: 1e9, maxBlocks: 1 } } })).to.include({ finding: 'abstained' })
    })
    it('a proof that came and cannot be kept, or a disk that fails: nothing', async () => {
      const rejects = (err: Error) => () => Promise.reject(err)
      const ours = [
        new BlockStoreError('no space left'),
        Object.assign(new Error('EMFILE'), { errno: -24 }),
        new RangeError('Array buffer allocation failed')
      ]
      for (const err of ours) {
        expect(await audit({ fetch: rejects(err) })).to.include({ finding: 'abstained' })
      }
      for (const err of [...ours, new ProofUnavailableError('cid', 'rotted'), new ProofMalformedError('cid', 'any')]) {
        expect(await audit({ pin: rejects(err) })).to.include({ finding: 'abstained' })
      }
      expect(await audit({ fetch: rejects(new ProofMalformedError('cid', 'bad')) })).to.include({ finding: 'invalid' })
    })
    it('an audit without an answer: what the runner says of its end, and nothing by itself', async () => {
      for (const reason of [
        'crashed',
        'killed',
        'out-of-memory',
        'timeout',
        'nonsense',
        'threw',
        'unavailable',
        'interrupted',
        'stopped'
      ] as const) {
        expect(await audit({ outcome: { ok: false, reason, detail: '' } })).to.include({ finding: 'abstained' })
        expect(await audit({ outcome: { ok: false, reason, detail: '', accuses: true } })).to.include({ finding: 'invalid' })
      }
    })
    it('keeps its own task from submitting what everybody would refuse', async () => {
      const host = createTaskHost({
        taskId: TASK,
        runner: {
          task: async () => ({ ok: true }),
          submission: async () => ({ ok: true, value: { value: 'x', proofs: [] } })
        } as unknown as TaskRunner,
        proofs: {} as Proofs,
        bounds: { minProofs: 1 },
        limits: { maxBytes: 1e9 },
        alsoProvide: () => false
      })
      const worked = await host.work(timing, 1000)
      expect(worked.ok).to.equal(false)
      expect((worked as { reason: string }).reason).to.include('asks for 1 at least')
    })
  })
})
