/** Several tasks in one configuration: how they are named, and what each has of its own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import bs58 from 'bs58'
import { expect } from 'chai'
import { CONFIG_KEYS, loadConfig, MAX_TASKS, namedTasks, OWN_KEYS, taskConfigOf } from '../../src/config/index.ts'

const K2 = 'http://127.0.0.1:8899'
const taskOf = (byte: number) => bs58.encode(new Uint8Array(32).fill(byte))
const [A, B, C] = [taskOf(1), taskOf(2), taskOf(3)] as const

describe('config: tasks', () => {
  let dir: string
  let path: string
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'koii-mesh-config-'))
    path = join(dir, 'config.json')
  })
  after(() => rmSync(dir, { recursive: true }))
  const load = (file: object, flags: object = {}, env: Record<string, string> = {}) => {
    writeFileSync(path, JSON.stringify({ k2: K2, ...file }))
    return loadConfig({ file: path, env, flags })
  }
  const names = (config: ReturnType<typeof load>) => config.tasks.map(({ task }) => task)

  it('are one, as ever, which is the configuration itself', () => {
    const { tasks, shared, ...flat } = load({ task: A, bundle: './a.mjs', params: { x: 1 }, key: 'k.json' })
    expect(tasks).to.deep.equal([flat])
    expect(flat).to.include({ task: A, bundle: './a.mjs', key: 'k.json' })
    expect(shared).to.include({ key: 'k.json', quotaMiB: 2048 }).and.not.have.any.keys('task', 'bundle', 'params')
  })

  it('are several by a list or by commas, in the file, the variable and the flag, each over the one before', () => {
    expect(names(load({ task: [A, B] }))).to.deep.equal([A, B])
    expect(names(load({ task: `${A},${B}` }))).to.deep.equal([A, B])
    expect(names(load({ task: A }, {}, { KOII_MESH_TASK: `${B},${C}` }))).to.deep.equal([B, C])
    expect(names(load({ task: A }, { task: `${C},${A}` }, { KOII_MESH_TASK: B }))).to.deep.equal([C, A])
    const config = load({ task: [A, B], minPeers: 3 })
    expect(config.task).to.equal(A)
    expect(config.tasks.map(({ minPeers }) => minPeers)).to.deep.equal([3, 3])
  })

  it('have settings of their own in place of what is for all, checked as those are', () => {
    const config = load({
      task: [A, C],
      key: 'shared.json',
      quotaMiB: 64,
      tasks: [
        { task: B, key: 'b.json', bundle: 'b.mjs', params: { b: 1 }, quotaMiB: '128', maxFee: '0.5', keepRecords: 7, allowNetwork: true },
        { task: C, signer: './socket', followBundle: false }
      ]
    })
    expect(names(config)).to.deep.equal([A, C, B])
    const [a, c, b] = config.tasks
    expect(a).to.include({ key: 'shared.json', quotaMiB: 64, allowNetwork: false }).and.not.have.any.keys('bundle', 'params', 'signer')
    expect(b).to.deep.include({
      ...{ key: 'b.json', bundle: 'b.mjs', params: { value: { b: 1 }, text: '{"b":1}' } },
      ...{ quotaMiB: 128, maxFee: 500_000_000n, keepRecords: 7, allowNetwork: true }
    })
    expect(c)
      .to.include({ signer: resolve('./socket'), followBundle: false, quotaMiB: 64 })
      .and.not.have.property('key')
    expect(config).to.include({ task: A, key: 'shared.json' })
    expect(b!.dataDir).to.equal(config.dataDir)
  })

  it('may be named by their own settings alone', () => {
    const config = load({ tasks: [{ task: B, quotaMiB: 32 }, { task: A }] })
    expect(names(config)).to.deep.equal([B, A])
    expect(config).to.include({ task: B, quotaMiB: 32 })
    expect(config.shared).to.include({ quotaMiB: 2048 })
    expect(names(load({ tasks: [{ task: B }] }, { task: A }))).to.deep.equal([A, B])
  })

  it('may be of another key where all have a signer, and the other way round', () => {
    const { tasks } = load({ signer: 's', tasks: [{ task: A, key: 'a.json' }, { task: B }] })
    expect(tasks[0]).to.include({ key: 'a.json' }).and.not.have.property('signer')
    expect(tasks[1])
      .to.include({ signer: resolve('s') })
      .and.not.have.property('key')
  })

  it('may have each setting of a task, and no other', () => {
    expect(CONFIG_KEYS).to.include.members(OWN_KEYS)
    for (const key of CONFIG_KEYS.filter((one) => one !== 'task' && !OWN_KEYS.includes(one))) {
      expect(() => load({ tasks: [{ task: A, [key]: 1 }] }), key).to.throw(
        `"tasks[0].${key}" in ${path} is a setting for all tasks of a node`
      )
    }
    for (const key of OWN_KEYS) {
      expect(() => load({ tasks: [{ task: A, [key]: {} }] }), key).to.satisfy((run: () => unknown) => {
        try {
          run()
          return key === 'params'
        } catch (err) {
          return (err as Error).name === 'ConfigError' && (err as Error).message.includes(`"tasks[0].${key}" in ${path} is {}: should`)
        }
      })
    }
  })

  const many = Array.from({ length: MAX_TASKS + 1 }, (_, i) => taskOf(i + 10))
  const wrong: Array<[what: string, run: () => unknown, says: RegExp]> = [
    ['none', () => load({}), /--task is missing: give it as a flag/],
    ['an empty list', () => load({ task: [] }), /"task" in .* is \[\]: should be an address/],
    ['one of a list that is none', () => load({ task: [A, 'x'] }), /"task" in .* is "x": should be 32 bytes in base58/],
    ['one of commas that is none', () => load({}, { task: `${A},0` }), /--task is "0": should be 32 bytes in base58/],
    ['one twice', () => load({}, { task: [A, B, A].join() }), new RegExp(`--task has the task ${A} twice`)],
    ['one entry twice', () => load({ tasks: [{ task: A }, { task: A }] }), /"tasks\[1\]\.task" in .* is .*, which is there before/],
    ['too many', () => load({ task: many }), /"task" in .* has 33 tasks: a node runs 32 at most/],
    ['too many entries', () => load({ tasks: many.map((task) => ({ task })) }), /"tasks" in .* has 33 tasks: a node runs 32/],
    [
      'too many in both together',
      () => load({ task: many.slice(0, 20), tasks: many.slice(15).map((task) => ({ task })) }),
      /"task" in .* and "tasks" have 33 tasks/
    ],
    ['entries that are no list', () => load({ tasks: { task: A } }), /"tasks" in .* should be a list/],
    ['an entry that is an address alone', () => load({ tasks: [A] }), /"tasks\[0\]" in .* is ".*": should be an object such as \{"task"/],
    ['an entry without a task', () => load({ tasks: [{ key: 'x' }] }), /"tasks\[0\]\.task" in .* is missing/],
    [
      'an entry with another setting',
      () => load({ tasks: [{ task: A, keys: 1 }] }),
      /"tasks\[0\]\.keys" in .*: no such setting of a task; there are task, key/
    ],
    [
      'a wrong setting',
      () => load({ tasks: [{ task: A }, { task: B, quotaMiB: 1 }] }),
      /"tasks\[1\]\.quotaMiB" in .* is 1: should be a whole number from 16/
    ],
    ['wrong parameters', () => load({ tasks: [{ task: A, params: '{' }] }), /"tasks\[0\]\.params" in .* is not JSON/],
    [
      'a key and a signer',
      () => load({ tasks: [{ task: A, key: 'k', signer: 's' }] }),
      /"tasks\[0\]\.signer" .* and "tasks\[0\]\.key" .* are both given/
    ],
    ['tasks by a flag', () => load({ task: A }, { tasks: [{ task: B }] }), /--tasks: no such setting/],
    [
      'a bundle for all of several',
      () => load({ task: [A, B] }, { bundle: 'x.mjs' }),
      /--bundle is of one task, and there are 2: give it as "bundle" of that task in "tasks" of the configuration file/
    ],
    [
      'parameters for all of several',
      () => load({ tasks: [{ task: A }, { task: B }], params: {} }),
      /"params" in .* is of one task, and there are 2: give it as "params" of that task in "tasks"/
    ]
  ]
  for (const [what, run, says] of wrong) {
    it(`are refused: ${what}, in words that say where it stands`, () => {
      expect(run).to.throw(says).with.property('name', 'ConfigError')
    })
  }

  it('tell all that is wrong at once, what is for all of them once', () => {
    expect(() =>
      load({
        minPeers: 0,
        tasks: [
          { task: A, quotaMiB: 1 },
          { task: B, quotaMiB: 2 }
        ]
      })
    )
      .to.throw()
      .with.property('message')
      .that.satisfies((text: string) => text.split('; ').length === 3)
  })

  describe('that are added later', () => {
    it('have what is for all, and their own', () => {
      const config = load({ quotaMiB: 64, key: 'k.json', tasks: [{ task: A, quotaMiB: 128, key: 'a.json', bundle: 'a.mjs' }] })
      expect(taskConfigOf(config, { task: B })).to.deep.equal({ ...config.shared, task: B })
      const added = taskConfigOf(config, { task: B, signer: 's', bundle: 'b.mjs', params: '{"b":1}', key: undefined })
      expect(added).to.deep.include({
        task: B,
        signer: resolve('s'),
        bundle: 'b.mjs',
        params: { value: { b: 1 }, text: '{"b":1}' },
        quotaMiB: 64
      })
      expect(added).not.to.have.any.keys('key', 'tasks', 'shared')
      expect(config.tasks).to.have.length(1)
    })

    it('have nothing of a bundle that was for the one task', () => {
      expect(taskConfigOf(load({ task: A, bundle: 'a.mjs', params: {} }), { task: B })).to.not.have.any.keys('bundle', 'params')
    })

    for (const [asked, says] of [
      [A, /asked for as ".*": should be an object such as/],
      [null, /asked for as null: should be an object/],
      [{}, /"task" is missing: should be the address/],
      [{ task: 'x' }, /"task" is "x": should be 32 bytes/],
      [{ task: A, k2: K2 }, /"k2" is a setting for all tasks of a node/],
      [{ task: A, x: 1 }, /"x": no such setting of a task/],
      [{ task: A, key: 7, quotaMiB: 1 }, /"key" is 7: should be text; "quotaMiB" is 1: should be/],
      [{ task: A, key: 'k', signer: 's' }, /"signer" and "key" are both given/],
      [JSON.parse(`{"task":"${A}","__proto__":{"key":"k"}}`), /"__proto__": no such setting/]
    ] as Array<[unknown, RegExp]>) {
      it(`are refused with ${says.source}`, () => {
        expect(() => taskConfigOf(load({ task: A }), asked))
          .to.throw(says)
          .with.property('name', 'ConfigError')
      })
    }
  })

  it('are named, for commands that check nothing, by what is text', () => {
    expect(namedTasks(`${A},${B}`, [{ task: B }, { task: C }, null, { task: 7 }, 'x'])).to.deep.equal([A, B, C])
    expect(namedTasks(undefined)).to.deep.equal([])
    expect(namedTasks('')).to.deep.equal([])
    expect(namedTasks([7, A], 7)).to.deep.equal([A])
  })
})
