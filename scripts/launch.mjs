/**
 * Runs a file under another Node and is as good as that process: its signals, its exit status, and its end. Needs nothing but Node 20.
 */
import { spawn, spawnSync } from 'node:child_process'
import { constants } from 'node:os'

const LOOK_MS = 250

/**
 * Whether the parent is the shell that npm has made for this command alone: it passes no signal on, and a `kill` of npm ends it. Not so
 * where that shell itself puts the command to the background, nor where somebody's own shell did.
 */
function isNpmShell(pid) {
  const { npm_lifecycle_script: script = '' } = process.env
  if (!/scripts\/run\.mjs|koii-mesh/.test(script) || /\b(nohup|setsid|disown)\b|(?<!&)&(?!&)/.test(script)) {
    return false
  }
  return String(spawnSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' }).stdout ?? '').includes(script)
}

/** Ends `child` with npm's shell. That one gives us no pipe; but whoever loses its parent gets another. */
function endWithNpm(child, parent) {
  const timer = setInterval(() => {
    if (process.ppid !== parent) {
      clearInterval(timer)
      child.kill('SIGTERM')
    }
  }, LOOK_MS)
  timer.unref()
}

export function launch(node, args, help) {
  const child = spawn(node, args, {
    // the last one closes when this process is gone, however that ends: what it started ends with it (src/observe/process.ts)
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    env: { ...process.env, KOII_MESH_PARENT: `3:${process.pid}` }
  })
  child.stdio[3]?.on('error', () => {})
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    // a terminal sends Ctrl+C to the child as well; a service manager only to us
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
    })
  }
  const parent = process.ppid
  if (isNpmShell(parent)) {
    endWithNpm(child, parent)
  }
  child.on('error', (error) => {
    process.stderr.write(`koii-mesh: cannot run ${node}: ${error.message}. ${help}\n`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => {
    process.exit(code ?? 128 + (constants.signals[signal] ?? 0))
  })
}
