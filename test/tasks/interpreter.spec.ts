import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import fc from 'fast-check'
import { MeterError, meterModule } from '../../scripts/interpreter/meter.ts'
import { INTERPRETER } from '../../src/tasks/child/interpreter.ts'
import { PRELUDE } from '../../src/tasks/child/prelude.ts'
import type { Program } from './interpreter-process.ts'

const CHILD = fileURLToPath(new URL('../../src/tasks/child', import.meta.url))
const PROCESS = fileURLToPath(new URL('./interpreter-process.ts', import.meta.url))
const CORE = import.meta.resolve('quickjs-emscripten-core')
const VARIANT = import.meta.resolve('@jitl/quickjs-wasmfile-release-sync')
const WASM = fileURLToPath(import.meta.resolve('@jitl/quickjs-wasmfile-release-sync/wasm'))
const read = (path: string) => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)))
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

const ARGUMENT = JSON.stringify({ taskId: 't', cycle: 1, bounty: '100', seed: 'ab', submissions: [], rejected: [], stakes: [] })
const program = (body: string, top = ''): Program => ({
  source: `export const manifest = { name: 'p', version: '1' }; ${top}\nexport async function distribution (input) { ${body} }`,
  seed: 'ab'.repeat(32),
  argument: ARGUMENT
})

/** Machines that differ in all that a machine can show to a process. */
const MACHINES = [
  {
    flags: ['--stack-size=200', '--max-old-space-size=96', '--no-opt', '--liftoff-only'],
    env: { TZ: 'Asia/Kathmandu', LANG: 'de_DE.UTF-8', LC_ALL: 'de_DE.UTF-8' }
  },
  {
    flags: ['--stack-size=4000', '--max-old-space-size=2048', '--no-liftoff'],
    env: { TZ: 'America/St_Johns', LANG: 'tr_TR', HOME: '/nowhere', NODE_ENV: 'production', LONG: 'x'.repeat(20_000) }
  }
]

describe('tasks: the interpreter', () => {
  const places: string[] = []
  after(() => {
    for (const place of places) {
      rmSync(place, { recursive: true, force: true })
    }
  })

  /** The child's files in a folder of a machine's own, with something planted. */
  function place(machine: number, plant: (name: string, text: string) => string): string {
    const base = realpathSync(mkdtempSync(join(tmpdir(), `m${machine}`)))
    places.push(base)
    const folder = machine === 0 ? join(base, 'c') : join(base, 'a long way down', 'x'.repeat(120), 'child')
    mkdirSync(folder, { recursive: true })
    cpSync(CHILD, folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
    for (const name of ['interpreter.ts', 'interpreter-host.ts']) {
      const text = readFileSync(join(CHILD, name), 'utf8')
      writeFileSync(join(folder, name), plant(name, text))
    }
    return folder
  }

  const asItIs = (_name: string, text: string) => text

  async function runOn(machine: number, programs: Program[], plant = asItIs) {
    const folder = place(machine, plant)
    const { flags, env } = MACHINES[machine]!
    const child = spawn(
      process.execPath,
      [...flags, '--no-warnings', PROCESS, folder, CORE, VARIANT, ...(machine === 0 ? [] : ['more', 'arguments'])],
      {
        cwd: machine === 0 ? '/' : folder,
        env,
        stdio: ['pipe', 'pipe', 'pipe']
      }
    )
    child.stdin.end(JSON.stringify(programs))
    const [out, errors] = await Promise.all(
      [child.stdout, child.stderr].map(async (stream) => Buffer.concat(await stream.toArray()).toString())
    )
    // a planted leak may end inside the host, which says so
    if (plant === asItIs) {
      expect(errors!.slice(0, 500), 'standard error').to.equal('')
    }
    return JSON.parse(out!) as Array<Array<Record<string, unknown>>>
  }

  async function onBoth(programs: Program[], plant?: (name: string, text: string) => string) {
    return Promise.all([runOn(0, programs, plant), runOn(1, programs, plant)])
  }

  const last = (answer: Array<Record<string, unknown>>) => answer.at(-1) as { value?: unknown; error?: { name: string; message: string } }

  it('is the one that the spec names', () => {
    const spec = read('protocols/task/README.md').toString()
    const number = (value: number) => value.toLocaleString('en-US')
    const wasm = readFileSync(WASM)
    expect(sha256(wasm)).to.equal(INTERPRETER.moduleSha256)
    expect(sha256(read('src/tasks/child/quickjs.wasm'))).to.equal(INTERPRETER.meteredSha256)
    expect(sha256(meterModule(wasm, INTERPRETER.depth)), 'npm run generate:interpreter').to.equal(INTERPRETER.meteredSha256)
    for (const text of [
      INTERPRETER.moduleSha256,
      INTERPRETER.meteredSha256,
      sha256(new TextEncoder().encode(PRELUDE)),
      `${number(INTERPRETER.steps)} steps`,
      `weight of ${number(INTERPRETER.depth)}`,
      `${INTERPRETER.memoryBytes / 2 ** 20} MiB`,
      `${number(INTERPRETER.memoryPages)} pages`,
      `${INTERPRETER.stackBytes / 1024} KiB`,
      `${INTERPRETER.inputBytes / 2 ** 20} MiB`,
      `${number(INTERPRETER.resultBytes)} bytes`,
      `${number(INTERPRETER.descriptionBytes)} bytes`
    ]) {
      expect(spec).to.include(text)
    }
  })

  it('has a meter that leaves nothing unknown in', () => {
    const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
    // (func (param v128)) has no place in it, nor has an instruction of SIMD
    const simd = [1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 6, 1, 0, 7, 1, 0, 10, 6, 1, 4, 0, 0xfd, 0x0c, 0x0b]
    expect(() => meterModule(Uint8Array.from([...header, ...simd]), 10)).to.throw(MeterError, /0xfd/)
  })

  const RECURSIONS: Record<string, string> = {
    calls: 'const f = (n) => { try { return f(n + 1) } catch { return n } }; return f(0)',
    'calls that are hot':
      'const f = (n) => { try { return f(n + 1) } catch { return n } }; const seen = new Set(); for (let i = 0; i < 100; i++) seen.add(f(0)); return [...seen]',
    getters: 'let n = 0; const o = { get x () { n++; return this.x } }; try { o.x } catch (error) { return [n, String(error)] }',
    'a sort that sorts':
      'let n = 0; const f = () => { n++; return [1, 2].sort(f) }; try { f() } catch (error) { return [n, String(error)] }',
    'nested JSON':
      'let n = 1; try { for (;; n += 37) JSON.parse("[".repeat(n) + "]".repeat(n)) } catch (error) { return [n, String(error)] }',
    'JSON of nested arrays':
      'let a = []; for (let i = 0; i < 50000; i++) a = [a]; try { return JSON.stringify(a).length } catch (error) { return String(error) }',
    'nested expressions':
      'let n = 1; try { for (;; n += 37) eval("(".repeat(n) + "1" + ")".repeat(n)) } catch (error) { return [n, String(error)] }',
    'nested templates': 'try { return eval("`$\\{".repeat(1e5)) } catch (error) { return String(error) }',
    'nested groups':
      'let n = 1; try { for (;; n += 7) new RegExp("(?:".repeat(n) + ")".repeat(n)) } catch (error) { return [n, String(error)] }',
    'proxies of proxies':
      'let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); try { return String(Object.getPrototypeOf(p)) } catch (error) { return String(error) }',
    'a flat array':
      'let a = []; for (let i = 0; i < 1e5; i++) a = [a]; try { return a.flat(Infinity).length } catch (error) { return String(error) }',
    'a chain of closures':
      'let f = () => 1; for (let i = 0; i < 1e5; i++) { const g = f; f = () => g() } try { return f() } catch (error) { return String(error) }'
  }
  it('ends every recursion at the same call, on any stack of the host', async () => {
    const [one, two] = await onBoth(Object.values(RECURSIONS).map((body) => program(body)))
    for (const [i, name] of Object.keys(RECURSIONS).entries()) {
      expect(one[i], name).to.deep.equal(two[i])
      expect(JSON.stringify(last(one[i]!)), name).to.match(
        /stack overflow|^\{"kind":"result","id":1,"ok":true,"value":(\d+|\[\d+\])\}$|nested calls too deep/
      )
    }
  }).timeout(180_000)

  const ENDLESS: Record<string, string> = {
    'a loop': 'for (;;);',
    'a regular expression': '/(a+)+$/.test("a".repeat(60) + "b")',
    'a search by a built-in': 'Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)',
    'a sort of nothing': 'Array(2 ** 32 - 1).sort()',
    'a search in text': 'const h = "a".repeat(3e6); h.indexOf("a".repeat(1.5e6) + "b")',
    'big numbers': 'let b = 3n ** 600000n; for (;;) b = (b * 7n) % (3n ** 500000n)',
    'jobs of promises': 'const again = () => { Promise.resolve().then(again) }; again(); await new Promise(() => {})'
  }
  it('stops what does not end, whatever built-in it hides in', async () => {
    const few = (_: string, text: string) => text.replace('steps: 1_000_000_000', 'steps: 40_000_000')
    const [one, two] = await onBoth(
      Object.values(ENDLESS).map((body) => program(body)),
      few
    )
    for (const [i, name] of Object.keys(ENDLESS).entries()) {
      expect(one[i], name).to.deep.equal(two[i])
      expect(last(one[i]!).error, name).to.deep.equal({ name: 'TaskLimitError', message: 'used more than 40000000 steps' })
    }
  }).timeout(180_000)

  it('ends what waits, what is too long and what is out of memory alike', async () => {
    const [one, two] = await onBoth([
      program('await new Promise(() => {})'),
      program('return "x".repeat(1e6)'),
      program('return "x".repeat(999990)'),
      program(
        'const all = []; try { for (;;) all.push({}) } catch (error) { const n = all.length; all.length = 0; return [n, String(error)] }'
      ),
      program('const all = []; for (;;) all.push("x".repeat(1e6) + all.length)'),
      program('return 1', 'await new Promise(() => {})'),
      program('return 1', 'const bytes = Buffer.from("x")'),
      program('return 1', 'import { readFileSync } from "node:fs"; readFileSync("/etc/passwd")'),
      program(
        'return 1',
        'import { join } from "node:path"; import fs from "fs"; const { readFile } = fs.promises; class E extends fs.Stats {}'
      ),
      program('let deep = []; const list = [deep]; for (let i = 0; i < 300; i++) deep.push(deep = []); return list'),
      {
        ...program('return input.submissions.length'),
        argument: JSON.stringify({ ...JSON.parse(ARGUMENT), filler: 'x'.repeat(16 * 2 ** 20) })
      }
    ])
    expect(one).to.deep.equal(two)
    const ended = one.map((answer) => {
      const { value, error } = last(answer)
      return error == null ? JSON.stringify(value).slice(0, 40) : `${error.name}: ${error.message}`
    })
    const expected = [
      /^TaskLimitError: waits for what never comes/,
      /^TaskLimitError: the list takes 1000002 bytes of JSON; at most 1000000/,
      /^"xxx/,
      /^\[\d{7},"(null|InternalError: out of memory)"\]$/,
      /^InternalError: out of memory/,
      /^TaskLimitError: waits for what never comes/,
      /^ReferenceError: 'Buffer' is not defined/,
      /^TaskAccessError: node:fs is not available in distribution/,
      /^1$/,
      /^\[\[\[\[\[\[\[\[null\]{8}$/,
      /^TaskLimitError: the input takes \d+ bytes of JSON; at most 16777216/
    ]
    for (const [i, pattern] of expected.entries()) {
      expect(ended[i]).to.match(pattern)
    }
  }).timeout(180_000)

  /** Small pieces that look where machines differ: clocks, places, numbers, orders, ends of stack and memory. */
  const piece = fc.oneof(
    fc
      .integer({ min: -1e15, max: 1e15 })
      .map((ms) => `new Date(${ms}).toString() + new Date(${ms}).toLocaleString() + new Date(${ms}).getHours()`),
    fc
      .tuple(fc.nat(3000), fc.nat(13), fc.nat(40))
      .map(([y, m, d]) => `String(new Date(${y}, ${m}, ${d}).getTime() + Date.parse('${1000 + y}-01-0${1 + (m % 9)}T00:00'))`),
    fc.constantFrom(
      'Date.now()',
      'new Date().toISOString()',
      'Math.random()',
      'crypto.randomUUID()',
      'typeof performance',
      'import.meta.url ?? null'
    ),
    fc.constantFrom(
      'new Error("x").stack',
      '(() => { try { null.x } catch (error) { return error.stack } })()',
      'Object.getOwnPropertyNames(globalThis).join()'
    ),
    fc
      .tuple(fc.constantFrom('sin', 'cos', 'tan', 'exp', 'log', 'cbrt', 'atan2', 'pow', 'hypot', 'expm1'), fc.double(), fc.double())
      .map(([name, x, y]) => `Math.${name}(${x}, ${y})`),
    fc
      .tuple(fc.double(), fc.double())
      .map(([x, y]) => `[...new Uint8Array(new Float64Array([${x} / ${y}, ${x} * ${y}, Math.sqrt(${x}), NaN]).buffer)].join()`),
    fc
      .array(fc.integer({ min: -9, max: 9 }), { maxLength: 40 })
      .map((list) => `[${list}].map((x, i) => [x, i]).sort((a, b) => a[0] % 3 - b[0] % 3).join()`),
    fc
      .array(fc.string(), { maxLength: 8 })
      .map(
        (list) =>
          `Object.keys(Object.fromEntries(${JSON.stringify(list)}.map((k) => [k, 1]))).join() + ${JSON.stringify(list)}.sort((a, b) => a.localeCompare(b)).join()`
      ),
    fc
      .string({ unit: 'binary' })
      .map(
        (text) =>
          `${JSON.stringify(text)}.toLocaleUpperCase() + ${JSON.stringify(text)}.normalize('NFKD') + [...new TextEncoder().encode(${JSON.stringify(text)})]`
      ),
    fc
      .nat(200)
      .map(
        (size) => `((f) => f(f, 0))((f, n) => { try { return f(f, n + 1, ...Array(${size})) } catch (error) { return n + String(error) } })`
      ),
    fc
      .tuple(fc.nat(20), fc.nat(20))
      .map(([a, b]) => `new RegExp('(a{0,${a}})*b{${b}}').exec('a'.repeat(${a + b}) + 'b'.repeat(${b}))?.[0]`),
    fc.bigInt(-(2n ** 200n), 2n ** 200n).map((x) => `(${x}n ** 9n % 1000000007n).toString() + Number(${x}n)`)
  )

  it('gives the same bytes for any program on machines that differ in all they can', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(piece, { minLength: 1, maxLength: 6 }), { minLength: 16, maxLength: 16 }), async (programs) => {
        const [one, two] = await onBoth(programs.map((pieces) => program(`return [${pieces.join(',\n')}]`)))
        expect(one).to.deep.equal(two)
        expect(one.filter((answer) => last(answer).error == null).length).to.be.above(8)
      }),
      { numRuns: 1, endOnFailure: true }
    )
  }).timeout(300_000)

  it('has the text, bytes and clones that Node has', async () => {
    const texts = fc.sample(fc.string({ unit: 'binary', maxLength: 30 }), 200)
    const bytes = fc.sample(
      fc.array(fc.oneof(fc.nat(255), fc.constantFrom(0xef, 0xbb, 0xbf, 0xed, 0xa0, 0xf4, 0x90, 0xe0, 0xc2, 0x80)), { maxLength: 12 }),
      400
    )
    const base64 = [...bytes.map((list) => btoa(String.fromCharCode(...list))), 'YQ', ' Y Q = = ', '', 'YWI=', 'YWJj']
    const [answer] = await runOn(0, [
      program(`
        const { texts, bytes, base64 } = JSON.parse(${JSON.stringify(JSON.stringify({ texts, bytes, base64 }))})
        const failing = (run) => { try { return run() } catch (error) { return 'throws' } }
        const clone = structuredClone({ a: [1, , 3], m: new Map([[{}, 1n]]), s: new Set([1]), d: new Date(5), b: new Uint8Array([1, 2, 3]).subarray(1), e: new TypeError('x') })
        return [
          texts.map((text) => [...new TextEncoder().encode(text)]),
          bytes.map((list) => new TextDecoder().decode(new Uint8Array(list))),
          bytes.map((list) => failing(() => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(new Uint8Array(list)))),
          bytes.map((list) => btoa(String.fromCharCode(...list))),
          base64.map((text) => [...atob(text)].map((character) => character.charCodeAt(0))),
          ['a', '=', 'Y===', 'YQ=', 'Y Q=', 'é'].map((text) => failing(() => atob(text))),
          [clone.a.length, 1 in clone.a, [...clone.m.values()].length, clone.s.has(1), clone.d.getTime(), clone.b.join(), clone.e.message, failing(() => structuredClone(() => 1))]
        ]`)
    ])
    const failing = (run: () => string) => {
      try {
        return run()
      } catch {
        return 'throws'
      }
    }
    expect(last(answer!).value).to.deep.equal([
      texts.map((text) => [...new TextEncoder().encode(text)]),
      bytes.map((list) => new TextDecoder().decode(new Uint8Array(list))),
      bytes.map((list) => failing(() => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(new Uint8Array(list)))),
      bytes.map((list) => btoa(String.fromCharCode(...list))),
      base64.map((text) => [...atob(text)].map((character) => character.charCodeAt(0))),
      ['a', '=', 'Y===', 'YQ=', 'Y Q=', 'é'].map((text) => failing(() => atob(text))),
      [3, false, 1, true, 5, '2,3', 'x', 'throws']
    ])
  }).timeout(60_000)

  const LEAKS: Record<string, { find: string; put: string; body: string }> = {
    'a clock': { find: 'p: () => 0', put: 'p: () => performance.timeOrigin', body: 'return Date.now()' },
    'a time zone': {
      find: '/ 86_400_000),\n          0,\n          0',
      put: '/ 86_400_000),\n          0,\n          -60 * date.getTimezoneOffset()',
      body: 'return new Date(1e12).toString() + new Date(1e12).getHours()'
    },
    'randomness of the machine': {
      find: '.update(context.getString(text))',
      put: '.update(context.getString(text) + process.pid)',
      body: 'return Math.random()'
    },
    'a path': { find: "const BUNDLE = 'koii-task:main.mjs'", put: 'const BUNDLE = import.meta.url', body: 'return new Error("x").stack' },
    'what memory the machine has': {
      find: 'runtime.setMemoryLimit(INTERPRETER.memoryBytes)',
      put: 'runtime.setMemoryLimit(8e6 + import.meta.url.length * 1e4)',
      body: 'const all = []; try { for (;;) all.push({}) } catch { const n = all.length; all.length = 0; return n }'
    },
    'what stack the machine has': {
      find: 'threadStackMb: 64',
      put: 'threadStackMb: import.meta.url.length > 150 ? 64 : 1',
      body: 'try { return JSON.parse("[".repeat(1e5)) } catch (error) { return String(error) }'
    },
    'what time the machine takes': {
      find: "['+steps'].value = BigInt(INTERPRETER.steps)",
      put: "['+steps'].value = BigInt(Math.round(3e7 + performance.now() * 1e4))",
      body: 'let n = 0; for (;; n++) console.log(n)'
    }
  }
  for (const [name, { find, put, body }] of Object.entries(LEAKS)) {
    it(`differs, and is seen to, with ${name} planted`, async () => {
      const plant = (_: string, text: string) => text.replace(find, () => put)
      const both = ['interpreter.ts', 'interpreter-host.ts'].map((file) => readFileSync(join(CHILD, file), 'utf8')).join('')
      expect(both.split(find).length, find).to.equal(2)
      const limited = (text: string) => (name.includes('time the') ? text.replace('const LOG_LINES = 256', 'const LOG_LINES = 1e6') : text)
      const [one, two] = await onBoth([program(body)], (file, text) => limited(plant(file, text)))
      expect(one).not.to.deep.equal(two)
    }).timeout(60_000)
  }
})
