import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { bytesOf } from '../../test/proofs/fixtures.ts'
import type { Twins } from './proofs.ts'
import { BULK_BLOCKS, MANY_BLOCKS, SMALL_PROOFS } from './proofs-twin.ts'
import { BenchError } from './result.ts'

const execute = promisify(execFile)
const READY_TIMEOUT_MS = 60_000

/** Kubo on loopback, alone with its twin: no bootstrap peers, no DHT, blocks in files as it has them by default. Asked by its RPC. */
export async function startKubo(program: string): Promise<Twins> {
  const home = await mkdtemp(join(tmpdir(), 'koii-mesh-kubo-'))
  const env = { ...process.env, IPFS_PATH: home, IPFS_TELEMETRY: 'off' }
  let daemon: ChildProcess | undefined
  const stop = () => {
    daemon?.kill()
    rm(home, { recursive: true, force: true }).catch(() => {})
  }
  try {
    await execute(program, ['init', '--empty-repo'], { env })
    for (const [key, value] of Object.entries({
      'Addresses.Swarm': ['/ip4/127.0.0.1/tcp/0'],
      'Addresses.API': '/ip4/127.0.0.1/tcp/0',
      'Addresses.Gateway': [],
      Bootstrap: [],
      'Routing.Type': 'none',
      'Discovery.MDNS.Enabled': false
    })) {
      await execute(program, ['config', '--json', key, JSON.stringify(value)], { env })
    }
    daemon = spawn(program, ['daemon'], { env, stdio: ['ignore', 'pipe', 2] })
    const url = await apiOf(daemon)
    const call = async (path: string, init: RequestInit = {}): Promise<string> => {
      const response = await fetch(`${url}/api/v0/${path}`, { method: 'POST', ...init })
      const text = await response.text()
      if (!response.ok) {
        throw new BenchError(`kubo answers ${response.status} to ${path}: ${text}`)
      }
      return text
    }
    return { ask: (request) => answer(call, request), stop }
  } catch (err) {
    stop()
    throw new BenchError(`kubo at ${program} did not start: ${err instanceof Error ? err.message : err}`)
  }
}

function apiOf(daemon: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const timer = setTimeout(() => reject(new Error(`it was not ready in ${READY_TIMEOUT_MS / 1000} s`)), READY_TIMEOUT_MS)
    daemon.once('error', reject)
    daemon.once('exit', (code) => reject(new Error(`it ended with status ${code}`)))
    daemon.stdout!.on('data', (chunk) => {
      text = (text + chunk).slice(-16_384)
      const port = /RPC API server listening on \/ip4\/127\.0\.0\.1\/tcp\/(\d+)/.exec(text)?.[1]
      if (port != null && text.includes('Daemon is ready')) {
        clearTimeout(timer)
        resolve(`http://127.0.0.1:${port}`)
      }
    })
  })
}

type Call = (path: string, init?: RequestInit) => Promise<string>

async function answer(call: Call, request: Parameters<Twins['ask']>[0]): Promise<string[] | number[]> {
  switch (request.ask) {
    case 'where':
      return (JSON.parse(await call('id')) as { Addresses: string[] }).Addresses
    case 'meet':
      await call(`swarm/connect?arg=${encodeURIComponent(request.multiaddrs[0]!)}`)
      return []
    case 'make': {
      const { shape, seed } = request
      if (shape === 'bulk') {
        return [
          await added(call, Buffer.concat(Array.from({ length: BULK_BLOCKS }, (_, at) => bytesOf(256 * 1024, seed + at))), 256 * 1024)
        ]
      }
      if (shape === 'many') {
        return [await added(call, Buffer.concat(Array.from({ length: MANY_BLOCKS }, (_, at) => bytesOf(1024, seed + at))), 1024)]
      }
      const roots: string[] = []
      for (let at = 0; at < SMALL_PROOFS; at++) {
        roots.push(await added(call, bytesOf(1000, seed + at), 1024))
      }
      return roots
    }
    case 'fetch': {
      const tookMs: number[] = []
      for (const root of request.roots) {
        const startMs = performance.now()
        await call(`pin/add?arg=${root}`)
        tookMs.push(performance.now() - startMs)
      }
      return tookMs
    }
  }
}

/** @returns the root's CID */
async function added(call: Call, bytes: Uint8Array, chunkBytes: number): Promise<string> {
  const body = new FormData()
  body.append('file', new Blob([new Uint8Array(bytes)]))
  const text = await call(`add?raw-leaves=true&cid-version=1&chunker=size-${chunkBytes}`, { body })
  return (JSON.parse(text.trim().split('\n').at(-1)!) as { Hash: string }).Hash
}
