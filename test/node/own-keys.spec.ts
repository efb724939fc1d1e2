import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { generateKeyPair, KeyInUseError, lockKeyFile, writeKeyFile } from '../../src/identity/index.ts'
import { createOwnKeys } from '../../src/node/own-keys.ts'

describe('node: the staking keys of its tasks', () => {
  let dir: string
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'koii-mesh-own-keys-'))
  })
  afterEach(() => rm(dir, { recursive: true }))
  const isLocked = (path: string) => {
    try {
      lockKeyFile(path, { dataDir: 'other', task: 'other' }).release()
      return false
    } catch (err) {
      expect(err).to.be.instanceOf(KeyInUseError)
      return true
    }
  }

  it('are made once, shared, and locked until the last task has let go', async () => {
    const keys = createOwnKeys()
    const path = join(dir, 'staking-key.json')
    const [one, two] = await Promise.all(['a', 'b'].map((task) => keys.take({ dataDir: dir, task })))
    expect(one!.keyPair.address).to.equal(two!.keyPair.address)
    one!.release()
    one!.release()
    expect(isLocked(path)).to.equal(true)
    two!.release()
    expect(isLocked(path)).to.equal(false)
    const again = await keys.take({ dataDir: dir, task: 'c' })
    expect([again.keyPair.address, isLocked(path)]).to.deep.equal([one!.keyPair.address, true])
    again.release()
  })

  it('are the operator’s, each locked for itself, and one by whatever link', async () => {
    const [a, b, link] = ['a.json', 'b.json', 'link.json'].map((name) => join(dir, name)) as [string, string, string]
    await writeKeyFile(a, generateKeyPair())
    await writeKeyFile(b, generateKeyPair())
    await symlink(a, link)
    const keys = createOwnKeys()
    const first = await keys.take({ dataDir: dir, task: 'a', key: a })
    expect([isLocked(a), isLocked(b)]).to.deep.equal([true, false])
    const second = await keys.take({ dataDir: dir, task: 'b', key: link })
    const third = await keys.take({ dataDir: dir, task: 'c', key: b })
    first.release()
    third.release()
    expect([isLocked(a), isLocked(b)]).to.deep.equal([true, false])
    second.release()
    expect(isLocked(a)).to.equal(false)
  })

  it('that are missing or that another has keep no other from being taken', async () => {
    const keys = createOwnKeys()
    const err = await keys.take({ dataDir: dir, task: 'a', key: join(dir, 'none.json') }).catch((one: Error) => one)
    expect(err).to.be.instanceOf(Error)
    const held = join(dir, 'held.json')
    await writeKeyFile(held, generateKeyPair())
    const lock = lockKeyFile(held, { dataDir: 'other', task: 'other' })
    expect(await keys.take({ dataDir: dir, task: 'a', key: held }).catch((one: Error) => one)).to.be.instanceOf(KeyInUseError)
    lock.release()
    const mine = await keys.take({ dataDir: dir, task: 'a', key: held })
    mine.release()
  })
})
