#!/usr/bin/env node
/**
 * Writes package-lock.json anew from package.json: `npm run lock`, after a dependency was added or raised.
 *
 * npm leaves packages of other platforms out of a lockfile when the registry it asks lacks just that version (mirrors
 * do), and `npm ci` then refuses the lockfile everywhere. Their versions are known, as their parents name them exactly,
 * so they are entered here; integrity comes with the next run against a registry that has them.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
// a folder without node_modules: npm would otherwise write down what happens to be installed
const work = mkdtempSync(join(tmpdir(), 'koii-mesh-lock-'))
try {
  for (const file of ['package.json', '.npmrc', 'stubs', ...(process.argv.includes('--fresh') ? [] : ['package-lock.json'])]) {
    cpSync(join(root, file), join(work, file), { recursive: true })
  }
  execFileSync('npm', ['install', '--package-lock-only', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: work, stdio: 'inherit' })
  const lock = JSON.parse(readFileSync(join(work, 'package-lock.json'), 'utf8'))
  let added = 0
  for (const [path, entry] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const known = lock.packages[`${path}/node_modules/${name}`] ?? lock.packages[`node_modules/${name}`]
      const os = /darwin|linux|win32|win|android|freebsd|openbsd|sunos|aix/.exec(name)?.[0].replace(/^win$/, 'win32')
      const cpu = /x64|arm64|ia32|arm|ppc64|s390x|riscv64|loong64/.exec(name)?.[0]
      if (known != null || os == null || cpu == null || !/^\d/.test(version)) continue
      const libc = os === 'linux' && name.includes('musl') ? { libc: ['musl'] } : {}
      lock.packages[`node_modules/${name}`] = { version, cpu: [cpu], optional: true, os: [os], ...libc }
      added++
    }
  }
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)))
  writeFileSync(join(root, 'package-lock.json'), `${JSON.stringify(lock, null, 2)}\n`)
  process.stderr.write(
    `package-lock.json has ${Object.keys(lock.packages).length} packages, ${added} of them for platforms that the registry did not have\n`
  )
} finally {
  rmSync(work, { recursive: true, force: true })
}
