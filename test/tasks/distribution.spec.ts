import { expect } from 'chai'
import fc from 'fast-check'
import { checkDistribution, type DistributionInput, defaultDistribution, type TaskRunner } from '../../src/tasks/index.ts'
import { makeRunner, source } from './support.ts'

const input: DistributionInput = {
  taskId: 'task',
  cycle: 7,
  seed: 'ab'.repeat(32),
  bounty: '100',
  stakes: [
    { staker: 'alice', stake: '10' },
    { staker: 'bob', stake: '9223372036854775808' },
    { staker: 'carol', stake: '5' }
  ],
  submissions: [
    { staker: 'carol', value: 'c', stake: '5' },
    { staker: 'alice', value: 'a', stake: '10' }
  ],
  rejected: [{ staker: 'bob', reason: 'invalid', stake: '9223372036854775808' }]
}

describe('tasks: distribution lists', () => {
  it('default: equal parts for the accepted, the remainder stays', () => {
    expect(defaultDistribution({ ...input, bounty: '101' })).to.deep.equal([
      { staker: 'alice', amount: 50n },
      { staker: 'carol', amount: 50n }
    ])
    expect(defaultDistribution({ ...input, bounty: '1' })).to.deep.equal([])
    expect(defaultDistribution({ ...input, submissions: [] })).to.deep.equal([])
  })

  it('default: never more than the bounty, and always right', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 64n), fc.array(fc.nat(30)), (bounty, list) => {
        const submissions = list.map((i) => ({ staker: `s${i}`, value: '', stake: '1' }))
        const stakes = Array.from({ length: 31 }, (_, i) => ({ staker: `s${i}`, stake: '1' }))
        const given = { ...input, bounty: bounty.toString(), stakes, submissions }
        const entries = defaultDistribution(given)
        const accepted = BigInt(new Set(list).size)
        const sum = entries.reduce((total, { amount }) => total + amount, 0n)
        expect(sum).to.equal(accepted === 0n ? 0n : bounty - (bounty % accepted))
        expect(new Set(entries.map(({ amount }) => amount)).size).to.be.at.most(1)
        expect(checkDistribution(entries, given)).to.deep.equal(entries)
      })
    )
  })

  it('are put in one order, as bigint, without zeros', () => {
    const list = [
      { staker: 'carol', amount: '60' },
      { staker: 'bob', amount: 0n },
      { staker: 'alice', amount: '-10' }
    ]
    expect(checkDistribution(list, input)).to.deep.equal([
      { staker: 'alice', amount: -10n },
      { staker: 'carol', amount: 60n }
    ])
  })

  const wrong: Record<string, unknown> = {
    'no array': { alice: 1 },
    'a staker without stake': [{ staker: 'mallory', amount: '1' }],
    'a staker twice': [
      { staker: 'alice', amount: '1' },
      { staker: 'alice', amount: '1' }
    ],
    'a number': [{ staker: 'alice', amount: 1 }],
    'a fraction': [{ staker: 'alice', amount: '1.5' }],
    'hexadecimal text': [{ staker: 'alice', amount: '0x10' }],
    'empty text': [{ staker: 'alice', amount: '' }],
    'one ROE beyond the bounty': [
      { staker: 'alice', amount: '50' },
      { staker: 'carol', amount: '51' }
    ],
    'a slash of one ROE more than the stake': [{ staker: 'alice', amount: '-11' }],
    'a bounty made from a slash': [
      { staker: 'alice', amount: '-10' },
      { staker: 'carol', amount: '110' }
    ],
    'no entry': [null]
  }
  for (const [name, list] of Object.entries(wrong)) {
    it(`refuses ${name}`, () => {
      expect(() => checkDistribution(list, input))
        .to.throw()
        .with.property('name', 'DistributionError')
    })
  }
})

describe('tasks: the distribution function', () => {
  const base = `
    export const manifest = { name: 'test', version: '1' }
    export function task () {}
    export function submission () { return null }
    export function audit () { return true }
  `
  const runners: TaskRunner[] = []
  afterEach(async () => {
    await Promise.all(runners.splice(0).map((runner) => runner.stop()))
  })
  const run = async (body: string, given = input, imports = '') => {
    const { runner, logged } = await makeRunner({
      bundle: source(`${imports}${base} export async function distribution (input) { ${body} }`)
    })
    runners.push(runner)
    const outcome = await runner.distribution(given)
    await new Promise((resolve) => setTimeout(resolve, 20))
    return { outcome, text: logged.map((entry) => entry.text).join('\n'), runner }
  }

  it('gets amounts as bigint and gives them so', async () => {
    const { outcome } = await run(`
      if (input.stakes[1].stake !== 2n ** 63n || input.rejected[0].stake !== 2n ** 63n) throw new Error('stake')
      return input.submissions.map(({ staker }) => ({ staker, amount: input.bounty / 4n }))`)
    expect(outcome).to.deep.equal({
      ok: true,
      value: [
        { staker: 'alice', amount: 25n },
        { staker: 'carol', amount: 25n }
      ]
    })
  })

  it('is the default one where a bundle has none', async () => {
    const { runner } = await makeRunner({ bundle: source(base) })
    runners.push(runner)
    expect(await runner.distribution(input)).to.deep.equal({ ok: true, value: defaultDistribution(input) })
  })

  it('gives the same on every node, whatever it asks for', async () => {
    const asks = `
      const { default: module } = await import('node:crypto')
      const seen = [
        Date.now(), new Date().toISOString(), Date(), new (new Date().constructor)().getTime(), Reflect.construct(Date, []).getTime(),
        Object.getPrototypeOf(new Date()).constructor.now(),
        Math.random(), Math.random(), crypto.randomUUID(), Buffer.from(crypto.getRandomValues(new Uint8Array(8))).toString('hex'),
        module.randomUUID(), module.randomBytes(8).toString('hex'), module.randomInt(1000), named(4).toString('hex'),
        module.createHash('sha256').update('x').digest('hex'), module.webcrypto.randomUUID(),
        new Intl.DateTimeFormat().format(), new Intl.DateTimeFormat().formatToParts().map((p) => p.value).join(''),
        Intl.DateTimeFormat().resolvedOptions().timeZone, new Intl.NumberFormat().resolvedOptions().locale, (1234567.891).toLocaleString(),
        new Date(1e12).toString(), new Date(1e12).toLocaleString(), ['b', 'a', 'Ä', 'Z'].sort(new Intl.Collator().compare).join(),
        Buffer.allocUnsafe(64).toString('hex'), new Error('x').stack, import.meta.url, import.meta.filename, import.meta.dirname, JSON.stringify(process.env),
        typeof performance, typeof setTimeout, typeof fetch, typeof WeakRef, typeof Temporal, typeof navigator, typeof SharedArrayBuffer,
        typeof process.hrtime, typeof process.pid, typeof process.getBuiltinModule, typeof WebAssembly, typeof File,
        Object.getOwnPropertyNames(globalThis).sort().join()
      ]
      console.log(JSON.stringify(seen))
      return [{ staker: 'alice', amount: BigInt(Math.floor(Math.random() * 100)) }]`
    const imports = "import { randomBytes as named } from 'crypto'\n"
    const first = await run(asks, input, imports)
    await new Promise((resolve) => setTimeout(resolve, 1100))
    const second = await run(asks, input, imports)
    expect(first.outcome.ok, first.outcome.ok ? '' : first.outcome.detail).to.equal(true)
    expect(first.text).to.match(/^\[0,"1970-01-01T00:00:00.000Z"/)
    expect(first.text).not.to.match(/koii-task-|\/tmp/)
    expect(first.text).to.equal(second.text)
    expect(second.outcome).to.deep.equal(first.outcome)
    const third = await run(asks, { ...input, seed: 'cd'.repeat(32) }, imports)
    expect(third.text).not.to.equal(first.text)
  })

  it('reaches nothing: no context, no files, no network, no timers', async () => {
    for (const [body, detail] of [
      ['return arguments[1].kv.get("x")', /TypeError/],
      ['return fs.readFileSync("/etc/passwd")', /not available in distribution/],
      ['return new http.Agent()', /not available in distribution/],
      ['return (await import("node:perf_hooks")).performance.now()', /not available in distribution|not a function|undefined/],
      ['return setTimeout(() => {}, 1)', /setTimeout is not defined/],
      ['return (await import("node:child" + "_process")).fork("x")', /may import only/],
      ['return (await import("node:f" + "s")).readFileSync("/etc/passwd")', /not available|may import only|Access/],
      ['return import("data:text/javascript,export default 1")', /may import only/]
    ] as const) {
      const { outcome } = await run(body, input, "import fs from 'node:fs'; import * as http from 'node:http'\n")
      expect(outcome.ok ? 'ok' : outcome.reason, body).to.equal('threw')
      expect((outcome as { detail: string }).detail, body).to.match(detail)
    }
  })

  it('starts anew each time', async () => {
    const { outcome, runner } = await run(
      'globalThis.count = (globalThis.count ?? 0) + 1; return [{ staker: "alice", amount: String(globalThis.count) }]'
    )
    expect(outcome).to.deep.equal({ ok: true, value: [{ staker: 'alice', amount: 1n }] })
    expect(await runner.distribution(input)).to.deep.equal(outcome)
  })

  it('that returns nonsense or hangs is an outcome', async () => {
    expect((await run('return [{ staker: "alice", amount: 5 }]')).outcome).to.deep.include({ ok: false, reason: 'nonsense' })
    expect((await run('return [{ staker: "alice", amount: "101" }]')).outcome).to.deep.include({ ok: false, reason: 'nonsense' })
    const { runner } = await run('for (; input.cycle === 7;);return []', { ...input, cycle: 8 })
    expect(await runner.distribution(input, { timeoutMs: 200 })).to.deep.include({ ok: false, reason: 'timeout' })
  }).timeout(60_000)
})
