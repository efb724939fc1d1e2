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
  it('default: parts by stake for the accepted, the remainder stays', () => {
    expect(defaultDistribution({ ...input, bounty: '101' })).to.deep.equal([
      { staker: 'alice', amount: 67n },
      { staker: 'carol', amount: 33n }
    ])
    expect(defaultDistribution({ ...input, bounty: '1' })).to.deep.equal([])
    expect(defaultDistribution({ ...input, submissions: [] })).to.deep.equal([])
    expect(defaultDistribution({ ...input, submissions: [{ staker: 'carol', value: '', stake: '0' }] })).to.deep.equal([])
  })

  it('default: never more than the bounty, and nobody gains by splitting a stake', () => {
    const amount = fc.bigInt(0n, 2n ** 64n - 1n)
    fc.assert(
      fc.property(amount, fc.uniqueArray(fc.tuple(fc.nat(30), amount), { selector: ([i]) => i }), amount, (bounty, list, part) => {
        const submissions = list.map(([i, stake]) => ({ staker: `s${i}`, value: '', stake: stake.toString() }))
        const given = { ...input, bounty: bounty.toString(), stakes: submissions, submissions }
        const entries = defaultDistribution(given)
        const total = list.reduce((sum, [, stake]) => sum + stake, 0n)
        const paid = entries.reduce((sum, entry) => sum + entry.amount, 0n)
        expect(paid <= bounty).to.equal(true)
        expect(total === 0n || bounty - paid < BigInt(Math.max(1, list.length))).to.equal(true)
        expect(checkDistribution(entries, given)).to.deep.equal(entries)
        const [first, ...others] = submissions
        if (first != null) {
          const half = BigInt(first.stake) > part ? part : BigInt(first.stake)
          const [one, two] = [half, BigInt(first.stake) - half].map((stake, i) => ({
            ...first,
            staker: `split${i}`,
            stake: stake.toString()
          }))
          const split = defaultDistribution({ ...given, submissions: [one!, two!, ...others] })
          const gain = (staker: string, from = split) => from.find((entry) => entry.staker === staker)?.amount ?? 0n
          expect(gain('split0') + gain('split1') <= gain(first.staker, entries)).to.equal(true)
        }
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
      const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
      const seen = [
        Date.now(), new Date().toISOString(), Date(), new (new Date().constructor)().getTime(), Reflect.construct(Date, []).getTime(),
        Math.random(), Math.random(), crypto.randomUUID(), hex(crypto.getRandomValues(new Uint8Array(8))),
        typeof Intl, (1234567.891).toLocaleString(), new Date(1e12).toString(), new Date(1e12).toLocaleString(), new Date(2020, 6, 1).getTime(),
        new Date('2020-07-01T00:00').getTime(), new Date(1e12).getTimezoneOffset(), ['b', 'a', 'Ä', 'Z'].sort((a, b) => a.localeCompare(b)).join(),
        hex(new Uint8Array(new Float64Array([NaN, 0 / 0, Math.sqrt(-1), -NaN, Infinity - Infinity]).buffer)),
        hex(new Uint8Array(new Float32Array([NaN, 0 / 0, Math.sqrt(-1)]).buffer)), Math.sin(1e22), Math.pow(1.1, 100.5), Math.exp(1),
        new Error('x').stack, import.meta.url, JSON.stringify(process.env), process.platform,
        typeof performance, typeof setTimeout, typeof fetch, typeof WeakRef, typeof Temporal, typeof navigator, typeof SharedArrayBuffer,
        typeof process.hrtime, typeof process.pid, typeof process.getBuiltinModule, typeof WebAssembly, typeof Buffer, typeof URL, typeof gc,
        Object.getOwnPropertyNames(globalThis).join()
      ]
      console.log(JSON.stringify(seen))
      return [{ staker: 'alice', amount: BigInt(Math.floor(Math.random() * 100)) }]`
    const imports = "import { randomBytes } from 'crypto'\n"
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
      ['return import("node:fs").then(({ statSync }) => statSync("."))', /TaskAccessError: node:fs is not available in distribution/],
      ['return Buffer.from("x")', /'Buffer' is not defined/],
      ['return new http.Agent()', /not available in distribution/],
      ['return (await import("node:perf_hooks")).performance.now()', /not available in distribution/],
      ['return setTimeout(() => {}, 1)', /'setTimeout' is not defined/],
      ['return (await import("node:child" + "_process")).fork("x")', /may import only/],
      ['return (await import("node:f" + "s")).readFileSync("/etc/passwd")', /not available in distribution/],
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
