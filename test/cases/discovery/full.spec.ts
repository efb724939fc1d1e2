import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { createDiskWatch } from '../../../src/disk/index.ts'
import { openStore, type Store } from '../../../src/store/index.ts'
import { tempDir } from '../../e2e/cli.ts'
import { type SmallDisk, smallDisk } from '../../small-disk.ts'

describe('cases: the store on a disk that fills up', () => {
  let disk: SmallDisk | undefined
  let store: Store
  let next: Array<() => void>
  const told: string[] = []

  const open = async (mocha: Mocha.Context, sizeKiB: number) => {
    disk = await smallDisk(mocha, sizeKiB)
    next = []
    told.length = 0
    const watch = createDiskWatch({
      dir: disk!.dir,
      after: (_ms, fn) => {
        next.push(fn)
        return () => {}
      }
    })
    watch.onTrouble(({ kind }) => told.push(kind))
    watch.onOver(() => told.push('over'))
    store = openStore({ dir: join(disk!.dir, 'd'), watch })
  }
  afterEach(async () => {
    try {
      store?.close()
    } catch {
      // closed already
    }
    await disk?.unmount()
    disk = undefined
  })
  const tryAgain = () => {
    for (const fn of next.splice(0)) {
      fn()
    }
  }
  const message = (id: string, cycle = 1) => ({ id, cycle, slot: 1, bytes: new Uint8Array(1000) })
  /** @returns how many were taken */
  const flood = (): number => {
    for (let count = 1; ; count++) {
      store.messages.put('t', message(`i${count}`))
      if (count % 50 === 0) {
        try {
          store.messages.flush()
        } catch {
          return count
        }
      }
    }
  }

  for (const sizeKiB of [600, 2048, 8192]) {
    it(`loses nothing and forgets what is old, with ${sizeKiB} KiB`, async function () {
      this.timeout(60_000)
      await open(this, sizeKiB)
      store.signerLog.put('t', 1, 'vote', 'h', Buffer.from('v'))
      const count = flood()
      expect(told).to.deep.equal(['full'])
      // what is heard is not lost while the process lives, and an entry waits
      expect(store.messages.load('t', 0)).to.have.length(count)
      store.cycles.merge('t', 1, { outcome: 'x'.repeat(3000) })
      expect(store.cycles.get('t', 1)).to.deep.equal({ outcome: 'x'.repeat(3000) })
      expect(store.cycles.list('t', 5)).to.have.length(1)

      store.messages.prune('t', 5)
      expect(store.messages.load('t', 0)).to.deep.equal([])
      store.messages.put('t', message('new', 6))
      expect(store.messages.load('t', 0)).to.have.length(1)

      disk!.remount(`size=${4 * sizeKiB + 16_384}k`)
      tryAgain()
      expect(told).to.deep.equal(['full', 'over'])
      store.close()
      store = openStore({ dir: join(disk!.dir, 'd') })
      expect(store.signerLog.get('t', 1, 'vote')).to.equal('h')
      expect(store.cycles.get('t', 1)).to.deep.equal({ outcome: 'x'.repeat(3000) })
      expect(store.messages.load('t', 0).map(({ id }) => id)).to.deep.equal(['new'])
    })
  }

  it('still writes promises and deletes when there is no room at all, and takes the reserve again afterwards', async function () {
    this.timeout(60_000)
    await open(this, 8192)
    const votes = store.keyValue('outbox', undefined, true)
    const task = store.keyValue('task', 1_000_000)
    await task.put('big', new Uint8Array(100_000))
    for (let round = 0; round < 2; round++) {
      disk!.fill()
      for (let cycle = 0; cycle < 20; cycle++) {
        const at = 100 * round + cycle
        store.signerLog.put('t', at, 'vote', 'h', Buffer.alloc(300))
        await votes.put(`vote/${at}`, Buffer.alloc(300))
      }
      await votes.delete(`vote/${100 * round}`)
      disk!.free()
      store.messages.put('t', message('x'))
      tryAgain()
    }
    await task.delete('big')
    store.close()
    store = openStore({ dir: join(disk!.dir, 'd') })
    expect(store.signerLog.list('t', 0)).to.have.length(40)
    expect(await store.keyValue('outbox').list()).to.have.length(38)
  })

  it('goes on where files may not grow any more, as any user can see', async function () {
    if (process.platform === 'win32') {
      this.skip()
    }
    const { dir, remove } = await tempDir()
    const src = (path: string) => JSON.stringify(new URL(`../../../src/${path}`, import.meta.url).href)
    await writeFile(
      join(dir, 'node.ts'),
      `import { createDiskWatch } from ${src('disk/index.ts')}
       import { openStore } from ${src('store/index.ts')}
       const watch = createDiskWatch({ dir: ${JSON.stringify(dir)}, after: () => () => {} })
       const told = []
       watch.onTrouble(({ kind }) => told.push(kind))
       const store = openStore({ dir: ${JSON.stringify(join(dir, 'd'))}, watch })
       let count = 0
       let failed = false
       while (!failed) {
         store.messages.put('t', { id: 'i' + count++, cycle: 1, slot: 1, bytes: new Uint8Array(1000) })
         try {
           store.messages.flush()
         } catch {
           failed = true
         }
       }
       const loaded = store.messages.load('t', 0).length
       let refused = false
       try {
         store.signerLog.put('t', 9, 'vote', 'h', Buffer.alloc(4000))
       } catch {
         refused = true
       }
       // what cannot be written down is refused, and nothing of it is half there
       const isThere = store.signerLog.get('t', 9, 'vote') != null
       console.log(JSON.stringify({ told, same: loaded === count, sound: refused !== isThere }))
       process.exit(0)`
    )
    try {
      const out = execFileSync('sh', ['-c', 'ulimit -f 1000 && exec "$0" "$1"', process.execPath, join(dir, 'node.ts')], {
        encoding: 'utf8'
      })
      expect(JSON.parse(out)).to.deep.equal({ told: ['failing'], same: true, sound: true })
    } finally {
      await remove()
    }
  })

  it('says when the disk was made read-only and when it was not any more', async function () {
    await open(this, 8192)
    store.close()
    disk!.remount('ro')
    expect(() => {
      openStore({ dir: join(disk!.dir, 'd') })
    }).to.throw(/read-only.*Leave .*node.sqlite where it is/)
    disk!.remount('rw')
    store = openStore({ dir: join(disk!.dir, 'd') })
  })
})
