/**
 * Builds koii-stand-in.so from koii-stand-in.c with the compiler and linker of the settlement program:
 *
 *     node scripts/run.mjs scripts/bench/build-stand-in.ts
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildProgram } from '../build-program.ts'

/** The stand-in program's bytes. Throws what clang-14 or the linker throws. */
export const buildStandIn = (): Uint8Array => buildProgram('clang-14', import.meta.dirname, 'koii-stand-in')

if (import.meta.main) {
  const built = buildStandIn()
  writeFileSync(join(import.meta.dirname, 'koii-stand-in.so'), built)
  console.error(`koii-stand-in.so, ${built.length} bytes`)
}
