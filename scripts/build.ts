/**
 * Makes the publishable package: `npm run build` compiles src to JavaScript, stages build/package and packs it into
 * build/koii-mesh-VERSION.tgz, which `npm i -g` installs on a machine with Node 20.
 *
 * npm reads neither the overrides nor the lockfile of a package that is installed as a dependency. So the tree that the
 * lockfile names, the stand-ins for the unwanted parts of Helia's defaults (stubs/absent) among it, travels inside the
 * package: who installs it gets what was tested, and nothing in it runs an install script. Only what depends on the
 * platform (Node itself, LiteSVM) comes from the registry, at the exact versions of the lockfile.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

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
}
interface LockEntry {
  [field: string]: unknown
  version?: string
  dependencies?: Record<string, string>
  dev?: boolean
  devOptional?: boolean
  link?: boolean
  optional?: boolean
  hasInstallScript?: boolean
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
for (const pattern of ['**/*.js', '**/*.mjs', '**/*.d.ts', '**/*.html', '**/*.json', '**/*.wasm', '**/*.so']) {
  for (const file of globSync(pattern, { cwd: join(root, 'src') })) {
    cpSync(join(root, 'src', file), join(dist, file))
  }
}
// the compiler rewrites these in what it compiles; the generated codecs are JavaScript already
for (const file of globSync('**/generated/*', { cwd: dist })) {
  writeFileSync(join(dist, file), readFileSync(join(dist, file), 'utf8').replaceAll(/(from '\.[^']*)\.ts'/g, "$1.js'"))
}
const DOCUMENTS = ['CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md']
for (const file of ['README.md', 'LICENSE', 'docs', 'protocols', 'scripts/koii-mesh.mjs', 'scripts/launch.mjs', ...DOCUMENTS]) {
  cpSync(join(root, file), join(stage, file), { recursive: true, filter: (source) => !source.includes('/vectors') })
}

// maps, declarations and documents are for developers
const unneeded = /\.(map|d\.ts|d\.mts|d\.cts|md|markdown|flow|tsbuildinfo)$/i
const platform: Record<string, string> = {}
const absent: string[] = []
for (const [path, entry] of Object.entries(lock.packages)) {
  if (!path.startsWith('node_modules/') || entry.dev === true) {
    continue
  }
  const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
  if (entry.os != null || entry.cpu != null) {
    platform[name] = entry.version!
  } else if (entry.hasInstallScript === true) {
    if (entry.optional !== true) {
      throw new Error(`${path} has an install script and is not optional: look at it before it is shipped`)
    }
    absent.push(name) // optional speed-ups of WebSockets, built on the user's machine: not worth a compiler there
  } else {
    // a stand-in is a link in the checkout
    const source = entry.link === true ? join(root, 'stubs/absent') : join(root, path)
    cpSync(source, join(stage, path), {
      recursive: true,
      dereference: true,
      filter: (file) => !unneeded.test(file) && !file.slice(source.length).includes('node_modules')
    })
  }
}
const { devDependencies: _dev, overrides: _overrides, scripts: _scripts, ...published } = manifest
const dependencies: Record<string, string> = {}
for (const dependency of Object.keys(manifest.dependencies)) {
  const file = join(stage, 'node_modules', dependency, 'package.json')
  const own = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
  dependencies[dependency] = own.version
}
for (const file of globSync('node_modules/**/package.json', { cwd: stage })) {
  strip(join(stage, file))
}
writeFileSync(
  join(stage, 'package.json'),
  JSON.stringify(
    {
      ...published,
      bin: { 'koii-mesh': 'scripts/koii-mesh.mjs' },
      exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' }, './package.json': './package.json' },
      files: ['dist', 'docs', 'protocols', 'scripts', ...DOCUMENTS],
      dependencies,
      optionalDependencies: {
        ...manifest.optionalDependencies,
        ...Object.fromEntries(Object.entries(platform).filter(([name]) => name.startsWith('litesvm-')))
      },
      bundleDependencies: Object.keys(dependencies)
    },
    null,
    2
  )
)

/** A shipped package asks for nothing more: its dependencies are beside it. */
function strip(file: string): void {
  const shipped = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown> & {
    optionalDependencies?: Record<string, string>
    dependencies?: Record<string, string>
  }
  if (shipped.name == null) {
    return // a marker of a module's kind inside a package
  }
  const {
    optionalDependencies = {},
    dependencies: needed = {},
    peerDependencies: _peers,
    peerDependenciesMeta: _meta,
    devDependencies: _devs,
    scripts: _own,
    ...rest
  } = shipped
  const kept = Object.fromEntries(
    Object.entries(needed).filter(([name]) => !absent.includes(name) && platform[name] == null && optionalDependencies[name] == null)
  )
  writeFileSync(file, JSON.stringify({ ...rest, dependencies: kept }, null, 2))
}

const packed = execFileSync('npm', ['pack', '--json', '--pack-destination', join(root, 'build')], {
  cwd: stage,
  encoding: 'utf8',
  // it lists every file
  maxBuffer: 64 * 1024 * 1024,
  stdio: ['ignore', 'pipe', 'ignore']
})
const listing = JSON.parse(packed) as Array<{ filename: string; size: number }> | Record<string, { filename: string; size: number }>
const [{ filename, size }] = Object.values(listing) as [{ filename: string; size: number }]
console.log(`build/${filename} (${(size / 1024 / 1024).toFixed(1)} MiB): install it with npm i -g ./build/${filename}`)
