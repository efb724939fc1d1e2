/**
 * Makes the publishable package: `npm run build` compiles src to JavaScript, stages build/package and packs it into
 * build/koii-mesh-VERSION.tgz, which `npm i -g` installs on a machine with Node 20.
 *
 * npm does not read the overrides of a package that is installed as a dependency. So the stand-ins for the unwanted
 * parts of Helia's defaults (stubs/absent) travel inside the package, under the names and at versions that their
 * dependants ask for, together with those dependants, and the direct dependencies are pinned to what the lockfile has.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const root = join(import.meta.dirname, '..')
const stage = join(root, 'build', 'package')
const dist = join(stage, 'dist')

interface Manifest {
  [field: string]: unknown
  name: string
  version: string
  license: string
  engines: Record<string, string>
  dependencies: Record<string, string>
  optionalDependencies: Record<string, string>
  overrides: Record<string, unknown>
}
interface LockEntry {
  [field: string]: unknown
  version?: string
  dependencies?: Record<string, string>
  dev?: boolean
  devOptional?: boolean
  link?: boolean
}
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, LockEntry>
}

rmSync(stage, { recursive: true, force: true })
mkdirSync(dist, { recursive: true })

const config = join(root, 'build', 'tsconfig.json')
writeFileSync(
  config,
  JSON.stringify({
    extends: '../tsconfig.json',
    compilerOptions: { noEmit: false, declaration: true, outDir: dist, rootDir: '../src' },
    include: ['../src']
  })
)
execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '--project', config], { stdio: 'inherit', cwd: root })
for (const pattern of ['**/*.js', '**/*.mjs', '**/*.d.ts', '**/*.html', '**/*.json']) {
  for (const file of globSync(pattern, { cwd: join(root, 'src') })) {
    cpSync(join(root, 'src', file), join(dist, file))
  }
}
for (const file of ['README.md', 'LICENSE', 'protocols', 'scripts/koii-mesh.mjs', 'scripts/launch.mjs']) {
  cpSync(join(root, file), join(stage, file), { recursive: true, filter: (source) => !source.includes('/vectors') })
}

const stubs = Object.entries(manifest.dependencies)
  .filter(([, target]) => target === 'file:stubs/absent')
  .map(([name]) => name)
const bundled: Record<string, string> = {}
for (const name of stubs) {
  // the lowest version that the dependants' ranges allow: a bundled package outside them would be ignored
  const range = Object.values(lock.packages)
    .map((entry) => entry.dependencies?.[name])
    .find((found) => found?.startsWith('file:') === false)
  const version = (range ?? '0.0.0').replace(/^[\^~]/, '')
  const dir = join(stage, 'node_modules', name)
  mkdirSync(dirname(dir), { recursive: true })
  cpSync(join(root, 'stubs/absent'), dir, { recursive: true })
  const stub = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) as Record<string, unknown>
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ ...stub, name, version }, null, 2))
  bundled[name] = version
}

// npm lets only bundled packages use what is bundled: whoever depends on a stand-in, and on those, travels along
for (let grown = true; grown; ) {
  grown = false
  for (const [path, entry] of Object.entries(lock.packages)) {
    const name = path.replace('node_modules/', '')
    if (
      path.startsWith('node_modules/') &&
      entry.dev !== true &&
      bundled[name] == null &&
      Object.keys(entry.dependencies ?? {}).some((dep) => bundled[dep] != null)
    ) {
      cpSync(join(root, path), join(stage, path), {
        recursive: true,
        filter: (file) => !file.slice(root.length + path.length + 2).includes('node_modules')
      })
      bundled[name] = entry.version!
      grown = true
    }
  }
}

const pinned = Object.fromEntries(
  Object.keys(manifest.dependencies)
    .filter((name) => !stubs.includes(name))
    .map((name) => [name, lock.packages[`node_modules/${name}`]!.version!])
)
const { devDependencies: _dev, overrides: _overrides, scripts: _scripts, ...published } = manifest
const staged = {
  ...published,
  bin: { 'koii-mesh': 'scripts/koii-mesh.mjs' },
  exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' }, './package.json': './package.json' },
  files: ['dist', 'protocols', 'scripts'],
  dependencies: { ...pinned, ...bundled },
  bundleDependencies: Object.keys(bundled)
}
writeFileSync(join(stage, 'package.json'), JSON.stringify(staged, null, 2))

const packed = execFileSync('npm', ['pack', '--json', '--pack-destination', join(root, 'build')], {
  cwd: stage,
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'ignore']
})
const listing = JSON.parse(packed) as Array<{ filename: string; size: number }> | Record<string, { filename: string; size: number }>
const [{ filename, size }] = Object.values(listing) as [{ filename: string; size: number }]
console.log(`build/${filename} (${(size / 1024 / 1024).toFixed(1)} MiB): install it with npm i -g build/${filename}`)
