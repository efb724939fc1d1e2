/** The node that runs on this machine, asked by its status API. */
import { join } from 'node:path'
import { commandLine } from '../command/index.ts'
import { loadConfig } from '../config/index.ts'
import { readSmallFile } from '../disk/index.ts'
import { API_FILE } from '../node/api.ts'
import { providerAt } from '../node/hints.ts'
import type { ProviderHint } from '../proofs/index.ts'

export class StatusError extends Error {
  override name = 'StatusError'
}

/** A node on this machine answers at once. */
const TIMEOUT_MS = 5000
const MAX_API_FILE_BYTES = 4096

/** The URL of a running node's status API. @throws StatusError */
export async function findApi(dataDir: string | undefined): Promise<string> {
  const dir = dataDir ?? process.env.KOII_MESH_DATA_DIR ?? loadConfig({ flags: { k2: 'http://localhost', task: '1'.repeat(32) } }).dataDir
  try {
    const { url } = JSON.parse(readSmallFile(join(dir, API_FILE), MAX_API_FILE_BYTES).toString('utf8')) as { url: string }
    return url
  } catch {
    throw new StatusError(
      `no node runs with the data directory ${dir}: start one (${commandLine(['start'], { help: true })}), or name its directory with --data-dir`
    )
  }
}

/** What a running node says of itself. @throws StatusError */
export async function askStatus<T>(url: string): Promise<T> {
  try {
    const response = await fetch(`${url}/status`, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    if (!response.ok) {
      throw new Error(`status ${response.status}`)
    }
    return (await response.json()) as T
  } catch (err) {
    throw new StatusError(
      `the node at ${url} does not answer (${err instanceof Error ? err.message : String(err)}): it may have been killed: start it again (${commandLine(['start'], { help: true })}), or name the data directory of the node you mean with --data-dir`
    )
  }
}

export const ASK_NODE_OPTION = ['--data-dir <dir>', 'the data directory of a node that runs on this machine: it is asked first'] as const

/** Where the node of a data directory listens; none without one. @throws StatusError */
export async function ownNode(dataDir: string | undefined): Promise<ProviderHint[]> {
  if (dataDir == null) {
    return []
  }
  const { listens, multiaddrs } = await askStatus<{ listens: string[]; multiaddrs: string[] }>(await findApi(dataDir))
  const hints = [...listens, ...multiaddrs].map(providerAt)
  return hints.slice(0, 1).map(({ peerId }) => ({ peerId, multiaddrs: [...new Set(hints.flatMap((hint) => hint.multiaddrs ?? []))] }))
}
