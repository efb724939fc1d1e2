/** A disk of some KiB, for tests of what happens when it is full: a tmpfs, which only root can mount. */
import { execFileSync } from 'node:child_process'
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface SmallDisk {
  dir: string
  /** Leaves no room at all. */
  fill(): void
  /** Takes away what `fill` wrote. */
  free(): void
  /** "size=8m", "ro", "rw". */
  remount(options: string): void
  unmount(): Promise<void>
}

/** @param mocha skipped, with the reason, where this user may not mount */
export async function smallDisk(mocha: Mocha.Context, sizeKiB: number): Promise<SmallDisk> {
  const dir = await mkdtemp(join(tmpdir(), 'koii-mesh-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeKiB}k`, 'tmpfs', dir], { stdio: 'ignore' })
  } catch {
    await rm(dir, { recursive: true })
    mocha.test!.title += ' (skipped: only root can mount a disk of its own)'
    mocha.skip()
  }
  const rest = join(dir, 'rest')
  return {
    dir,
    fill() {
      const file = openSync(rest, 'a')
      try {
        for (const size of [65_536, 4096]) {
          try {
            for (;;) {
              writeSync(file, Buffer.alloc(size, 1))
            }
          } catch {
            // full, for pieces of this size
          }
        }
        fsyncSync(file)
      } finally {
        closeSync(file)
      }
    },
    free: () => rmSync(rest, { force: true }),
    remount: (options) => void execFileSync('mount', ['-o', `remount,${options}`, dir]),
    async unmount() {
      execFileSync('umount', ['-l', dir])
      await rm(dir, { recursive: true, force: true })
    }
  }
}
