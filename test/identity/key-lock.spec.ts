import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { generateKeyPair, KeyFileError, KeyInUseError, lockKeyFile, writeKeyFile } from '../../src/identity/index.ts'

const HOLDER = { dataDir: 'data-of-the-first', task: 'task-of-the-first' }

describe('identity: the lock beside a key file', () => {
  let dir: string
  let key: string
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'koii-mesh-lock-'))
    key = join(dir, 'key.json')
    await writeKeyFile(key, generateKeyPair())
  })
  afterEach(() => rm(dir, { recursive: true }))

  const refusal = (path = key): Error => {
    try {
      lockKeyFile(path, { dataDir: 'other', task: 'other' }).release()
    } catch (err) {
      return err as Error
    }
    throw new Error('it was locked twice')
  }

  it('lets one in at a time, and tells the other who has it', () => {
    const lock = lockKeyFile(key, HOLDER)
    expect(lock).to.include({ path: `${key}.lock`, unlocked: undefined })
    const error = refusal()
    expect(error).to.be.instanceOf(KeyInUseError)
    expect(error.message).to.include(key).and.include(`process ${process.pid} on `).and.include(HOLDER.dataDir).and.include(HOLDER.task)
    expect(error.message).to.match(/Stop that node, or give this one a key of its own \(--key, or key in the entry of a task/)
    lock.release()
    lockKeyFile(key, HOLDER).release()
  })

  it('follows links to the key', async () => {
    const [link, folder] = [join(dir, 'link.json'), join(dir, 'folder')]
    await symlink(key, link)
    await symlink(dir, folder)
    const lock = lockKeyFile(link, HOLDER)
    expect(refusal()).to.be.instanceOf(KeyInUseError)
    expect(refusal(join(folder, 'key.json'))).to.be.instanceOf(KeyInUseError)
    lock.release()
  })

  it('does not mind a copy, which the mesh finds out about', async () => {
    await copyFile(key, join(dir, 'copy.json'))
    const lock = lockKeyFile(key, HOLDER)
    lockKeyFile(join(dir, 'copy.json'), HOLDER).release()
    lock.release()
  })

  it('keeps another process out, and lets the next one in at once when it was killed', async function () {
    this.timeout(20_000)
    const script = join(dir, 'holder.mjs')
    const home = new URL('../../src/identity/index.ts', import.meta.url).href
    await writeFile(
      script,
      `import { lockKeyFile } from ${JSON.stringify(home)}
       const lock = lockKeyFile(${JSON.stringify(key)}, ${JSON.stringify(HOLDER)})
       process.send('locked')
       setInterval(() => lock.path, 1000)`
    )
    for (let time = 0; time < 2; time++) {
      const holder = fork(script)
      const gone = once(holder, 'exit')
      try {
        expect((await once(holder, 'message'))[0]).to.equal('locked')
        expect(refusal().message).to.include(`process ${holder.pid} on `)
      } finally {
        holder.kill('SIGKILL')
        await gone
      }
    }
    lockKeyFile(key, HOLDER).release()
  })

  it('locks in the user’s temporary folder where nothing can be written beside the key', async () => {
    await mkdir(`${key}.lock`) // no database can be there
    const lock = lockKeyFile(key, HOLDER)
    expect(lock.unlocked).to.equal(undefined)
    expect(lock.path).to.match(/koii-mesh-keys-.*\.lock$/)
    expect(refusal()).to.be.instanceOf(KeyInUseError)
    lock.release()
    lockKeyFile(key, HOLDER).release()
    await rm(lock.path!)
  })

  it('locks nowhere else when the disk is full: once there is room another would get the lock beside the key', async function () {
    const place = await mkdtemp(join(tmpdir(), 'koii-mesh-full-'))
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', place], { stdio: 'ignore' })
    } catch {
      await rm(place, { recursive: true })
      this.skip() // only root mounts
    }
    try {
      const full = join(place, 'key.json')
      await copyFile(key, full)
      await writeFile(join(place, 'rest'), Buffer.alloc(2 ** 20)).catch(() => {})
      expect(() => lockKeyFile(full, HOLDER)).to.throw(KeyFileError, /no room/)
      await rm(join(place, 'rest'))
      const lock = lockKeyFile(full, HOLDER)
      expect(lock.path).to.equal(`${await realpath(full)}.lock`)
      lock.release()
    } finally {
      execFileSync('umount', [place])
      await rm(place, { recursive: true })
    }
  })

  it('leaves a file of somebody else’s as it is', async () => {
    await writeFile(`${key}.lock`, 'pid 1234\n'.repeat(200))
    const error = refusal()
    expect(error).to.be.instanceOf(KeyFileError)
    expect(error.message)
      .to.include(`${key}.lock`)
      .and.match(/no such lock: move it away/)
  })
})
