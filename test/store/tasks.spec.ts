/** What the store keeps by task: what the log of each is worth, and the spaces that a directory of before had for its one task. */
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect } from 'chai'
import { openStore, type Store, spaceOf } from '../../src/store/index.ts'

const [A, B, C] = ['task-a', 'task-b', 'task-c'] as const
const bytes = (text: string) => new Uint8Array(Buffer.from(text))

/** As version 2 made them. */
const SCHEMA = `
  CREATE TABLE signed (task TEXT, cycle INTEGER, key TEXT, hash TEXT NOT NULL, bytes BLOB, PRIMARY KEY (task, cycle, key)) WITHOUT ROWID;
  CREATE TABLE message (task TEXT, cycle INTEGER, id TEXT, bytes BLOB NOT NULL, slot INTEGER NOT NULL, PRIMARY KEY (task, cycle, id)) WITHOUT ROWID;
  CREATE TABLE cycle (task TEXT, cycle INTEGER, entry TEXT NOT NULL, PRIMARY KEY (task, cycle)) WITHOUT ROWID;
  CREATE TABLE kv (space TEXT, key TEXT, value BLOB NOT NULL, PRIMARY KEY (space, key)) WITHOUT ROWID;
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  INSERT INTO meta VALUES ('id', '00112233445566778899aabbccddeeff');
`
const SPACES = ['outbox', 'peers', 'key-guard', 'key-guard/log']

describe('store: by task', () => {
  let dir: string
  let store: Store
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'koii-mesh-store-'))
  })
  afterEach(async () => {
    store.close()
    await rm(dir, { recursive: true })
  })
  const open = () => {
    store = openStore({ dir })
  }
  const reopen = () => {
    store.close()
    open()
  }
  const origins = (...tasks: string[]) => tasks.map((task) => store.origin(task))
  const sql = (run: string) => {
    const db = new DatabaseSync(join(dir, 'node.sqlite'))
    db.exec(run)
    db.close()
  }
  /** A directory of version 2, with a value in each space that was for its one task. */
  const former = (origin: string, rows: string) => {
    const values = SPACES.map((space) => `INSERT INTO kv VALUES ('${space}', 'key', CAST('of ${space}' AS BLOB));`).join('')
    sql(`PRAGMA journal_mode = WAL; ${SCHEMA} INSERT INTO meta VALUES ('origin', '${origin}'); ${values} ${rows} PRAGMA user_version = 2;`)
    open()
  }
  const rowIn = {
    signed: (task: string) => `INSERT INTO signed VALUES ('${task}', 3, 'vote', 'hash', NULL);`,
    message: (task: string, slot = 9) => `INSERT INTO message VALUES ('${task}', 3, 'id', x'01', ${slot});`,
    cycle: (task: string) => `INSERT INTO cycle VALUES ('${task}', 3, '{}');`
  }
  const text = async (task: string, space: string) => {
    const value = await store.taskSpace(task, space).get('key')
    return value == null ? undefined : Buffer.from(value).toString()
  }

  describe('what the log is worth', () => {
    it('is said of one task, and tells nothing of another: a second one in a directory that is kept is new', () => {
      open()
      expect(origins(A, B)).to.deep.equal(['new', 'new'])
      store.trustLog(A)
      expect(origins(A, B)).to.deep.equal(['kept', 'new'])
      store.signerLog.put(B, 3, 'vote', 'hash', bytes('x'))
      reopen()
      expect(origins(A, B)).to.deep.equal(['kept', 'new'])
      store.trustLog(B)
      store.distrustLog(A)
      store.distrustLog(C)
      reopen()
      expect(origins(A, B, C)).to.deep.equal(['lost', 'kept', 'new'])
      store.trustLog(A)
      expect(origins(A, B, C)).to.deep.equal(['kept', 'kept', 'new'])
    })

    it('is lost for every task when the database is, until it is trusted for that one', async () => {
      open()
      store.trustLog(A)
      store.close()
      await rm(join(dir, 'node.sqlite'))
      open()
      expect(origins(A, B)).to.deep.equal(['lost', 'lost'])
      store.trustLog(A)
      reopen()
      expect(origins(A, B)).to.deep.equal(['kept', 'lost'])
    })

    for (const table of ['signed', 'message', 'cycle'] as const) {
      it(`of a directory of before that was kept is that of the tasks with rows in ${table}, and of no other`, () => {
        former('kept', rowIn[table](A) + rowIn[table](B))
        expect(origins(A, B, C)).to.deep.equal(['kept', 'kept', 'new'])
        store.distrustLog(A)
        reopen()
        expect(origins(A, B, C)).to.deep.equal(['lost', 'kept', 'new'])
      })
    }

    it('of a directory of before without a row is new', () => {
      former('kept', '')
      expect(origins(A)).to.deep.equal(['new'])
    })

    it('of a directory of before whose copy of a signer’s log is all that it has is new', () => {
      former('kept', rowIn.signed(`signer/key/${A}`))
      expect(origins(A, `signer/key/${A}`)).to.deep.equal(['new', 'new'])
    })

    for (const origin of ['new', 'lost'] as const) {
      it(`of a directory of before that was ${origin} stays so for every task until it is trusted for that one`, () => {
        former(origin, rowIn.signed(A))
        expect(origins(A, C)).to.deep.equal([origin, origin])
        store.trustLog(A)
        reopen()
        expect(origins(A, C)).to.deep.equal(['kept', origin])
      })
    }

    it('is carried over once: what is signed for another task later makes it no older one', () => {
      former('kept', rowIn.signed(A))
      store.signerLog.put(B, 3, 'vote', 'hash', bytes('x'))
      reopen()
      expect(origins(A, B)).to.deep.equal(['kept', 'new'])
    })
  })

  describe('spaces', () => {
    it('are kept apart by task and name, with one quota each', async () => {
      open()
      await store.taskSpace(A, 'outbox').put('key', bytes('of a'))
      await store.taskSpace(B, 'outbox').put('key', bytes('of b'))
      await store.taskSpace(A, 'peers').put('key', bytes('peer'))
      expect([await text(A, 'outbox'), await text(B, 'outbox'), await text(A, 'peers')]).to.deep.equal(['of a', 'of b', 'peer'])
      expect(spaceOf(A, 'outbox')).to.equal('task-of/task-a/outbox')
      expect(await store.keyValue(spaceOf(A, 'outbox')).list()).to.deep.equal(['key'])
      const full = await store
        .taskSpace(A, 'peers', 1)
        .put('more', bytes('x'))
        .catch((err: Error) => err)
      expect(full).to.include({ name: 'QuotaExceededError' })
    })

    for (const table of ['signed', 'message', 'cycle'] as const) {
      it(`of a directory of before go once to the task with rows in ${table}`, async () => {
        former('kept', rowIn[table](A))
        for (const space of SPACES) {
          expect(await text(B, space)).to.equal(undefined)
          expect(await store.keyValue(space).list(), 'left alone').to.deep.equal(['key'])
          expect(await text(A, space)).to.equal(`of ${space}`)
          expect(await store.keyValue(space).list()).to.deep.equal([])
        }
        reopen()
        await store.taskSpace(A, 'outbox').put('key', bytes('newer'))
        reopen()
        expect([await text(A, 'outbox'), await text(A, 'peers'), await text(B, 'peers')]).to.deep.equal(['newer', 'of peers', undefined])
      })
    }

    it('of a directory of before are not those of a task that it got to know since', async () => {
      former('kept', rowIn.signed(A))
      store.signerLog.put(B, 3, 'vote', 'hash', bytes('x'))
      store.cycles.merge(B, 3, {})
      reopen()
      expect(await text(B, 'key-guard')).to.equal(undefined)
      expect(await text(A, 'key-guard')).to.equal('of key-guard')
    })

    it('of a directory of before that ran several tasks, one after the other, are those of the last', async () => {
      former('kept', rowIn.message(A, 5) + rowIn.message(B, 8) + rowIn.signed(A) + rowIn.signed(C))
      expect([await text(A, 'outbox'), await text(C, 'outbox'), await text(B, 'outbox')]).to.deep.equal([undefined, undefined, 'of outbox'])
    })

    it('of a directory of before whose node had a signer are those of the task of the copy', async () => {
      former('lost', rowIn.signed(`signer/key/${A}`))
      expect([await text(B, 'key-guard/log'), await text(A, 'key-guard/log')]).to.deep.equal([undefined, 'of key-guard/log'])
    })

    it('that cannot be brought over are told as a disk at fault, and stay where they are', () => {
      former('kept', rowIn.signed(A))
      store.close()
      sql(
        "CREATE TRIGGER no BEFORE UPDATE ON kv WHEN old.key = 'last' BEGIN SELECT RAISE(ABORT, 'no'); END; INSERT INTO kv VALUES ('outbox', 'last', x'01');"
      )
      open()
      expect(() => store.taskSpace(A, 'outbox'))
        .to.throw(/cannot use the data directory .*no/)
        .with.property('name', 'StoreError')
      store.close()
      const db = new DatabaseSync(join(dir, 'node.sqlite'))
      expect(db.prepare("SELECT count(*) AS count FROM kv WHERE space = 'outbox'").get()).to.deep.include({ count: 2 })
      db.close()
      open()
    })
  })

  it('takes the frozen directory of version 2 over once, whichever task is opened first', async () => {
    mkdirSync(join(dir, 'node'))
    execFileSync('tar', ['-xzf', join(import.meta.dirname, 'fixtures', 'data-dir-2.tar.gz'), '-C', join(dir, 'node')])
    dir = join(dir, 'node')
    const task = '8fR7zejnBh4EVgKktenv2ZxdWHG39rehFVGt1uPAVSVj'
    const votes = async (of: string) => (await store.taskSpace(of, 'outbox', undefined, true).list('vote/')).length
    for (let time = 0; time < 2; time++) {
      open()
      expect(origins(B, task)).to.deep.equal(['new', 'kept'])
      expect([await votes(B), await votes(task), await votes(B)]).to.deep.equal([0, 1, 0])
      store.signerLog.put(B, time, 'vote', 'hash', bytes('x'))
      store.close()
    }
    open()
    dir = join(dir, '..')
  })
})
