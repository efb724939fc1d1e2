/**
 * Builds the settlement program: `npm run build:program`. `-- --check` compares with the committed file instead,
 * byte for byte, and exits with status 1 on a difference.
 *
 * The compiler is Debian's clang 14 and no other version, because the committed file is what that one gives. It is
 * installed where it is missing and this runs as root on a system with apt-get.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LinkError, linkSbf } from './link-sbf.ts'

const CLANG_MAJOR = 14
const PACKAGE = `clang-${CLANG_MAJOR}`
const INSTALL = [
  ['apt-get', 'update', '-qq'],
  ['apt-get', 'install', '-y', '-qq', '--no-install-recommends', PACKAGE]
]
const FLAGS = ['-target', 'bpfel', '-mcpu=v2', '-O2', '-std=c11', '-ffreestanding', '-fno-builtin', '-Wall', '-Wextra', '-Werror']

const root = join(import.meta.dirname, '..')
const source = join(root, 'protocols', 'settlement')
const target = join(source, 'settlement.so')

/** The one compiler whose output is committed, or undefined where it is missing. */
export function findClang(): string | undefined {
  return [`clang-${CLANG_MAJOR}`, `/usr/lib/llvm-${CLANG_MAJOR}/bin/clang`, 'clang'].find((name) => {
    const { status, stdout } = spawnSync(name, ['--version'], { encoding: 'utf8' })
    return status === 0 && stdout.includes(`clang version ${CLANG_MAJOR}.`)
  })
}

/** Installs it where it can: as root on a system with apt-get. */
export function installClang(): string | undefined {
  if (process.getuid?.() !== 0 || spawnSync('apt-get', ['--version']).status !== 0) {
    return undefined
  }
  console.error(`build:program: installing ${PACKAGE} with apt-get ...`)
  for (const [command, ...args] of INSTALL) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const { status, stdout, stderr } = spawnSync(command!, args, { encoding: 'utf8', env })
    if (status !== 0) {
      console.error(`${stdout}${stderr}`.trim().split('\n').slice(-3).join('\n'))
      return undefined
    }
  }
  return findClang()
}

/**
 * Compiles and links; the working directory is the source's, so that no path of this checkout gets into the object.
 *
 * @param from - the folder of NAME.c and its headers
 * @throws what clang or the linker throws
 */
export function buildProgram(clang: string, from = source, name = 'settlement'): Uint8Array {
  mkdirSync(join(root, 'build'), { recursive: true })
  const work = mkdtempSync(join(root, 'build', 'program-'))
  try {
    const object = join(work, `${name}.o`)
    execFileSync(clang, [...FLAGS, '-c', `${name}.c`, '-o', object], { cwd: from, stdio: 'inherit' })
    return linkSbf(readFileSync(object))
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function main(args: string[]): number {
  const unknown = args.find((arg) => arg !== '--check')
  if (unknown != null) {
    console.error(`build:program: unknown argument ${unknown}; the only one is --check`)
    return 2
  }
  const clang = findClang() ?? installClang()
  if (clang == null) {
    console.error(
      `build:program: clang ${CLANG_MAJOR} is missing. On Debian 12, as root: ${INSTALL.map((command) => command.join(' ')).join(' && ')}`
    )
    return 1
  }
  let built: Uint8Array
  try {
    built = buildProgram(clang)
  } catch (error) {
    // clang has said itself what is wrong
    console.error(error instanceof LinkError ? `build:program: ${error.message}` : 'build:program: settlement.c does not compile')
    return 1
  }
  if (!args.includes('--check')) {
    writeFileSync(target, built)
    console.error(`build:program: protocols/settlement/settlement.so, ${built.length} bytes`)
    return 0
  }
  let committed: Uint8Array
  try {
    committed = readFileSync(target)
  } catch {
    console.error('build:program: protocols/settlement/settlement.so is missing: run npm run build:program and commit it')
    return 1
  }
  if (Buffer.compare(built, committed) !== 0) {
    console.error('build:program: protocols/settlement/settlement.so is not what its source gives: run npm run build:program and commit it')
    return 1
  }
  console.error(`build:program: protocols/settlement/settlement.so is what its source gives, ${built.length} bytes`)
  return 0
}

if (import.meta.main) {
  process.exitCode = main(process.argv.slice(2))
}
