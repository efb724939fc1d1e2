import { expect } from 'chai'
import fc from 'fast-check'
import type * as z from 'zod'
import { auditShape, fromTaskShape, manifestShape, requestShapes, submissionShape } from '../../src/tasks/messages.ts'
import { problemIn } from '../../src/tasks/words.ts'

const NOT_OURS = /Invalid|expected|received|Too (small|big)|Unrecognized|must |undefined|\[object/
const told = (shape: z.ZodType, value: unknown) => {
  const { error } = shape.safeParse(value)
  return error == null ? undefined : problemIn(error)
}

describe('tasks: words of what is wrong', () => {
  it('name the place, and what should be there', () => {
    const right = { name: 'a', version: '1' }
    for (const [manifest, says] of [
      [undefined, 'it should be an object'],
      [{ version: '1' }, 'name should be text'],
      [{ ...right, name: '' }, 'name should have at least 1 character'],
      [{ ...right, memoryMb: 1 }, 'memoryMb should be at least 16'],
      [{ ...right, memoryMb: 1e9 }, 'memoryMb should be at most 65536'],
      [{ ...right, memoryMb: 20.5 }, 'memoryMb should be a whole number'],
      [{ ...right, memoryMb: Number.NaN }, 'memoryMb should be a number'],
      [{ ...right, network: 'yes' }, 'network should be true or false'],
      [{ ...right, timeoutsMs: { task: '1' } }, 'timeoutsMs.task should be a number'],
      [{ ...right, timeoutsMs: { tasks: 1 } }, 'timeoutsMs has what is not known: tasks'],
      [{ ...right, version: 'v 1' }, 'version should look like /^[\\w.+-]+$/']
    ] as const) {
      expect(told(manifestShape, manifest)).to.equal(says)
    }
    expect(told(submissionShape, { value: 1, proofs: [] })).to.equal('value should be text')
    expect(told(submissionShape, { value: '\ud800', proofs: [] })).to.match(/^value should be well-formed text of at most \d+ bytes$/)
  })

  it('are ours, whatever a task sends', () => {
    const shapes = [manifestShape, submissionShape, auditShape, fromTaskShape, ...Object.values(requestShapes)]
    const known = fc.record(
      Object.fromEntries(
        ['kind', 'id', 'ok', 'call', 'method', 'args', 'name', 'version', 'value', 'proofs', 'valid', 'key', 'slot', 'files', 'limit'].map(
          (name) => [name, fc.anything({ maxDepth: 1 })]
        )
      ),
      { requiredKeys: [] }
    )
    fc.assert(
      fc.property(fc.oneof(fc.anything({ maxDepth: 2 }), known), (value) => {
        for (const shape of shapes) {
          const problem = told(shape, value)
          // a name that was given may say anything
          expect((problem ?? '').replace(/not known: .*/, '')).not.to.match(NOT_OURS)
        }
      })
    )
  })
})
