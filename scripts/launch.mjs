/**
 * Runs a file under another Node and is as good as that process: its signals, its exit status, and its end. Needs nothing but Node 20.
 */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'

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
  child.on('error', (error) => {
    process.stderr.write(`koii-mesh: cannot run ${node}: ${error.message}. ${help}\n`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => {
    process.exit(code ?? 128 + (constants.signals[signal] ?? 0))
  })
}
