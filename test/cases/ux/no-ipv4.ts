/** What is run on a machine without IPv4, by 10-no-ipv4.spec.ts: the last line that it prints is what came out, as JSON. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cli, run } from '../../e2e/cli.ts'

const ip = (...args: string[]) => {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' })
  if (status !== 0) {
    throw new Error(`ip ${args.join(' ')}: ${stderr}`)
  }
}
ip('link', 'set', 'lo', 'up')
ip('addr', 'del', '127.0.0.1/8', 'dev', 'lo')

const dir = mkdtempSync(join(tmpdir(), 'koii-mesh-test-'))
const init = { cwd: dir, env: { HOME: dir } }
const k2 = cli(['k2', '--port', '8899', '--slot-ms', '100', '--json'], init)
try {
  const { url, wsUrl } = await k2.event('listening K2', ({ event }) => event === 'listening')
  const wallet = join(dir, 'wallet.json')
  await run(['keygen', '--out', wallet], init)
  // no --k2: the one of this machine is found
  const { task } = JSON.parse(
    (await run(['task', 'create', '--bundle', 'k2-index', '--wallet', wallet, '--airdrop', '--json'], init)).stdout
  )
  const data = join(dir, 'node')
  const node = cli(['start', '--k2', url, '--task', task, '--data-dir', data, '--allow-private', '--json', '--log-level', 'silent'], init)
  const { multiaddrs, api } = await node.event('listening node', ({ event }) => event === 'listening')
  const status = await run(['status', '--data-dir', data, '--json'], init)
  const refusals = []
  for (const args of [
    ['k2', '--host', '127.0.0.1', '--port', '0'],
    ['start', '--k2', url, '--task', task, '--data-dir', join(dir, 'other'), '--api-host', '127.0.0.1', '--log-level', 'silent']
  ]) {
    const { code, stderr } = await run(args, init)
    refusals.push({ code, stderr })
  }
  await node.clean()
  const mesh = cli(['testnet', '--nodes', '2', '--slot-ms', '100', '--json'], init)
  await mesh.event('two nodes that have found each other', ({ event }) => event === 'ready')
  await mesh.clean()
  console.log(JSON.stringify({ url, wsUrl, multiaddrs, api, status: JSON.parse(status.stdout).task === task, refusals }))
} finally {
  await k2.clean()
  rmSync(dir, { recursive: true, force: true })
}
