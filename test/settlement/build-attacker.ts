/**
 * Builds attacker.so from attacker.c with the compiler and linker of the settlement program:
 *
 *     node scripts/run.mjs test/settlement/build-attacker.ts
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildProgram } from '../../scripts/build-program.ts'

export const ATTACKER_FILE = join(import.meta.dirname, 'attacker.so')

/** The hostile program's bytes. Throws what clang-14 or the linker throws. */
export const buildAttacker = (): Uint8Array => buildProgram('clang-14', import.meta.dirname, 'attacker')

if (import.meta.main) {
  const built = buildAttacker()
  writeFileSync(ATTACKER_FILE, built)
  console.error(`attacker.so, ${built.length} bytes`)
}
