#!/usr/bin/env node
/**
 * Runs one of the project's entry points under the Node that the lockfile pins, after installing what is missing.
 *
 *   node scripts/run.mjs ENTRY [ARG ...]
 *
 * Depends on nothing but Node 20, because it is what a fresh clone starts with. The stamp beside the installed
 * packages is the lockfile's hash: a changed lockfile installs again, an unchanged one costs one small read. Packages that
 * somebody has installed by hand (npm ci) are taken as they are, when npm's own list of them is that of the lockfile.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { launch } from './launch.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const node = join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node')
// an install takes minutes on the slowest machines
const STALE_MS = 15 * 60_000
const lock = join(root, '.installing')
/** In it, which process installs. */
const owner = join(lock, 'pid')
const stamp = join(root, 'node_modules', '.lockfile-hash')
const installed = join(root, 'node_modules', '.package-lock.json')

/**
 * Takes the right to install; false after having waited for somebody else who did. `npm start` beside `npm test` on a
 * fresh clone would otherwise install into each other.
 */
function alone() {
  for (let waited = false; ; waited = true) {
    try {
      mkdirSync(lock)
      return true
    } catch (err) {
      if (err.code !== 'EEXIST') throw err
    }
    if (!waited) process.stderr.write('koii-mesh: another command is installing packages; waiting for it ...\n')
    const since = statSync(lock, { throwIfNoEntry: false })?.mtimeMs
    if (since == null) return false
    if (Date.now() - since > STALE_MS || isGone()) rmSync(lock, { recursive: true, force: true }) // it was killed
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500)
    if (!existsSync(lock)) return false
  }
}

/** Whether the process that installed is no more. */
function isGone() {
  try {
    process.kill(Number(readFileSync(owner, 'utf8')), 0)
  } catch (err) {
    return err.code === 'ESRCH'
  }
  return false
}

/** npm's exit status; a signal ends it with this process, and leaves no lock. */
function npmCi() {
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  // stdout belongs to the command that follows: --json readers parse it
  const child = spawn(npm, ['ci', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32'
  })
  if (child.pid != null) writeFileSync(owner, String(child.pid))
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129]
  ]) {
    process.once(signal, () => {
      // what is half there is made anew by the next install
      child.kill('SIGKILL')
      rmSync(lock, { recursive: true, force: true })
      process.stderr.write('\nkoii-mesh: stopped while installing packages; the same command begins again\n')
      process.exit(status)
    })
  }
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ error }))
    child.on('exit', (status) => resolve({ status }))
  })
}

/** Whether npm says that just the packages of the lockfile are there; those for other machines may be missing. */
function isInstalled() {
  let wanted
  let there
  try {
    wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
    there = JSON.parse(readFileSync(installed, 'utf8')).packages
  } catch {
    return false
  }
  const same = (path) => ['version', 'resolved', 'integrity', 'link'].every((key) => wanted[path][key] === there[path][key])
  return (
    Object.keys(there).every((path) => wanted[path] != null) &&
    Object.entries(wanted).every(([path, { optional, peer }]) =>
      path === '' || !path.includes('node_modules/') ? true : there[path] == null ? optional === true || peer === true : same(path)
    )
  )
}

/** A folder that cannot be written to costs the look at npm's list each time, and nothing else. */
function writeStamp(hash) {
  try {
    writeFileSync(stamp, hash)
  } catch {
    // the next command looks again
  }
}

async function install() {
  const hash = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  if (existsSync(node) && existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) {
    return
  }
  if (existsSync(node) && !existsSync(lock) && isInstalled()) {
    writeStamp(hash)
    return
  }
  if (!alone()) {
    return install() // somebody else has just installed
  }
  process.stderr.write('koii-mesh: installing packages (once, about a minute) ...\n')
  const { status, error } = await npmCi()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(signal)
  rmSync(lock, { recursive: true, force: true })
  if (error != null || status !== 0) {
    process.stderr.write(
      `koii-mesh: npm ci failed${error == null ? ` with exit status ${status}` : `: ${error.message}`}. ` +
        'Check the network and the npm registry setting, then run the same command again.\n'
    )
    process.exit(1)
  }
  writeStamp(hash)
}

const [entry, ...args] = process.argv.slice(2)
if (entry == null) {
  process.stderr.write('usage: node scripts/run.mjs ENTRY [ARG ...]\n')
  process.exit(2)
}
await install()
if (entry === 'install') {
  process.exit(0)
}
launch(node, [join(root, entry), ...args], 'Delete node_modules and run the same command again.')
