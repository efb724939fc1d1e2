import { expect } from 'chai'
import { type Outcome, type TaskRunnerInit, whyFailed } from '../../src/tasks/index.ts'
import { framesOf, placeOf, sourceLine } from '../../src/tasks/stack.ts'
import { HANGS_MS } from '../cpu.ts'
import { makeRunner, OTHER, source, type TestRunner } from './support.ts'

const timing = { cycle: 3, startSlot: 90, endSlot: 120, slotMs: 100 }
const submission = { staker: OTHER, value: 'v', proofs: [] }
const input = { taskId: 't', cycle: 3, bounty: '10', seed: '00'.repeat(32), submissions: [], rejected: [], stakes: [] }

/** Line 1 of each bundle; `extra` begins on line 2. */
const HEAD =
  "export const manifest = { name: 'bugs', version: '1.0.0' }; const fine = { task () {}, submission: () => null, audit: () => true }\n"
const REST = (...own: string[]) =>
  ['task', 'submission', 'audit']
    .filter((name) => !own.includes(name))
    .map((name) => `export const ${name} = fine.${name}`)
    .join('\n')

describe('tasks: where an error came from', () => {
  const made: TestRunner[] = []
  afterEach(async () => {
    for (const { runner } of made.splice(0)) await runner.stop()
  })
  const make = async (code: string, own: string[], init: Partial<TaskRunnerInit> = {}) => {
    const test = await makeRunner({ bundle: source(`${HEAD}${code}\n${REST(...own)}\n`), ...init })
    made.push(test)
    return test
  }
  const detailOf = (outcome: Outcome<unknown>) => (outcome.ok ? 'no failure' : whyFailed(outcome).replace(`${outcome.reason}: `, ''))
  const errorsOf = ({ logged }: TestRunner) => logged.filter(({ source: from }) => from === 'error').map(({ text }) => text)
  const options = { timeoutMs: HANGS_MS }

  const calls: Record<string, (test: TestRunner) => Promise<Outcome<unknown>>> = {
    setup: ({ runner }) => runner.setup(options),
    task: ({ runner }) => runner.task(timing, options),
    submission: ({ runner }) => runner.submission(timing, options),
    audit: ({ runner, proofs }) => runner.audit(submission, timing, proofs, options),
    distribution: ({ runner }) => runner.distribution(input, options)
  }
  for (const [name, call] of Object.entries(calls)) {
    it(`is told of ${name}: in one line, and with the functions on the way in the log`, async () => {
      const test = await make(`function inner () {\n  return ctxx.log }\nexport function ${name} () {\n  return inner() }`, [name])
      const detail = detailOf(await call(test))
      expect(detail).to.match(/^ReferenceError: .*ctxx.* is not defined \(main\.mjs:3:\d+\)$/)
      const [line, ...more] = errorsOf(test)
      expect(line).to.match(/^\w+(, cycle 3)?: threw: ReferenceError: .*; at inner \(main\.mjs:3:\d+\); at .*main\.mjs:5:\d+\)?$/)
      expect(line).to.not.match(/entry|prelude|node:|file:|\//)
      expect(more).to.deep.equal([])
      expect(test.runner.status().lastReason?.detail).to.equal(detail)
    })
  }

  it('is told of a rejection that nobody handled, whose process ended', async () => {
    const test = await make('export function task () {\n  setTimeout(() => {\n    nothing() }, 1)\n  return new Promise(() => {}) }', [
      'task'
    ])
    expect(detailOf(await calls.task!(test))).to.match(/^the process ended with exit status 1: ReferenceError: .* \(main\.mjs:4:\d+\)$/)
    expect(errorsOf(test)[0]).to.match(/crashed: .*; at .*main\.mjs:4:\d+/)
  })

  it('is told of a module that cannot be parsed, with the line of its source, under the name that the author gave it', async () => {
    const test = await make('const fine2 = 1\n  const x v = 3 // \u001b[2J', [], { fileName: 'syn.mjs' })
    const detail = detailOf(await test.runner.manifest())
    expect(detail).to.match(/^SyntaxError: .* \(syn\.mjs:3:11: const x v = 3 \/\/ {2}\[2J\)$/)
    expect(detailOf(await calls.task!(test))).to.equal(detail)
  })

  it('is told of the errors that a task logs itself', async () => {
    const test = await make('export function task (ctx) {\n  try { nothing() } catch (error) { ctx.log("caught", error) } }', ['task'])
    expect(await calls.task!(test)).to.deep.equal({ ok: true, value: undefined })
    const text = test.logged.find(({ source: from }) => from === 'task')!.text
    expect(text).to.match(/^caught ReferenceError: nothing is not defined; at .*main\.mjs:3:9\)?$/)
    expect(text).to.not.match(/entry|node:|file:/)
  })

  describe('where the task made the stack up', () => {
    const hostile: Record<string, [code: string, reason: string]> = {
      'by a stack of 64 MiB': ["Error.prepareStackTrace = () => 'x'.repeat(2 ** 26)", 'threw'],
      'by no text': ['Error.prepareStackTrace = () => ({ toString () { throw 1 } })', 'threw'],
      'by throwing': ["Error.prepareStackTrace = () => { throw new Error('again') }", 'threw'],
      'by lines that look like frames, with controls in them': [
        "Error.prepareStackTrace = () => Array(5000).fill('    at \\u001b[31m\\u202e' + 'y'.repeat(390) + ' (koii-task:main.mjs:7:7)').join('\\n')",
        'threw'
      ],
      'by paths of elsewhere': ["Error.prepareStackTrace = () => 'Error\\n    at x (/etc/passwd:1:1)\\n    at y (node:fs:1:1)'", 'threw'],
      'by all of a deep stack': ['Error.stackTraceLimit = Infinity', 'threw'],
      'by a prototype that answers for it': ["String.prototype.slice = () => { throw 1 }; Array.prototype.join = () => 'no'", 'threw']
    }
    for (const [how, [code, reason]] of Object.entries(hostile)) {
      for (const name of ['task', 'distribution']) {
        it(`${how}, in ${name}: what is told is bounded and clean`, async () => {
          const deep = 'const deep = (n) => { if (n === 0) throw new TypeError("the bug"); deep(n - 1) }'
          const test = await make(`${deep}\nexport function ${name} () { ${code}; deep(50) }`, [name])
          const outcome = await calls[name]!(test)
          expect(outcome).to.include({ ok: false, reason })
          const [line] = errorsOf(test)
          for (const text of [detailOf(outcome), line!]) {
            expect(text).to.match(/TypeError: the bug|Error: /)
            expect(text).to.not.match(/\p{Cc}|\p{Cf}|passwd|node:|file:/u)
          }
          expect(Buffer.byteLength(detailOf(outcome))).to.be.at.most(600)
          expect(Buffer.byteLength(line!)).to.be.at.most(4096)
        })
      }
    }

    it('by a getter or a Proxy: it runs in the call’s own time, and costs that call', async () => {
      const throwing = await make(
        'export function task () { throw Object.defineProperty(new Error("x"), "stack", { get () { throw 2 } }) }\nexport function audit () { throw new Proxy(new Error("y"), { get (target, key) { if (key === "stack") for (;;); return target[key] } }) }',
        ['task', 'audit']
      )
      expect(await calls.task!(throwing)).to.include({ ok: false, reason: 'threw', detail: 'Error: x' })
      const { runner, proofs } = throwing
      expect(await runner.audit(submission, timing, proofs, { timeoutMs: 500 })).to.include({ ok: false, reason: 'timeout' })
      expect(await calls.task!(throwing)).to.include({ ok: false, reason: 'threw', detail: 'Error: x' })
    })

    it('by a getter or a Proxy in the interpreter: it is the error that counts', async () => {
      for (const thrown of [
        'Object.defineProperty(new Error("x"), "stack", { get () { throw new Error("y") } })',
        'Object.defineProperty(new Error("x"), "stack", { get () { return "z".repeat(2 ** 22) } })',
        'new Proxy(new Error("x"), { get (target, key) { if (key === "stack") return {}; return target[key] } })'
      ]) {
        const test = await make(`export function distribution () { throw ${thrown} }`, ['distribution'])
        expect(await calls.distribution!(test), thrown).to.include({ ok: false, reason: 'threw', detail: 'Error: x', ending: 'threw' })
      }
    })
  })

  it('reads frames of both engines, and nothing else', () => {
    const frames = framesOf(
      [
        'TypeError: at odds (koii-task:main.mjs:1:1) with it',
        '    at check (koii-task:main.mjs:20:3)',
        '    at Object.audit (koii-task:main.mjs:11:10)',
        '    at async Foo.bar [as baz] (koii-task:main.mjs:9:1)',
        '    at koii-task:main.mjs:4:2',
        '    at <anonymous> (koii-task:main.mjs:5:2)',
        '    at map (native)',
        '    at other (/home/somebody/main.mjs:1:1)',
        '    at distribution (koii-task:prelude:190:3)',
        '    at eval (eval at f (koii-task:main.mjs:1:1), <anonymous>:1:1)',
        '    at run (file:///home/somebody/entry.ts:180:5)',
        '    at process.processTicksAndRejections (node:internal/process/task_queues:104:5)'
      ].join('\n')
    )
    expect(frames.map((frame) => `${frame.name} ${placeOf(frame, 'a.mjs')}`)).to.deep.equal([
      'check a.mjs:20:3',
      'audit a.mjs:11:10',
      'async Foo.bar [as baz] a.mjs:9:1',
      ' a.mjs:4:2',
      ' a.mjs:5:2'
    ])
    expect(framesOf('koii-task:main.mjs:36\nconst x v\n      ^\n\nSyntaxError: no').map((frame) => placeOf(frame, 'a.mjs'))).to.deep.equal([
      'a.mjs:36'
    ])
    expect(framesOf(undefined)).to.deep.equal([])
    expect(framesOf('    at f (koii-task:main.mjs:1:1)\n'.repeat(10_000))).to.have.length(16)
  })

  it('shows of a line what is around the column', () => {
    const long = `${'a'.repeat(5000)}HERE${'b'.repeat(5000)}`
    const shown = sourceLine(`one\n${long}\nthree`, { name: '', line: 2, column: 5001 })
    expect(shown).to.include('HERE')
    expect(shown.length).to.be.at.most(160)
    expect(sourceLine('one', { name: '', line: 9, column: 1 })).to.equal('')
  })
})
