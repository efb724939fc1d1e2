/**
 * Builds attacker.so from attacker.c with the compiler and linker of the settlement program:
 *
 *     node scripts/run.mjs test/settlement/build-attacker.ts
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { linkSbf } from '../../scripts/link-sbf.ts'

const FLAGS = ['-target', 'bpfel', '-mcpu=v2', '-O2', '-std=c11', '-ffreestanding', '-fno-builtin', '-Wall', '-Wextra', '-Werror']
export const ATTACKER_FILE = join(import.meta.dirname, 'attacker.so')

/** The hostile program's bytes. Throws what clang-14 or the linker throws. */
export function buildAttacker(): Uint8Array {
  const work = mkdtempSync(join(tmpdir(), 'koii-mesh-attacker-'))
  try {
    const object = join(work, 'attacker.o')
    execFileSync('clang-14', [...FLAGS, '-c', 'attacker.c', '-o', object], { cwd: import.meta.dirname, stdio: 'inherit' })
    return linkSbf(readFileSync(object))
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  const built = buildAttacker()
  writeFileSync(ATTACKER_FILE, built)
  console.error(`attacker.so, ${built.length} bytes`)
}
