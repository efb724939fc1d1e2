/** Every row of the table of endings, brought about in real processes, for work, audits and distributions. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { ENDINGS, type EndingName, endingOf, endingOfExit } from '../../src/tasks/endings.ts'
import type { Outcome, TaskRunner, TaskRunnerInit } from '../../src/tasks/index.ts'
import { startTaskProcess } from '../../src/tasks/process.ts'
import { makeRunner, memoryProofs, memoryStore, OTHER, source } from './support.ts'

const timing = { cycle: 3, startSlot: 90, endSlot: 120, slotMs: 100 }
const MANIFEST = "{ name: 'endings', version: '1', memoryMb: 32 }"
const bundle = (manifest = MANIFEST) =>
  source(`
  import { closeSync, writeSync } from 'node:fs'
  export const manifest = ${manifest}
  const never = () => new Promise(() => setTimeout(() => {}, 1e6))
  const raw = (head, ...rest) => writeSync(3, Buffer.concat([Buffer.from(head), ...rest]))
  const deep = () => deep() + 1
  const ends = {
    exit: () => process.exit(3),
    exit0: () => process.exit(0),
    uncaught: () => { setTimeout(() => { throw new Error('nobody catches this') }); return never() },
    rejection: () => { Promise.reject(new TypeError('nobody awaits this')); return never() },
    'throws text': () => { setTimeout(() => { throw 'text' }); return never() },
    'K2 is away': async (ctx) => { void ctx.k2.getBlock(5); return never() },
    'exits when K2 is away': (ctx) => ctx.k2.getBlock(5).catch(() => process.exit(1)),
    abort: () => process.abort(),
    heap: () => { for (const held = []; ; ) held.push(Array.from({ length: 1000 }, (_, i) => ({ i }))) },
    buffers: async () => { for (const held = []; ; ) { held.push(Buffer.alloc(16 * 2 ** 20, 1)); await new Promise((done) => setTimeout(done, 1)) } },
    loop: () => { for (;;); },
    stack: () => deep(),
    'no JSON': () => { raw([0, 0, 0, 5, 0, 0, 0, 1, 123]); return never() },
    oversized: () => { raw([255, 255, 255, 255, 0, 0, 0, 2]); return never() },
    'closes its pipe': () => { closeSync(3); return never() },
    'closes its ears': async (ctx) => { closeSync(0); ctx.k2.slot(); return never() },
    'no answer': () => 'yes',
    'a long reason': () => ({ valid: false, reason: 'x'.repeat(3 * 2 ** 20) }),
    'a reason that is none': () => ({ valid: false, reason: { a: 1 } }),
    'a reason that acts': () => ({ valid: false, reason: 'red \\u001b[31m \\u009b31m \\u202e rtl \\u2028 line\\nforged' }),
    'waits for K2': (ctx) => ctx.k2.getBlock(5),
    'says that K2 is away': (ctx) => ctx.k2.getBlock(5).catch(() => { throw new Error('no index today') }),
    'does without K2': async (ctx) => { await ctx.k2.getBlock(5).catch(() => {}); await ctx.k2.slot(); throw new Error('my own') },
    'a bad proof': (ctx) => ctx.proofs.get('bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'),
    'a bad proof of its own': () => { throw Object.assign(new Error('mine'), { name: 'BadProofError' }) },
    'a bad proof that cannot be described': (ctx) =>
      ends['a bad proof'](ctx).catch((error) => { error.message = Object.create(null); throw error }),
    throws: () => { throw new Error('I cannot know') },
    wait: async (ctx) => { await ctx.kv.put('waits', 'x'); return never() },
    'wait once': async (ctx) => {
      if (await ctx.kv.get('waits') != null) return true
      await ctx.kv.put('waits', 'x')
      return never()
    },
    fine: () => true
  }
  export async function task (ctx) { await ends[await ctx.kv.get('how')](ctx) }
  export async function submission () { return null }
  export function audit (ctx, { value }) { return ends[value](ctx) }
  export function distribution ({ taskId }) { return ends[taskId]?.() ?? [] }
`)

const failedBy = (outcome: Outcome<unknown>) =>
  outcome.ok ? { ok: outcome.value } : { reason: outcome.reason, ending: outcome.ending, accuses: outcome.accuses === true }
const row = (ending: EndingName, accuses = false) => ({ reason: endingOf(ending).reason, ending, accuses })

const until = async (holds: () => Promise<boolean> | boolean) => {
  for (let i = 0; !(await holds()); i++) {
    expect(i, 'waited too long').to.be.lessThan(1000)
    await new Promise((done) => setTimeout(done, 10))
  }
}

describe('tasks: endings', () => {
  const runners: TaskRunner[] = []
  const make = async (init: Partial<TaskRunnerInit> = {}) => {
    const test = await makeRunner({
      bundle: bundle(),
      k2: {
        slot: async () => 1,
        blocks: async () => [],
        block: async () => {
          throw Object.assign(new Error('K2 does not answer'), { name: 'K2ReadError' })
        }
      },
      ...init
    })
    runners.push(test.runner)
    const { runner } = test
    return {
      ...test,
      audit: (how: string, timeoutMs = 20_000) =>
        runner.audit({ staker: OTHER, value: how, proofs: [] }, timing, memoryProofs(), { timeoutMs }),
      async work(how: string, timeoutMs = 20_000) {
        await test.store.put('how', new TextEncoder().encode(how))
        return runner.task(timing, { timeoutMs })
      },
      distribute: (how: string, timeoutMs = 20_000) =>
        runner.distribution({ taskId: how, cycle: 2, bounty: '100', seed: '00', submissions: [], rejected: [], stakes: [] }, { timeoutMs }),
      pidOf: (lane: 'work' | 'audit') => runner.status().processes.find((one) => one.lane === lane)?.pid ?? null
    }
  }
  afterEach(() => Promise.all(runners.splice(0).map((runner) => runner.stop())))

  it('are not a Ctrl+C at the terminal, which the node alone is to hear: a process is in a group of its own', async () => {
    const { work, pidOf } = await make()
    await work('fine')
    const group = execFileSync('ps', ['-o', 'pgid=', '-p', String(pidOf('work'))], { encoding: 'utf8' })
    expect(Number(group)).to.equal(pidOf('work'))
  })

  describe('by the bundle', () => {
    const own: Array<[how: string, ending: EndingName, timeoutMs?: number]> = [
      ['exit', 'exit'],
      ['exit0', 'exit'],
      ['uncaught', 'uncaught'],
      ['rejection', 'uncaught'],
      ['throws text', 'uncaught'],
      ['K2 is away', 'uncaught'],
      ['abort', 'broken'],
      ['heap', 'heap'],
      ['buffers', 'resident'],
      ['loop', 'timeout', 700],
      ['stack', 'threw'],
      ['no JSON', 'unreadable'],
      ['oversized', 'oversized'],
      ['closes its pipe', 'closed-pipe'],
      ['closes its ears', 'closed-pipe'],
      ['throws', 'threw']
    ]
    for (const [how, ending, timeoutMs] of own) {
      it(`${how}: work ends as ${ending}, and is lost`, async () => {
        const { work } = await make()
        expect(failedBy(await work(how, timeoutMs))).to.deep.equal(row(ending))
        expect(endingOf(ending).work).to.equal('lost')
        expect(failedBy(await work('fine'))).to.deep.equal({ ok: undefined })
      })
      it(`${how}: an audit ends as ${ending}, and says ${endingOf(ending).audit === 'twice' ? 'invalid' : 'nothing'}`, async () => {
        const { audit } = await make()
        expect(failedBy(await audit(how, timeoutMs))).to.deep.equal(row(ending, endingOf(ending).audit === 'twice'))
        expect(failedBy(await audit('fine'))).to.deep.equal({ ok: { valid: true } })
      })
    }

    for (const [how, ending] of [
      ['waits for K2', 'k2-away'],
      ['says that K2 is away', 'k2-away'],
      ['does without K2', 'threw']
    ] as const) {
      it(`${how}: work ends as ${ending}, and is ${endingOf(ending).work === 'later' ? 'to be tried later' : 'lost'}; an audit says nothing`, async () => {
        const { work, audit } = await make()
        expect(failedBy(await work(how))).to.deep.equal(row(ending))
        expect(failedBy(await audit(how))).to.deep.equal(row(ending))
        expect(endingOf('k2-away').work).to.equal('later')
      })
    }

    it('what is thrown and cannot be described ends its call alone, and a bad proof stays one', async () => {
      const kinds = [
        'Object.create(null)',
        '(() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy })()',
        '(() => { const { proxy, revoke } = Proxy.revocable(new Error(), {}); revoke(); return proxy })()',
        '({ get message () { throw 1 } })',
        '({ get name () { throw 1 }, message: "m" })',
        'Object.defineProperty(new Error(), "message", { get () { throw Object.create(null) } })',
        'Object.assign(new Error(), { message: Object.create(null) })',
        'Object.assign(new Error(), { name: { toString: () => { throw 1 } } })',
        // as a proof's JSON may have it
        'JSON.parse(\'{"message":"m","name":{"toString":1,"valueOf":1}}\')',
        'JSON.parse(\'{"message":{"toString":1,"valueOf":1},"toString":1,"valueOf":1}\')',
        'Symbol("s")',
        'undefined',
        'null'
      ]
      const odd = source(`
        export const manifest = ${MANIFEST}
        const kinds = [${kinds.map((kind) => `() => ${kind}`).join(', ')}]
        const never = () => new Promise(() => setTimeout(() => {}, 1e6))
        export function task () { return never() }
        export function submission (ctx, cycle) { throw kinds[cycle]() }
        export function audit (ctx, { value }) { throw kinds[value]() }`)
      const { runner, audit, pidOf } = await make({ bundle: odd })
      const under = new AbortController()
      const task = runner.task(timing, { timeoutMs: 600_000, signal: under.signal })
      const details: string[] = []
      for (const at of kinds.keys()) {
        const outcome = await runner.submission({ ...timing, cycle: at }, { timeoutMs: 60_000 })
        expect(failedBy(outcome), kinds[at]).to.deep.equal(row('threw'))
        expect(failedBy(await audit(String(at), 60_000)), kinds[at]).to.deep.equal(row('threw'))
        details.push((outcome as { detail: string }).detail)
      }
      expect(details.slice(0, 2)).to.deep.equal(['Error: threw what cannot be described', 'Error: threw what cannot be described'])
      expect(details[6]).to.equal('Error: its message cannot be described')
      expect(details[8]).to.equal('Error: m')
      // the process of all of them is the one that began the task
      expect(pidOf('work')).not.to.equal(null)
      under.abort()
      expect(failedBy(await task)).to.deep.equal(row('aborted'))

      expect(failedBy(await (await make()).audit('a bad proof that cannot be described'))).to.deep.equal(row('bad-proof', true))
    })
    it('what is logged and is no JSON costs its line, not the call', async () => {
      const { runner, logged } = await make({
        bundle: source(`
          export const manifest = ${MANIFEST}
          export function task (ctx) {
            const ring = {}
            ring.ring = ring
            for (const part of [1n, { n: 2n }, ring, Object.create(null), undefined, Symbol('s'), Object.assign(new Error(), { name: {} , message: Object.create(null) })]) ctx.log('says', part)
            const { proxy, revoke } = Proxy.revocable({}, {})
            revoke()
            ctx.log(proxy)
          }
          export function submission () { return null }
          export function audit () { return true }`)
      })
      expect(await runner.task(timing, { timeoutMs: 60_000 })).to.include({ ok: true })
      expect(logged.filter(({ source }) => source === 'task').map(({ text }) => text.replace(/; at .*/, ''))).to.deep.equal([
        'says "1n"',
        'says {"n":"2n"}',
        'says [object Object]',
        'says {}',
        'says undefined',
        'says Symbol(s)',
        'says an error that cannot be described',
        'what cannot be described'
      ])
    })

    it('an answer outside the contract, twice', async () => {
      expect(failedBy(await (await make()).audit('no answer'))).to.deep.equal(row('answer', true))
    })
    it('a read of the proof that fails by the proof, and nobody catches', async () => {
      const { audit } = await make()
      expect(failedBy(await audit('a bad proof'))).to.deep.equal(row('bad-proof', true))
      expect(failedBy(await audit('a bad proof of its own'))).to.deep.equal(row('threw'))
    })
    for (const how of ['a long reason', 'a reason that is none', 'a reason that acts']) {
      it(`${how} takes no answer back, and is one short line`, async () => {
        const outcome = await (await make()).audit(how)
        const { valid, reason = '' } = (outcome as { value: { valid: boolean; reason?: string } }).value
        expect(valid).to.equal(false)
        expect(Buffer.byteLength(reason)).to.be.at.most(160)
        expect(reason).not.to.match(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
      })
    }
    it('over something that this node failed it in, says nothing', async () => {
      const { audit } = await make()
      expect(failedBy(await audit('exits when K2 is away'))).to.deep.equal(row('exit'))
    })
    it('with a network that may have failed it, says nothing', async () => {
      const { audit } = await make({ bundle: bundle(MANIFEST.replace('}', ', network: true }')), allowNetwork: true })
      expect(failedBy(await audit('exit'))).to.deep.equal(row('exit'))
    })
    it('once only, says what the second time says', async () => {
      const store = memoryStore()
      const once = source(`
        export const manifest = ${MANIFEST}
        export function task () {}
        export function submission () { return null }
        export async function audit (ctx) {
          if (await ctx.kv.get('been') != null) return { valid: true }
          await ctx.kv.put('been', 'x')
          process.exit(1)
        }`)
      expect(failedBy(await (await make({ bundle: once, store })).audit(''))).to.deep.equal({ ok: { valid: true } })
    })
    it('without the time for a second look, says nothing', async () => {
      const slow = source(`
        export const manifest = ${MANIFEST}
        export function task () {}
        export function submission () { return null }
        export function audit () { return new Promise(() => setTimeout(() => process.exit(1), 1500)) }`)
      const { audit } = await make({ bundle: slow })
      expect((await audit('', 1800)) as object).not.to.have.property('accuses')
    })
    it('at a heap that the operator made smaller than the manifest, or than the second look needs, says nothing', async () => {
      expect(failedBy(await (await make({ maxMemoryMb: 24 })).audit('heap'))).to.deep.equal(row('capped'))
      expect(failedBy(await (await make({ maxMemoryMb: 40 })).audit('heap'))).to.deep.equal(row('capped'))
    })
    it('at a heap that was only just too small, says what the audit says with more', async () => {
      const large = source(`
        export const manifest = ${MANIFEST}
        export function task () {}
        export function submission () { return null }
        export function audit () {
          const held = []
          for (let i = 0; i < 45; i++) held.push(Array.from({ length: 2 ** 17 }, () => i + 0.5))
          return held.length === 45
        }`)
      expect(failedBy(await (await make({ bundle: large })).audit(''))).to.deep.equal({ ok: { valid: true } })
    })
    it('in setup, says nothing of a submission', async () => {
      const setup = source(`
        export const manifest = ${MANIFEST}
        export function setup () { process.exit(1) }
        export function task () {}
        export function submission () { return null }
        export function audit () { return true }`)
      expect(failedBy(await (await make({ bundle: setup })).audit(''))).to.deep.equal(row('exit'))
    })
  })

  describe('from outside', () => {
    for (const signal of ['SIGKILL', 'SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGXCPU', 'SIGUSR2'] as const) {
      it(`${signal}: an audit runs once more, then says nothing; work is done all the same`, async () => {
        const { audit, work, store, pidOf } = await make()
        const kill = async (lane: 'work' | 'audit') => {
          await until(() => store.entries.has('waits'))
          process.kill(pidOf(lane)!, signal)
        }
        const [audited] = await Promise.all([audit('wait once'), kill('audit')])
        expect(failedBy(audited)).to.deep.equal({ ok: { valid: true } })
        store.entries.delete('waits')
        const [worked] = await Promise.all([work('wait once'), kill('work')])
        expect(failedBy(worked)).to.deep.equal({ ok: undefined })
      })
    }
    for (const signal of ['SIGSEGV', 'SIGBUS', 'SIGILL', 'SIGFPE', 'SIGTRAP', 'SIGABRT', 'SIGSYS'] as const) {
      it(`${signal}: an audit says nothing`, async () => {
        const { audit, store, pidOf } = await make()
        const outcome = audit('wait')
        await until(() => store.entries.has('waits'))
        process.kill(pidOf('audit')!, signal)
        expect(failedBy(await outcome)).to.deep.equal(row('broken'))
      })
    }
    it('SIGKILL again and again: says nothing, and the operator is told why', async () => {
      const { audit, runner } = await make()
      const outcome = audit('wait')
      const killing = setInterval(() => {
        for (const pid of childrenOf(process.pid)) {
          process.kill(pid, 'SIGKILL')
        }
      }, 50)
      expect(failedBy(await outcome)).to.deep.equal(row('killed'))
      clearInterval(killing)
      expect(runner.status().lastReason?.detail).to.include('SIGKILL').and.include('short of memory')
    })
    it('SIGKILL while it distributes: this node has no list, and is not told that the bundle is wrong', async () => {
      const { distribute } = await make()
      const outcome = distribute('loop')
      const killing = setInterval(() => {
        for (const pid of childrenOf(process.pid)) {
          process.kill(pid, 'SIGKILL')
        }
      }, 300)
      const failed = failedBy(await outcome)
      clearInterval(killing)
      expect(failed).to.deep.equal(row('killed'))
    })
    it('a distribution that takes too long is this node’s trouble', async () => {
      expect(failedBy(await (await make()).distribute('loop', 300))).to.deep.include({ reason: 'timeout' })
    })

    it('the kernel, for memory', async function () {
      const group = memoryGroup()
      if (group == null) {
        this.skip() // needs root and a memory controller of its own
      }
      try {
        const { audit, store, pidOf } = await make({ maxMemoryMb: 4096, bundle: bundle(MANIFEST.replace('32', '2000')) })
        const waiting = audit('wait once')
        await until(() => store.entries.has('waits'))
        group.limit(160)
        group.add(pidOf('audit')!)
        // the next audit of the same process takes more than the kernel gives
        const killed = await Promise.all([audit('buffers', 1500), waiting])
        expect(killed.map((outcome) => !outcome.ok && outcome.accuses === true)).to.deep.equal([false, false])
        expect(group.kills()).to.be.greaterThan(0)
      } finally {
        await Promise.all(runners.splice(0).map((runner) => runner.stop()))
        group.remove()
      }
    })
    it('a machine that gives no more memory', async function () {
      const { audit, store, pidOf } = await make({ bundle: bundle(MANIFEST.replace('32', '400')) })
      const waiting = audit('wait')
      await until(() => store.entries.has('waits'))
      try {
        execFileSync('prlimit', [`--pid=${pidOf('audit')}`, `--data=${150 * 2 ** 20}`])
      } catch {
        this.skip() // prlimit is Linux's
      }
      const outcomes = await Promise.all([audit('heap', 4000), waiting.then(() => null)].slice(0, 1))
      expect(outcomes.map((outcome) => outcome != null && !outcome.ok && outcome.accuses === true)).to.deep.equal([false])
    })
    it('a process that cannot be started', async () => {
      const { audit, work, distribute, runner } = await make()
      expect((await runner.manifest()).ok).to.equal(true)
      const { execPath } = process
      process.execPath = '/nowhere/node'
      try {
        for (const outcome of [await audit('fine'), await work('fine'), await distribute('fine')]) {
          expect(failedBy(outcome)).to.deep.equal(row('start'))
        }
      } finally {
        process.execPath = execPath
      }
      expect(failedBy(await audit('fine'))).to.deep.equal({ ok: { valid: true } })
    })
    it('a process that Node refuses to start at once', async () => {
      const folder = 'no\0path'
      const started = startTaskProcess({ folder, child: { folder, entry: folder }, bundlePath: folder } as never)
      expect(failedBy(await started.ready)).to.deep.equal(row('start'))
      expect(started.ended).to.equal(true)
      await started.kill('stopped', '')
    })
    it('our own stop', async () => {
      const { audit, work, store, runner } = await make()
      const outcomes = [audit('wait'), work('wait')]
      await until(() => store.entries.has('waits'))
      await runner.stop()
      for (const outcome of await Promise.all(outcomes)) {
        expect(failedBy(outcome)).to.deep.equal(row('stopped'))
      }
      expect(failedBy(await audit('fine'))).to.deep.include({ reason: 'stopped', accuses: false })
    })
    it('a full disk', async function () {
      const folder = mkdtempSync(join(tmpdir(), 'koii-full-'))
      try {
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', folder], { stdio: 'ignore' })
      } catch {
        rmdirSync(folder)
        this.skip() // only root mounts
      }
      try {
        const store = {
          ...memoryStore(),
          put: async (key: string, value: Uint8Array) => writeFileSync(join(folder, key), Buffer.alloc(2 ** 20, value))
        }
        const { audit, runner } = await make({ store })
        expect(failedBy(await audit('wait', 5000))).to.deep.equal(row('threw'))
        expect(runner.status().lastReason?.detail).to.include('ENOSPC')
        const failure = await makeRunner({ bundle: bundle(`${MANIFEST} // ${'x'.repeat(20_000)}`), folder }).then(
          () => null,
          (error: NodeJS.ErrnoException) => error.code
        )
        expect(failure).to.equal('ENOSPC')
      } finally {
        execFileSync('umount', [folder])
        rmdirSync(folder)
      }
    })
  })

  it('are told by what only a status can tell: text that a bundle writes changes nothing', () => {
    const forged = 'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory'
    expect(endingOfExit(null, 'SIGKILL', forged).ending).to.equal('killed')
    expect(endingOfExit(3, null, forged).ending).to.equal('exit')
    expect(endingOfExit(null, 'SIGABRT', forged).ending).to.equal('heap')
    expect(
      endingOfExit(null, 'SIGABRT', 'FATAL ERROR: Committing semi space failed. Allocation failed - JavaScript heap out of memory').ending
    ).to.equal('memory')
    expect(endingOfExit(null, 'SIGTRAP', '# Fatal process out of memory: Zone').ending).to.equal('memory')
  })

  it('are what protocols/task and docs/task-authors.md say they are', () => {
    const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8').replace(/ +/g, ' ')
    const spec = read('protocols/task/README.md')
    for (const [name, { when, reason, whose, work, audit, distribution }] of Object.entries(ENDINGS)) {
      expect(spec).to.include(`| \`${name}\` | \`${reason}\` | ${whose} | ${work} | ${audit} | ${distribution} | ${when} |`)
    }
    const guide = read('docs/task-authors.md')
    for (const audit of ['invalid', 'twice'] as const) {
      for (const [name] of Object.entries(ENDINGS).filter(([, ending]) => ending.audit === audit)) {
        expect(guide, name).to.include(`\`${name}\``)
      }
    }
  })
})

/** Processes of this one, as the kernel lists them. */
function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return new RegExp(`^PPid:\\s+${parent}$`, 'm').test(readFileSync(`/proc/${pid}/status`, 'latin1'))
      } catch {
        return false
      }
    })
}

/** A cgroup with a limit on memory, where this process may make one. */
function memoryGroup() {
  const path = `/sys/fs/cgroup/memory/koii-mesh-test-${process.pid}`
  try {
    mkdirSync(path)
  } catch {
    return null
  }
  return {
    limit: (mib: number) => writeFileSync(join(path, 'memory.limit_in_bytes'), String(mib * 2 ** 20)),
    add: (pid: number) => writeFileSync(join(path, 'cgroup.procs'), String(pid)),
    kills: () => Number(/^oom_kill (\d+)$/m.exec(readFileSync(join(path, 'memory.oom_control'), 'utf8'))?.[1] ?? 0),
    remove() {
      rmSync(join(path, 'x'), { force: true })
      rmdirSync(path)
    }
  }
}
