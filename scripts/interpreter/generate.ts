/**
 * Writes src/tasks/child/quickjs.wasm, the metered interpreter: `npm run generate:interpreter`. `-- --check` fails when
 * the committed one is not what the package's module gives.
 */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { INTERPRETER } from '../../src/tasks/child/interpreter.ts'
import { meterModule } from './meter.ts'

const target = new URL('../../src/tasks/child/quickjs.wasm', import.meta.url)
const metered = meterModule(readFileSync(fileURLToPath(import.meta.resolve('@jitl/quickjs-wasmfile-release-sync/wasm'))), INTERPRETER.depth)
const sha256 = createHash('sha256').update(metered).digest('hex')
if (!process.argv.includes('--check')) {
  writeFileSync(target, metered)
  console.log(`src/tasks/child/quickjs.wasm: ${metered.length} bytes, sha-256 ${sha256}`)
} else if (!readFileSync(target).equals(metered)) {
  console.error('src/tasks/child/quickjs.wasm is stale: run npm run generate:interpreter')
  process.exitCode = 1
}
