import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { createDiskWatch, diskAdvice, diskFault } from '../../src/disk/index.ts'
import { smallDisk } from '../small-disk.ts'

const failure = (code: string) => Object.assign(new Error(`${code}: no`), { code })

describe('disk: faults', () => {
  for (const [kind, errors] of Object.entries({
    full: [failure('ENOSPC'), failure('EDQUOT'), failure('EFBIG'), Object.assign(new Error('database or disk is full'), { errcode: 13 })],
    'read-only': [failure('EROFS'), Object.assign(new Error('attempt to write a readonly database'), { errcode: 8 | (1 << 8) })],
    failing: [failure('EIO'), Object.assign(new Error('disk I/O error'), { errcode: 10 | (3 << 8) })],
    denied: [failure('EACCES'), failure('EPERM')]
  })) {
    it(`are ${kind} by their codes, however deep they are`, () => {
      for (const error of errors) {
        expect(diskFault(new Error('it failed', { cause: new Error('there', { cause: error }) }), tmpdir())?.kind).to.equal(kind)
        const text = diskAdvice(diskFault(error)!, '/the/place')
        expect(text)
          .to.include('/the/place')
          .and.include(error.message)
          .and.not.match(/damaged|away/)
      }
    })
  }
  it('are none where the disk is not at fault', () => {
    const damaged = Object.assign(new Error('database disk image is malformed'), { errcode: 11 })
    for (const error of [damaged, failure('ENOENT'), new Error('disk is full'), 'text', null, undefined]) {
      expect(diskFault(error, tmpdir())).to.equal(undefined)
    }
  })
})

describe('disk: the watch', () => {
  let dir: string
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'koii-mesh-watch-'))
  })
  afterEach(() => rm(dir, { recursive: true }))

  it('tells of trouble once, tries again with longer pauses until all of it works, and tells when it is over', () => {
    const pauses: number[] = []
    let next = () => {}
    let works = false
    let written = false
    const watch = createDiskWatch({
      dir,
      after: (ms, fn) => {
        pauses.push(ms)
        next = fn
        return () => {}
      },
      probe: () => {
        if (!works) {
          throw failure('ENOSPC')
        }
      }
    })
    const told: string[] = []
    watch.onTrouble(({ kind, what }) => told.push(`${kind} ${what}`))
    watch.onOver(({ kind }) => told.push(`no longer ${kind}`))
    watch.onRetry(() => {
      if (!written) {
        throw failure('EIO')
      }
    })
    expect(watch.failed('something', new Error('no fault of the disk'))).to.equal(false)
    expect(watch.failed('the log', failure('ENOSPC'))).to.equal(true)
    expect(watch.failed('a block', failure('EIO'))).to.equal(true)
    expect(told).to.deep.equal(['full the log'])
    expect(watch.trouble()?.advice).to.include(dir)
    for (let time = 0; time < 7; time++) {
      next()
    }
    expect(pauses).to.deep.equal([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
    works = true
    next()
    expect(watch.trouble()?.kind).to.equal('full')
    written = true
    next()
    expect(watch.trouble()).to.equal(null)
    expect(told).to.deep.equal(['full the log', 'no longer full'])
    watch.failed('again', failure('EROFS'))
    expect(told.at(-1)).to.equal('read-only again')
    expect(pauses.at(-1)).to.equal(1_000)
  })

  it('tells of writes that take seconds until they do not, and of what is worse meanwhile', () => {
    let next = () => {}
    let nowMs = 0
    let takesMs = 3_000
    const told: string[] = []
    const watch = createDiskWatch({
      dir,
      now: () => nowMs,
      after: (_ms, fn) => {
        next = fn
        return () => {}
      },
      probe: () => {
        nowMs += takesMs
      }
    })
    watch.onTrouble(({ kind }) => told.push(kind))
    watch.onOver(({ kind }) => told.push(`no longer ${kind}`))
    watch.took('a vote', 300)
    expect(told).to.deep.equal([])
    watch.took('a vote', 5_000)
    watch.took('a vote', 6_000)
    expect(watch.trouble()?.advice).to.match(/is slow \(5000 ms for one write\)/)
    next()
    expect(told).to.deep.equal(['slow'])
    watch.failed('a vote', failure('ENOSPC'))
    expect(told).to.deep.equal(['slow', 'full'])
    takesMs = 10
    next()
    expect(told).to.deep.equal(['slow', 'full', 'no longer full'])
  })

  it('finds that a folder can be written to, and leaves nothing there', async () => {
    let next = () => {}
    const watch = createDiskWatch({
      dir,
      after: (_ms, fn) => {
        next = fn
        return () => {}
      }
    })
    watch.failed('it', failure('EIO'))
    next()
    expect(watch.trouble()).to.equal(null)
    watch.look()
    expect(watch.trouble()).to.equal(null)
  })

  it('sees a full or a read-only disk without a write', async function () {
    const disk = await smallDisk(this, 512)
    const watch = createDiskWatch({ dir: disk.dir, after: () => () => {} })
    const other = createDiskWatch({ dir: disk.dir, after: () => () => {} })
    try {
      watch.look()
      expect(watch.trouble()).to.equal(null)
      disk.fill()
      watch.look()
      expect(watch.trouble()?.kind).to.equal('full')
      disk.free()
      disk.remount('ro')
      other.look()
      expect(other.trouble()?.kind).to.equal('read-only')
      disk.remount('rw')
    } finally {
      await disk.unmount()
    }
  })
})
