/**
 * Generates the protobuf codecs: `npm run generate`. `-- --check` fails when the committed ones are stale.
 *
 * protons writes TypeScript namespaces, which Node cannot strip, so its output is compiled to JavaScript and
 * declarations, and those are committed.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'

const root = join(import.meta.dirname, '..')
const sources: Array<{ proto: string; out: string }> = [
  { proto: 'protocols/wire/envelope.proto', out: 'src/wire/generated' },
  { proto: 'protocols/sync/sync.proto', out: 'src/sync/generated' }
]
const header = '// Generated from the .proto of the same name by `npm run generate`: do not edit.\n'
const check = process.argv.includes('--check')
let stale = 0

for (const { proto, out } of sources) {
  const name = basename(proto, '.proto')
  // inside the repo, so that the compiler finds the packages
  mkdirSync(join(root, 'build'), { recursive: true })
  const work = mkdtempSync(join(root, 'build', 'generate-'))
  try {
    cpSync(join(root, proto), join(work, `${name}.proto`))
    execFileSync(process.execPath, [join(root, 'node_modules/protons/dist/bin/protons.js'), join(work, `${name}.proto`)], {
      stdio: 'inherit'
    })
    execFileSync(
      process.execPath,
      [
        join(root, 'node_modules/typescript/bin/tsc'),
        ...['--ignoreConfig', '--target', 'es2024', '--module', 'nodenext', '--declaration', '--skipLibCheck', '--types', 'node'],
        ...['--rootDir', work, '--outDir', join(work, 'out'), join(work, `${name}.ts`)]
      ],
      { stdio: 'inherit' }
    )
    for (const ending of ['js', 'd.ts']) {
      const text = header + readFileSync(join(work, 'out', `${name}.${ending}`), 'utf8')
      const target = join(root, out, `${name}.${ending}`)
      if (!check) {
        mkdirSync(join(root, out), { recursive: true })
        writeFileSync(target, text)
      } else if (readFileSync(target, 'utf8') !== text) {
        stale++
        console.error(`${out}/${name}.${ending} is stale: run npm run generate`)
      }
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
process.exitCode = stale === 0 ? 0 : 1
