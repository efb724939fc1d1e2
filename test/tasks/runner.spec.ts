import { existsSync } from 'node:fs'
import { expect } from 'chai'
import type { Outcome, TaskRunner } from '../../src/tasks/index.ts'
import { HANGS_MS } from '../cpu.ts'
import { isAlive } from '../processes.ts'
import { makeRunner, memoryProofs, OTHER, STAKER, source, type TestRunner, testBundle } from './support.ts'

const timing = { cycle: 3, startSlot: 90, endSlot: 120, slotMs: 100 }
const text = (value: string) => new TextEncoder().encode(value)

function reasonOf(outcome: Outcome<unknown>): string {
  return outcome.ok ? 'ok' : outcome.reason
}

describe('tasks: a hostile bundle', () => {
  let test: TestRunner
  let runner: TaskRunner

  before(async () => {
    test = await makeRunner({ bundle: testBundle('hostile.mjs') })
    runner = test.runner
  })
  after(() => runner.stop())

  const attack = async (name: string, timeoutMs = 5000): Promise<Outcome<void>> => {
    await test.store.put('attack', text(name))
    const outcome = await runner.task(timing, { timeoutMs })
    await test.store.put('attack', text('none'))
    return outcome
  }
  const servesTheNextCall = async () => {
    expect(await runner.task(timing, { timeoutMs: HANGS_MS })).to.deep.equal({ ok: true, value: undefined })
  }

  describe('is refused, and goes on', () => {
    const denied = [
      'read a file of the system',
      'read by promises',
      'read the environment in /proc',
      "read the node's environment",
      'open a descriptor of the node',
      'look whether a file exists',
      'list the folder above',
      'read above by dots',
      'write beside itself',
      'change its own code',
      'write to /tmp',
      'make a symbolic link',
      'write by SQLite',
      'write by SQLite, the other way',
      'write a heap snapshot',
      'write a report',
      'run a command',
      'run a command, the other way',
      'fork bomb',
      'start a worker',
      'fork a cluster',
      'become another program',
      'kill the node',
      'kill the node, the other way',
      'start an inspector in the node',
      'slow the node down',
      'become somebody else',
      'process.binding',
      'process._linkedBinding',
      'load an addon',
      'raise its own memory limit',
      'hook the loader',
      'open an inspector',
      'WASI',
      'FFI',
      'another realm',
      'another module',
      'a module of its own making',
      'take the guard off',
      'connect by TCP',
      'connect to a socket of the file system',
      'fetch',
      'listen',
      'send by UDP',
      'resolve a name',
      'an environment'
    ]
    for (const name of denied) {
      it(name, async () => {
        const outcome = await attack(name)
        expect(reasonOf(outcome), JSON.stringify(outcome)).to.equal('threw')
        // for the right reason: a typo in an attack would throw as well
        expect((outcome as { detail: string }).detail).to.match(
          /not available|Access to this API|denied|requires full|ERR_ACCESS_DENIED|may import only|Cannot redefine|Cannot read properties of undefined \(reading 'writeReport'\)/
        )
      })
    }
    it('a prototype that says yes', async () => {
      expect(reasonOf(await attack('a prototype that says yes'))).to.equal('threw')
    })
    it('without a trace outside', () => {
      expect(['/tmp/koii-task-escape', '/tmp/koii-task-escape.db'].filter((path) => existsSync(path))).to.deep.equal([])
      expect(runner.status().restarts).to.equal(0)
    })
    const refused = {
      'a value too large': /TaskRequestError/,
      'a value that is no text': /TaskRequestError/,
      'more than the quota': /QuotaExceededError/,
      'a block too large': /ProofValueError/,
      'a link to nothing': /no CID/,
      'a file outside': /TaskRequestError/,
      'all blocks of K2': /TaskRequestError/
    }
    for (const [name, detail] of Object.entries(refused)) {
      it(`request: ${name}`, async () => {
        const outcome = await attack(name)
        expect(reasonOf(outcome)).to.equal('threw')
        expect((outcome as { detail: string }).detail).to.match(detail)
        await servesTheNextCall()
      })
    }
  })

  describe('ends, and the next call is served', () => {
    const ends: Array<[name: string, reason: string, detail: RegExp, timeoutMs?: number]> = [
      ['exit', 'crashed', /exit status 0/],
      ['throw where nobody catches', 'crashed', /nobody catches this/],
      ['reject where nobody catches', 'crashed', /nobody awaits this/],
      ['abort', 'crashed', /SIGABRT/],
      ['loop', 'timeout', /task took longer than the 300 ms that it had/, 300],
      ['never return', 'timeout', /longer than the 300 ms/, 300],
      ['a slow pattern', 'timeout', /longer than the 300 ms/, 300],
      ['fill the heap', 'out-of-memory', /heap|resident/, 30_000],
      ['fill 8 GB of buffers', 'out-of-memory', /MiB resident/, 30_000],
      ['a frame of 4 GB', 'nonsense', /a frame of/],
      ['a head of 16 MiB', 'nonsense', /a frame of/],
      ['no JSON', 'nonsense', /no JSON/],
      ['an unknown kind', 'nonsense', /unknown shape/],
      ['an unknown request', 'nonsense', /unknown shape/],
      ['a method of the prototype', 'nonsense', /unknown shape/],
      ['JSON 300,000 deep', 'nonsense', /unknown shape/],
      ['a flood of requests', 'nonsense', /more than 32 requests/],
      ['a flood of log lines', 'timeout', /longer than the 1 s/, 1000],
      // its output waits in its own memory
      ['a flood of output', 'out-of-memory', /heap|resident/, 30_000]
    ]
    for (const [name, reason, detail, timeoutMs] of ends) {
      it(`${name}: ${reason}`, async () => {
        const outcome = await attack(name, timeoutMs)
        expect(reasonOf(outcome), JSON.stringify(outcome)).to.equal(reason)
        expect((outcome as { detail: string }).detail).to.match(detail)
        expect(runner.status().lastReason).to.deep.include({ function: 'task', reason })
        await servesTheNextCall()
      })
    }

    it('within 200 ms of the limit', async () => {
      // the best of some: the machine may be busy with others
      const times: number[] = []
      while (times.length < 50 && !times.some((late) => late < 200)) {
        await servesTheNextCall()
        const startedMs = performance.now()
        await attack('loop', 500)
        times.push(performance.now() - startedMs - 500)
      }
      expect(Math.min(...times)).to.be.lessThan(200)
    })

    it('unless it returns when it is told to: late, but alive', async () => {
      await servesTheNextCall()
      const { pid } = runner.status()
      expect(reasonOf(await attack('return when told to', 300))).to.equal('timeout')
      expect(runner.status().pid).to.equal(pid)
    })

    it('when its caller aborts', async () => {
      const controller = new AbortController()
      await test.store.put('attack', text('loop'))
      const call = runner.task(timing, { timeoutMs: 60_000, signal: controller.signal })
      setTimeout(() => controller.abort(new DOMException('the audit window closed with slot 130', 'AbortError')), 200)
      // what its caller says of it, and not what a signal says by itself
      expect(await call).to.include({ ok: false, reason: 'aborted', detail: 'the audit window closed with slot 130' })
      await test.store.put('attack', text('none'))
      await servesTheNextCall()
    })

    it('and its floods fill no log', () => {
      const bytes = test.logged.reduce((sum, entry) => sum + entry.text.length, 0)
      expect(bytes).to.be.lessThan(1024 * 1024)
      expect(test.logged.some((entry) => /lines dropped/.test(entry.text))).to.equal(true)
      expect(Math.max(...test.logged.map((entry) => entry.text.length))).to.be.at.most(4096)
    })
  })

  describe('returns nonsense', () => {
    for (const name of [
      'a value of 513 bytes',
      'a value of 512 bytes in 171 characters',
      'a number',
      'no proofs',
      'proofs that are no CIDs',
      'too many proofs',
      'half a character'
    ]) {
      it(`as a submission: ${name}`, async () => {
        await test.store.put('attack', text(name))
        expect(reasonOf(await runner.submission(timing))).to.equal('nonsense')
      })
    }
    it('but a value of 512 bytes is none', async () => {
      await test.store.put('attack', text('none'))
      expect(await runner.submission(timing)).to.deep.equal({ ok: true, value: { value: 'x'.repeat(512), proofs: [] } })
    })
    for (const value of ['yes', 'undefined']) {
      it(`as an audit: ${value}`, async () => {
        expect(reasonOf(await runner.audit({ staker: OTHER, value, proofs: [] }, timing, memoryProofs()))).to.equal('nonsense')
      })
    }
  })

  describe('audits', () => {
    const audit = (value: string, timeoutMs = HANGS_MS) =>
      runner.audit({ staker: OTHER, value, proofs: [] }, timing, memoryProofs(), { timeoutMs })

    it('cannot make proofs', async () => {
      const outcome = await audit('put')
      expect(reasonOf(outcome)).to.equal('threw')
      expect((outcome as { detail: string }).detail).to.match(/an audit only reads/)
    })

    it('that end their process do not cost the work under way', async () => {
      await test.store.put('attack', text('return when told to'))
      const work = runner.task(timing, { timeoutMs: 1500 })
      expect(reasonOf(await audit('exit'))).to.equal('crashed')
      const { pid } = runner.status()
      await test.store.put('attack', text('none'))
      await work
      expect(runner.status().pid).to.equal(pid)
    })

    it('that end their process do not decide over those beside them', async () => {
      const outcomes = await Promise.all([audit('slow'), audit('exit'), audit('slow'), audit('bad')])
      expect(outcomes.map((outcome) => (outcome.ok ? outcome.value.valid : outcome.reason))).to.deep.equal([true, 'crashed', true, false])
    })

    it('that are given an invalid root are nonsense, not an exception', async () => {
      const outcome = await runner.audit({ staker: OTHER, value: 'good', proofs: ['zzz'] }, timing, memoryProofs())
      expect(reasonOf(outcome)).to.equal('nonsense')
    })
  })
})

describe('tasks: the runner', () => {
  const base = `
    export const manifest = { name: 'test', version: '1' }
    export function task () {}
    export function submission () { return null }
    export function audit () { return true }
  `
  const runners: TaskRunner[] = []
  const make = async (init: Parameters<typeof makeRunner>[0]) => {
    const test = await makeRunner(init)
    runners.push(test.runner)
    return test
  }
  afterEach(async () => {
    await Promise.all(runners.splice(0).map((runner) => runner.stop()))
  })

  it('tells why a bundle does not load', async () => {
    const wrong = {
      'export const x = ': /SyntaxError/,
      'throw new Error("at once")': /at once/,
      [base.replace('export function audit', 'function audit')]: /does not export audit/,
      [base.replace("version: '1'", 'version: 1')]: /manifest is not right: version/,
      'import "left-pad"': /may import only/
    }
    for (const [text, detail] of Object.entries(wrong)) {
      const { runner } = await make({ bundle: source(text) })
      const outcome = await runner.task(timing)
      expect(reasonOf(outcome), text).to.equal('not-loaded')
      expect((outcome as { detail: string }).detail).to.match(detail)
    }
  })

  it('refuses a bundle that is none', async () => {
    const failure = async (bundle: Uint8Array | { path: string }) =>
      make({ bundle }).then(
        () => 'none',
        (error: Error) => error.name
      )
    expect(await failure(new Uint8Array([0xff, 0xfe]))).to.equal('TaskBundleError')
    expect(await failure({ path: '/nowhere/main.mjs' })).to.equal('TaskBundleError')
    expect(await failure(new Uint8Array(8 * 1024 * 1024 + 1))).to.equal('TaskBundleError')
  })

  it('runs setup once in each process, before anything else', async () => {
    const { runner, logged } = await make({
      bundle: source(
        `${base}
        let ready = false
        export async function setup (ctx) { await ctx.kv.put('a', ctx.params.word); ready = true; ctx.log('setup') }
      `.replace('export function task () {}', 'export function task () { if (!ready) throw new Error("not set up") }')
      ),
      params: { word: 'hello' }
    })
    expect(await Promise.all([runner.task(timing), runner.task(timing), runner.submission(timing)])).to.deep.equal([
      { ok: true, value: undefined },
      { ok: true, value: undefined },
      { ok: true, value: null }
    ])
    expect(logged.filter((entry) => entry.text === 'setup')).to.have.length(1)
  })

  describe('two cycles at a time', () => {
    const CYCLES = source(
      base.replace(
        'export function task () {}',
        `export async function task (ctx, cycle) {
          await ctx.kv.put('began/' + cycle + '/' + Math.random(), 'x')
          if (cycle === 1) {
            while (await ctx.kv.get('go') == null) await new Promise((done) => setTimeout(done, 10))
            const how = await ctx.kv.get('how')
            if (how === 'busy') for (;;);
            if (how === 'exit') process.exit(3)
            await new Promise(() => setTimeout(() => {}, 1e6))
          }
          while (await ctx.kv.get('end') == null) await new Promise((done) => setTimeout(done, 10))
          await ctx.kv.put('done/' + cycle, 'x')
        }`
      )
    )
    const began = async (store: Awaited<ReturnType<typeof make>>['store'], cycle: number, times: number) => {
      while ((await store.list(`began/${cycle}/`)).length < times) {
        await new Promise((done) => setTimeout(done, 10))
      }
    }
    for (const [how, reason] of [
      ['wait', 'timeout'],
      ['busy', 'timeout'],
      ['exit', 'crashed']
    ] as const) {
      it(`one of which ends by ${how}: the other is done all the same, once more and in its own time`, async () => {
        const { runner, store } = await make({ bundle: CYCLES })
        await store.put('how', text(how))
        const first = runner.task({ ...timing, cycle: 1 }, { timeoutMs: 2_000 })
        const second = runner.task({ ...timing, cycle: 2 }, { timeoutMs: HANGS_MS })
        await Promise.all([began(store, 1, 1), began(store, 2, 1)])
        await store.put('go', text('1'))
        expect(reasonOf(await first)).to.equal(reason)
        expect(runner.status().lastReason).to.include({ function: 'task', cycle: 1, reason })
        await began(store, 2, 2)
        await store.put('end', text('1'))
        expect(reasonOf(await second)).to.equal('ok')
        expect(await store.list('done/')).to.deep.equal(['done/2'])
        expect(await store.list('began/2/')).to.have.length(2)
        // the next call finds a process as ever
        expect(await runner.submission({ ...timing, cycle: 2 })).to.deep.equal({ ok: true, value: null })
      })
    }
    it('a cycle that runs out of time again is lost, and runs no third time', async () => {
      const { runner, store } = await make({ bundle: CYCLES })
      await store.put('how', text('wait'))
      const outcomes = Promise.all([
        runner.task({ ...timing, cycle: 1 }, { timeoutMs: 1_000 }),
        runner.task({ ...timing, cycle: 2 }, { timeoutMs: 4_000 })
      ])
      await Promise.all([began(store, 1, 1), began(store, 2, 1)])
      await store.put('go', text('1'))
      expect((await outcomes).map(reasonOf)).to.deep.equal(['timeout', 'timeout'])
      expect(await store.list('began/2/')).to.have.length(2)
    })
  })

  it('tries again after a setup that failed', async () => {
    const { runner, store } = await make({
      bundle: source(`${base} export async function setup (ctx) { if (await ctx.kv.get('ok') == null) throw new Error('not yet') }`)
    })
    expect(reasonOf(await runner.task(timing))).to.equal('threw')
    await store.put('ok', text('1'))
    expect(reasonOf(await runner.task(timing))).to.equal('ok')
  })

  it('gives the network to a bundle that asks, if the operator agrees', async () => {
    const { createServer } = await import('node:http')
    const server = createServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as { port: number }
    const asking = source(`
      import net from 'node:net'
      export const manifest = { name: 'test', version: '1', network: true }
      export async function task (ctx) { await ctx.kv.put('page', await (await fetch(ctx.params.url)).text()) }
      export async function submission (ctx) {
        await new Promise((resolve, reject) => net.connect({ path: '/tmp/any.sock' }).on('error', reject).on('connect', resolve))
        return null
      }
      export function audit () { return true }
    `)
    const params = { url: `http://127.0.0.1:${port}/` }
    const agreed = await make({ bundle: asking, params, allowNetwork: true })
    expect(await agreed.runner.task(timing)).to.deep.equal({ ok: true, value: undefined })
    expect(new TextDecoder().decode(await agreed.store.get('page'))).to.equal('hello')
    const socket = await agreed.runner.submission(timing)
    expect((socket as { detail: string }).detail).to.match(/sockets of the file system/)
    const refused = await (await make({ bundle: asking, params })).runner.task(timing)
    expect(reasonOf(refused)).to.equal('not-loaded')
    expect((refused as { detail: string }).detail).to.match(/operator has not agreed/)
    const unasked = await make({
      bundle: source(new TextDecoder().decode(asking).replace('network: true', '')),
      params,
      allowNetwork: true
    })
    expect(reasonOf(await unasked.runner.task(timing))).to.equal('threw')
    server.close()
  })

  it('lets an audit reach its proof and what it links to, and nothing else', async () => {
    const { runner, proofs } = await make({
      bundle: source(
        `${base}`.replace(
          'audit () { return true }',
          `audit (ctx, { value }) {
        return ctx.proofs.get(value).then((node) => ctx.proofs.get(node.link['/'])).then(({ n, big, bytes }) =>
          ({ valid: n === 1 && big === 2n ** 60n && bytes[1] === 8 }), (error) => ({ valid: false, reason: error.name }))
      }`
        )
      )
    })
    const leaf = await proofs.putValue({ n: 1, big: 2n ** 60n, bytes: new Uint8Array([7, 8]) })
    const root = (await proofs.putValue({ link: leaf })).toString()
    const other = (await proofs.putValue({ link: leaf, other: true })).toString()
    const strange = (await proofs.putValue({ '/': 'x', y: 1 })).toString()
    const audit = (value: string, roots: string[]) => runner.audit({ staker: OTHER, value, proofs: roots }, timing, proofs)
    expect(await audit(root, [root])).to.deep.equal({ ok: true, value: { valid: true } })
    expect(await audit(other, [root])).to.deep.equal({ ok: true, value: { valid: false, reason: 'BadProofError' } })
    expect(await audit(leaf.toString(), [root])).to.deep.equal({ ok: true, value: { valid: false, reason: 'BadProofError' } })
    expect(await audit(strange, [strange])).to.deep.equal({ ok: true, value: { valid: false, reason: 'BadProofError' } })
  })

  it("uses the lower of the manifest's time and the caller's", async () => {
    const { runner } = await make({
      bundle: source(
        base
          .replace("version: '1'", "version: '1', timeoutsMs: { task: 200 }")
          .replace('task () {}', 'task () { return new Promise(() => {}) }')
      )
    })
    await runner.setup()
    expect(reasonOf(await runner.task(timing, { timeoutMs: 2 * HANGS_MS }))).to.equal('timeout')
  })

  it('ends its processes when it is stopped, and an audit process that is idle', async () => {
    const { runner } = await make({ bundle: source(base), idleStopMs: 200 })
    await runner.task(timing)
    await runner.audit({ staker: OTHER, value: '', proofs: [] }, timing, memoryProofs())
    const [work, audits] = runner.status().processes
    expect(isAlive(audits!.pid!)).to.equal(true)
    while (isAlive(audits!.pid!)) {
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    expect(isAlive(audits!.pid!)).to.equal(false)
    expect(isAlive(work!.pid!)).to.equal(true)
    const pending = runner.task(timing)
    await runner.stop()
    expect(isAlive(work!.pid!)).to.equal(false)
    expect(['ok', 'stopped']).to.include(reasonOf(await pending))
    expect(reasonOf(await runner.task(timing))).to.equal('stopped')
    expect(runner.status().restarts).to.equal(0)
  })

  it('knows its own staker and its cycle', async () => {
    const { runner } = await make({
      bundle: source(
        base.replace(
          'return null',
          'return { value: JSON.stringify([arguments[0].staker, arguments[1], arguments[0].timing]), proofs: [] }'
        )
      )
    })
    expect(await runner.submission(timing)).to.deep.equal({ ok: true, value: { value: JSON.stringify([STAKER, 3, timing]), proofs: [] } })
  })
})
