import { fork } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect } from 'chai'
import fc from 'fast-check'
import { KEY_COST_BYTES, openStore, QuotaExceededError, type Store, StoreError } from '../../src/store/index.ts'
import { storeForEach } from './temporary.ts'

describe('store', () => {
  let store: Store
  const { reopen } = storeForEach((opened) => {
    store = opened
  })
  const bytes = (text: string) => new Uint8Array(Buffer.from(text))

  it('keeps messages by cycle, each once, in the order in which they came', () => {
    const message = (id: string, cycle: number, slot: number) => ({ id, cycle, slot, bytes: bytes(id) })
    store.messages.put('task', message('b', 3, 11))
    store.messages.put('task', message('a', 3, 12))
    store.messages.put('task', message('a', 3, 99))
    store.messages.put('task', message('c', 2, 10))
    store.messages.put('other', message('d', 3, 10))
    reopen()
    expect(store.messages.load('task', 3).map(({ id, slot }) => [id, slot])).to.deep.equal([
      ['b', 11],
      ['a', 12]
    ])
    expect(store.messages.load('task', 0).map(({ id }) => id)).to.deep.equal(['c', 'b', 'a'])
    expect(new Uint8Array(store.messages.load('task', 2)[0]!.bytes)).to.deep.equal(bytes('c'))
    store.messages.prune('task', 3)
    expect(store.messages.load('task', 0).map(({ id }) => id)).to.deep.equal(['b', 'a'])
    expect(store.messages.load('other', 0).length).to.equal(1)
  })

  it('merges what is known of a cycle', () => {
    store.cycles.merge('task', 3, { missed: 'late', reason: 'x' })
    store.cycles.merge('task', 3, { reason: 'y', paid: '5' })
    store.cycles.merge('task', 4, {})
    reopen()
    expect(store.cycles.get('task', 3)).to.deep.equal({ missed: 'late', reason: 'y', paid: '5' })
    expect(store.cycles.get('task', 5)).to.equal(undefined)
    expect(store.cycles.list('task', 1)).to.deep.equal([{ cycle: 4, entry: {} }])
    expect(store.cycles.list('task', 9).map(({ cycle }) => cycle)).to.deep.equal([4, 3])
  })

  it('gives back keys and values of any kind', async () => {
    const key = fc.string({ maxLength: 20, unit: 'binary' }).filter((text) => text.isWellFormed())
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(key, fc.uint8Array({ maxLength: 50 })), { maxLength: 12 }), key, async (pairs, prefix) => {
        const space = store.keyValue(`space ${Math.random()}`)
        for (const [name, value] of pairs) {
          await space.put(name, value)
        }
        const expected = new Map(pairs)
        for (const [name, value] of expected) {
          expect(new Uint8Array((await space.get(name))!)).to.deep.equal(value)
        }
        const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))
        expect(await space.list()).to.deep.equal([...expected.keys()].sort(byBytes))
        const begin = [...expected.keys()][0]?.slice(0, 1) ?? prefix
        if (begin.isWellFormed()) {
          expect(await space.list(begin)).to.deep.equal([...expected.keys()].filter((name) => name.startsWith(begin)).sort(byBytes))
        }
      }),
      { numRuns: 60 }
    )
  })

  it('lists keys by their beginning, whatever characters it has', async () => {
    const space = store.keyValue('odd')
    const keys = ['\0', '\0a', 'a\0b', 'a\0c', 'a%', 'a_', '\u{1F600}x']
    for (const key of keys) {
      await space.put(key, bytes(key))
    }
    for (const prefix of ['\0', 'a\0', 'a\0b', 'a%', 'a_', '\u{1F600}', '', 'x']) {
      expect(await space.list(prefix), JSON.stringify(prefix)).to.have.members(keys.filter((key) => key.startsWith(prefix)))
    }
  })

  it('lists from a key on and no more than is asked for, in one order whatever the characters', async () => {
    const space = store.keyValue('pages')
    const keys = ['', 'a', 'a\0', 'ab', 'b', 'b\uffff', 'b\u{1F600}', 'c']
    for (const key of keys) {
      await space.put(key, bytes(key))
    }
    for (const prefix of ['', 'a', 'b']) {
      const wanted = keys.filter((key) => key.startsWith(prefix))
      for (const limit of [1, 2, 3, 9]) {
        const pages: string[] = []
        for (
          let page = await space.list(prefix, { limit });
          page.length > 0;
          page = await space.list(prefix, { after: page.at(-1)!, limit })
        ) {
          expect(page.length).to.be.at.most(limit)
          pages.push(...page)
        }
        expect(pages, `${prefix} by ${limit}`).to.deep.equal(wanted)
      }
    }
  })

  it('keeps spaces apart, and deletes', async () => {
    const [a, b] = [store.keyValue('a'), store.keyValue('b')]
    await a.put('key', bytes('of a'))
    await b.put('key', bytes('of b'))
    await a.delete('key')
    await a.delete('never there')
    expect(await a.get('key')).to.equal(undefined)
    expect(Buffer.from((await b.get('key'))!).toString()).to.equal('of b')
  })

  it('lets a space fill its quota to the byte, and no further', async () => {
    const quota = 2 * KEY_COST_BYTES + 10
    const space = store.keyValue('task', quota)
    await space.put('abc', bytes('1234567'))
    let error: unknown
    await space.put('d', bytes('')).catch((err) => {
      error = err
    })
    expect(error).to.be.instanceOf(QuotaExceededError)
    expect((error as Error).message).to.include(`${quota - KEY_COST_BYTES} of ${quota} bytes`)
    await space.put('abc', bytes('123456'))
    await space.put('d', bytes(''))
    await space.delete('abc')
    await space.put('é', bytes('1234567')) // two bytes of key
    expect(await space.list()).to.deep.equal(['d', 'é'])
  })

  it('counts one quota, however often a space is opened', async () => {
    const quota = 2 * KEY_COST_BYTES + 10
    const [first, second] = [store.keyValue('task', quota), store.keyValue('task', quota)]
    await first.put('a', bytes('12345'))
    let refused = false
    await second.put('b', bytes('12345')).catch((err) => {
      refused = err instanceof QuotaExceededError
    })
    expect(refused).to.equal(true)
    reopen()
    await store.keyValue('task', quota).put('b', bytes('123'))
    expect(await store.keyValue('task', quota).list()).to.deep.equal(['a', 'b'])
  })

  it('counts no more than there is after a crash of quotas: any sequence of puts and deletes', async () => {
    const step = fc.record({ key: fc.constantFrom('a', 'bb', 'ccc'), length: fc.nat(8), remove: fc.boolean() })
    const quota = 2 * KEY_COST_BYTES + 15
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const space = store.keyValue(`q ${Math.random()}`, quota)
        const model = new Map<string, number>()
        for (const { key, length, remove } of steps) {
          const used = (without: string) =>
            [...model].reduce((sum, [k, l]) => (k === without ? sum : sum + KEY_COST_BYTES + k.length + l), 0)
          if (remove) {
            await space.delete(key)
            model.delete(key)
          } else if (used(key) + KEY_COST_BYTES + key.length + length <= quota) {
            await space.put(key, new Uint8Array(length))
            model.set(key, length)
          } else {
            let refused = false
            await space.put(key, new Uint8Array(length)).catch(() => {
              refused = true
            })
            expect(refused).to.equal(true)
          }
        }
        expect(await space.list()).to.deep.equal([...model.keys()].sort())
      }),
      { numRuns: 60 }
    )
  })
})

describe('store: what goes wrong', () => {
  let dir: string
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'koii-mesh-store-'))
  })
  afterEach(() => rm(dir, { recursive: true }))
  const bytes = (text: string) => new Uint8Array(Buffer.from(text))

  const refused = (complaint: RegExp, at = dir) => {
    let error: unknown
    try {
      openStore({ dir: at }).close()
    } catch (err) {
      error = err
    }
    expect(error, 'it opened').to.be.instanceOf(StoreError)
    expect((error as Error).message)
      .to.match(complaint)
      .and.include(at)
  }

  it('lets one in at a time, and the next one in when the first is gone', () => {
    const store = openStore({ dir })
    refused(new RegExp(`in use by another running node \\(process ${process.pid}\\).*--data-dir`))
    store.close()
    openStore({ dir }).close()
  })

  it('keeps another process out, and what it wrote survives its kill', async function () {
    this.timeout(20_000)
    const script = join(dir, 'holder.mjs')
    const home = new URL('../../src/store/index.ts', import.meta.url).href
    await writeFile(
      script,
      `import { openStore } from ${JSON.stringify(home)}
       const store = openStore({ dir: ${JSON.stringify(join(dir, 'data'))} })
       store.signerLog.put('task', 3, 'submission', 'hash of what it signed', Buffer.from('what it signed'))
       process.send('written')
       setInterval(() => {}, 1000)`
    )
    const holder = fork(script)
    const gone = once(holder, 'exit')
    try {
      await once(holder, 'message')
      refused(new RegExp(`in use by another running node \\(process ${holder.pid}\\)`), join(dir, 'data'))
    } finally {
      holder.kill('SIGKILL')
      await gone
    }
    const store = openStore({ dir: join(dir, 'data') })
    expect(store.signerLog.get('task', 3, 'submission')).to.equal('hash of what it signed')
    store.close()
  })

  for (const version of [0, 4, 99]) {
    it(`${version === 0 ? 'takes a new' : 'refuses a'} file of version ${version}, and changes nothing in it`, () => {
      openStore({ dir }).close()
      const db = new DatabaseSync(join(dir, 'node.sqlite'))
      db.exec(`PRAGMA user_version = ${version}`)
      db.close()
      if (version === 0) {
        openStore({ dir }).close()
        return
      }
      refused(new RegExp(`another version of koii-mesh \\(store ${version}, this one reads 3\\)`))
      refused(/another version/) // and holds no lock on it after the refusal
      const after = new DatabaseSync(join(dir, 'node.sqlite'))
      expect(after.prepare('PRAGMA user_version').get()).to.deep.include({ user_version: version })
      after.close()
    })
  }

  it('says that a file is damaged, and leaves it as it is', async () => {
    const path = join(dir, 'node.sqlite')
    await writeFile(path, 'this was a database once, '.repeat(400))
    refused(/damaged.*Nothing was changed.*Move .*node.sqlite away.*listens for three rounds/)
    expect(await readFile(path, 'utf8')).to.match(/^this was a database once/)
  })

  it('notices damage inside a file whose head is whole', async () => {
    const store = openStore({ dir })
    for (let i = 0; i < 200; i++) {
      store.messages.put('task', { id: `message ${i}`, cycle: 1, slot: 1, bytes: new Uint8Array(500) })
    }
    store.close()
    const path = join(dir, 'node.sqlite')
    const file = await readFile(path)
    file.fill(0xa5, 4096 * 5, 4096 * 9)
    await writeFile(path, file)
    refused(/damaged/)
  })

  it('carries a data directory of version 1 over, with all that it signed', async () => {
    const db = new DatabaseSync(join(dir, 'node.sqlite'))
    db.exec(`PRAGMA journal_mode = WAL;
      CREATE TABLE signed (task TEXT, cycle INTEGER, key TEXT, hash TEXT NOT NULL, PRIMARY KEY (task, cycle, key)) WITHOUT ROWID;
      CREATE TABLE message (task TEXT, cycle INTEGER, id TEXT, bytes BLOB NOT NULL, slot INTEGER NOT NULL, PRIMARY KEY (task, cycle, id)) WITHOUT ROWID;
      CREATE TABLE cycle (task TEXT, cycle INTEGER, entry TEXT NOT NULL, PRIMARY KEY (task, cycle)) WITHOUT ROWID;
      CREATE TABLE kv (space TEXT, key TEXT, value BLOB NOT NULL, PRIMARY KEY (space, key)) WITHOUT ROWID;
      INSERT INTO signed VALUES ('task', 3, 'submission', 'hash of before');
      INSERT INTO message VALUES ('task', 3, 'id', x'01', 9);
      INSERT INTO kv VALUES ('outbox', 'vote/3', x'02');
      PRAGMA user_version = 1;`)
    db.close()
    for (let time = 0; time < 2; time++) {
      const store = openStore({ dir })
      expect(store.origin('task')).to.equal('kept')
      expect(store.signerLog.get('task', 3, 'submission')).to.equal('hash of before')
      expect(store.signerLog.list('task', 0)).to.have.length(time)
      expect(store.messages.load('task', 0).map(({ id }) => id)).to.deep.equal(['id'])
      expect(await store.keyValue('outbox').list()).to.deep.equal(['vote/3'])
      if (time === 0) {
        store.signerLog.put('task', 4, 'submission', 'hash', bytes('signed'))
      }
      store.close()
    }
  })

  const originNow = () => {
    const store = openStore({ dir })
    const origin = store.origin('task')
    store.close()
    return origin
  }

  it('calls a log new until it is told to trust it', () => {
    expect(originNow()).to.equal('new')
    expect(originNow()).to.equal('new')
    const store = openStore({ dir })
    store.trustLog('task')
    expect(store.origin('task')).to.equal('kept')
    store.close()
    expect(originNow()).to.equal('kept')
  })

  it('calls a log that is not relied on any more lost until it is trusted again, and a new one new', () => {
    const store = openStore({ dir })
    store.distrustLog('task')
    expect(store.origin('task')).to.equal('new')
    store.trustLog('task')
    store.distrustLog('task')
    store.close()
    expect(originNow()).to.equal('lost')
    const again = openStore({ dir })
    again.trustLog('task')
    expect(again.origin('task')).to.equal('kept')
    again.close()
  })

  it('has a name for each log, which stays with it', async () => {
    const idNow = () => {
      const store = openStore({ dir })
      const id = store.id()
      store.close()
      return id
    }
    const id = idNow()
    expect(id).to.match(/^[0-9a-f]{32}$/)
    expect(idNow()).to.equal(id)
    await rm(join(dir, 'node.sqlite'))
    expect(idNow()).not.to.equal(id)
  })

  it('tells its log of what was signed a page at a time, and takes pages of another', () => {
    const store = openStore({ dir })
    const { signerLog } = store
    for (const [cycle, key] of [
      [3, 'vote'],
      [3, 'again/1'],
      [4, 'vote'],
      [10, 'vote'],
      [5, 'submission']
    ] as const) {
      signerLog.put('task', cycle, key, `hash ${cycle} ${key}`, bytes(key))
    }
    signerLog.put('another', 3, 'vote', 'hash', bytes('x'))
    signerLog.prune('task', 4)
    const page = (limit: number, after?: { cycle: number; key: string }, fromCycle = 0) =>
      signerLog.page('task', { fromCycle, after, limit }).map(({ cycle, key, bytes }) => [cycle, key, bytes == null ? null : bytes.length])
    const all = [
      [3, 'vote', null],
      [4, 'vote', 4],
      [5, 'submission', 10],
      [10, 'vote', 4]
    ]
    expect(page(9)).to.deep.equal(all)
    expect(page(2)).to.deep.equal(all.slice(0, 2))
    expect(page(2, { cycle: 4, key: 'vote' })).to.deep.equal(all.slice(2))
    expect(page(2, { cycle: 4, key: 'a' })).to.deep.equal(all.slice(1, 3))
    expect(page(9, undefined, 5)).to.deep.equal(all.slice(2))
    const entries = signerLog.page('task', { fromCycle: 0, limit: 9 })
    signerLog.put('copy', 4, 'vote', 'another hash', bytes('mine'))
    signerLog.takeAll('copy', entries)
    signerLog.takeAll('copy', entries)
    expect(signerLog.page('copy', { fromCycle: 0, limit: 9 })).to.deep.equal(
      entries.map((entry) => (entry.cycle === 4 ? { cycle: 4, key: 'vote', hash: 'another hash', bytes: bytes('mine') } : entry))
    )
    store.close()
  })

  for (const [what, damage] of Object.entries({
    'of zero bytes': () => writeFile(join(dir, 'node.sqlite'), ''),
    'that is gone': () => rm(join(dir, 'node.sqlite'))
  })) {
    it(`knows a log ${what} from a new one, whatever else is in the directory`, async () => {
      const store = openStore({ dir })
      store.trustLog('task')
      store.signerLog.put('task', 3, 'submission', 'hash', bytes('signed'))
      store.close()
      await rm(join(dir, 'node.sqlite-wal'), { force: true })
      await damage()
      expect(originNow()).to.equal('lost')
      expect(originNow()).to.equal('lost')
    })
  }

  it('knows a lost log of a data directory that an older version made', async () => {
    await writeFile(join(dir, 'node-key'), 'x')
    expect(originNow()).to.equal('lost')
  })

  it('tells whether what is signed has room of its own', async () => {
    const store = openStore({ dir })
    expect(store.hasReserve()).to.equal(true)
    await rm(join(dir, 'node.sqlite.reserve'))
    expect(store.hasReserve()).to.equal(false)
    store.close()
  })

  it('takes a database that could not be made, on a full disk perhaps, for no log', async () => {
    await writeFile(join(dir, 'node.sqlite'), '')
    expect(originNow()).to.equal('new')
  })

  it('takes a key that was put there before the first start for no log', async () => {
    await writeFile(join(dir, 'staking-key.json'), 'x')
    expect(originNow()).to.equal('new')
  })

  it('names a path that is a file, or a folder that may not be written', async () => {
    const file = join(dir, 'file')
    await writeFile(file, '')
    refused(/cannot use the data directory/, file)
    refused(/cannot use the data directory/, join(file, 'below'))
    if (process.getuid?.() !== 0) {
      await chmod(dir, 0o500)
      refused(/cannot use the data directory/, join(dir, 'below'))
      await chmod(dir, 0o700)
    }
  })
})
