/**
 * Builds koii-stand-in.so from koii-stand-in.c with the compiler and linker of the settlement program:
 *
 *     node scripts/run.mjs scripts/bench/build-stand-in.ts
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { linkSbf } from '../link-sbf.ts'

const FLAGS = ['-target', 'bpfel', '-mcpu=v2', '-O2', '-std=c11', '-ffreestanding', '-fno-builtin', '-Wall', '-Wextra', '-Werror']

/** The stand-in program's bytes. Throws what clang-14 or the linker throws. */
export function buildStandIn(): Uint8Array {
  const work = mkdtempSync(join(tmpdir(), 'koii-mesh-stand-in-'))
  try {
    const object = join(work, 'stand-in.o')
    execFileSync('clang-14', [...FLAGS, '-c', 'koii-stand-in.c', '-o', object], { cwd: import.meta.dirname, stdio: 'inherit' })
    return linkSbf(readFileSync(object))
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  const built = buildStandIn()
  writeFileSync(join(import.meta.dirname, 'koii-stand-in.so'), built)
  console.error(`koii-stand-in.so, ${built.length} bytes`)
}
