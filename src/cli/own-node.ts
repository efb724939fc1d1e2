/** The node that runs on this machine, asked by its control API. */
import type { Command } from 'commander'
import { loadConfig } from '../config/index.ts'
import { ask, doorOf, type NodeDoor, tokenAt } from '../control/client.ts'
import { formerStatusSchema, OPEN_STATUS } from '../control/former.ts'
import { type Status, statusSchema } from '../control/schemas.ts'
import { providerAt } from '../node/hints.ts'
import type { ProviderHint } from '../proofs/index.ts'
import { UsageError } from './common.ts'

/** Which node is meant. */
export interface NodeOptions {
  dataDir?: string
  url?: string
  tokenFile?: string
}

export function withNode(command: Command): Command {
  return command
    .option('--data-dir <dir>', 'the data directory of the node')
    .option('--url <url>', 'its control API, where that is not on this machine: `status` needs nothing else, all else --token-file')
    .option('--token-file <file>', 'a file with the token of that node: what is in api-token in its data directory')
}

/** @throws UsageError, ControlError */
export function nodeOf({ dataDir, url, tokenFile }: NodeOptions): NodeDoor {
  if (url == null && tokenFile != null) {
    throw new UsageError('--token-file goes with --url: without both, the node is found by its --data-dir')
  }
  if (url != null) {
    if (!URL.canParse(url) || new URL(url).protocol !== 'http:') {
      throw new UsageError(`--url is "${url}": should be like http://127.0.0.1:4100`)
    }
    return { url, named: url, ...(tokenFile == null ? {} : { token: tokenAt(tokenFile) }) }
  }
  const dir = dataDir ?? process.env.KOII_MESH_DATA_DIR ?? loadConfig({ flags: { k2: 'http://localhost', task: '1'.repeat(32) } }).dataDir
  return doorOf(dir)
}

/** What a running node says of itself. @throws ControlError */
export function askStatus(node: NodeDoor): Promise<Status> {
  return node.token == null ? ask(node, formerStatusSchema, OPEN_STATUS) : ask(node, statusSchema, '/v1/status')
}

export const ASK_NODE_OPTION = ['--data-dir <dir>', 'the data directory of a node that runs on this machine: it is asked first'] as const

/** Where the node of a data directory listens; none without one. @throws ControlError */
export async function ownNode(dataDir: string | undefined): Promise<ProviderHint[]> {
  if (dataDir == null) {
    return []
  }
  const { listens, multiaddrs } = await askStatus(doorOf(dataDir))
  const hints = [...listens, ...multiaddrs].map(providerAt)
  return hints.slice(0, 1).map(({ peerId }) => ({ peerId, multiaddrs: [...new Set(hints.flatMap((hint) => hint.multiaddrs ?? []))] }))
}
