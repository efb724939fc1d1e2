/**
 * Generates the protobuf codecs: `npm run generate`. `-- --check` fails when the committed ones are stale.
 *
 * protons writes TypeScript namespaces, which Node cannot strip, so its output is compiled to JavaScript and
 * declarations, and those are committed. They stand on src/wire/protobuf.ts, never on protons-runtime, which gives wrong
 * bytes for some integers: that is put in here, and whatever the generator begins to use that we do not have stops it.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import * as runtime from '../src/wire/protobuf.ts'

const root = join(import.meta.dirname, '..')
const sources: Array<{ proto: string; out: string }> = [
  { proto: 'protocols/wire/envelope.proto', out: 'src/wire/generated' },
  { proto: 'protocols/sync/sync.proto', out: 'src/sync/generated' }
]
const RUNTIME = 'src/wire/protobuf.ts'
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
      const text = header + onOurRuntime(readFileSync(join(work, 'out', `${name}.${ending}`), 'utf8'), out)
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

/**
 * The same code on our runtime.
 *
 * @throws Error when it uses what the runtime lacks, so that a later protons cannot bring an unchecked codec in
 */
function onOurRuntime(code: string, out: string): string {
  for (const [, names] of code.matchAll(/^import \{(.*)\} from 'protons-runtime';$/gm)) {
    demand(runtime, names!.split(','), 'an import from protons-runtime')
  }
  for (const [variable, { prototype }] of Object.entries({ w: runtime.Writer, reader: runtime.Reader })) {
    const calls = [...code.matchAll(new RegExp(`\\b${variable}\\.(\\w+)\\(`, 'g'))].map(([, method]) => method!)
    demand(prototype, calls, `a method of ${variable}`)
  }
  const rewritten = code.replaceAll("'protons-runtime'", `'${relative(out, RUNTIME)}'`)
  if (rewritten === code || rewritten.includes('protons')) {
    throw new Error('the generated code does not import protons-runtime as it did: look at what scripts/generate.ts rewrites')
  }
  return rewritten
}

function demand(has: object, names: string[], what: string): void {
  const lacking = [...new Set(names.map((name) => name.trim()))].filter((name) => !(name in has))
  if (lacking.length > 0) {
    throw new Error(`${RUNTIME} lacks ${lacking.join(', ')}, ${what} in the generated code: write it there, checked, with tests`)
  }
}

process.exitCode = stale === 0 ? 0 : 1
