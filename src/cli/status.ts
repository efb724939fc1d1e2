import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Command } from 'commander'
import { loadConfig, roeToKoii } from '../config/index.ts'
import { API_FILE } from '../node/index.ts'
import { answer, example, tableOf, withJson } from './common.ts'

interface Status {
  node: string
  taskName: string
  task: string
  slot: number | null
  cycle: number | null
  staked: boolean | null
  stake: string
  finalizedCycle: number | null
  bundles: Array<{ cid: string; from: number; state: string }>
  /** What the operator should know and do. */
  notices: string[]
  peers: { staked: number; connected: number; mesh: number }
  rssBytes: number
  multiaddrs: string[]
  cycles: Array<{ cycle: number; entry: Entry }>
}

interface Entry {
  outcome?: string
  reason?: string
  /** Why there was nothing to submit. */
  missed?: string
  paid?: string
  total?: string
  voted?: string
  voteLost?: string
  /** Why K2 has no record of the cycle. */
  skipped?: string
}

function submissionOf({ outcome, reason, missed, skipped }: Entry): string {
  if (skipped != null && outcome == null) {
    return `skipped: ${skipped}`
  }
  if (missed != null && (outcome == null || outcome === 'no submission')) {
    return `missed: ${missed}`
  }
  return `${outcome ?? '-'}${reason == null ? '' : `: ${reason}`}`
}

export class StatusError extends Error {
  override name = 'StatusError'
}

/** A node on this machine answers at once. */
const TIMEOUT_MS = 5000

export function statusCommand(): Command {
  return withJson(new Command('status'))
    .description('ask the running node how it is: its peers, its rounds, what it was paid and why not')
    .option('--data-dir <dir>', 'the data directory of the node')
    .option('--url <url>', 'its status API, if known')
    .addHelpText('after', example('koii-mesh status --data-dir ./alice'))
    .action(async ({ dataDir, url, json }: { dataDir?: string; url?: string; json?: boolean }) => {
      const status = await ask(url ?? (await findApi(dataDir)))
      const table = tableOf(
        ['cycle', 'submission', 'vote', 'paid', 'in all'],
        status.cycles.map(({ cycle, entry }) => [
          cycle,
          submissionOf(entry),
          entry.voted == null ? (entry.voteLost ?? '-') : 'on K2',
          entry.paid == null ? '-' : `${roeToKoii(BigInt(entry.paid))} KOII`,
          entry.total == null ? '-' : `${roeToKoii(BigInt(entry.total))} KOII`
        ])
      )
      answer(json, status, [
        `node    ${status.node}`,
        `task    ${status.taskName} ${status.task}`,
        `stake   ${status.staked === true ? `${roeToKoii(BigInt(status.stake))} KOII` : status.staked === false ? 'none: koii-mesh stake --help' : 'not known yet: K2 has not answered'}`,
        `time    slot ${status.slot ?? 'unknown'}, cycle ${status.cycle ?? 'unknown'}, last finalized ${status.finalizedCycle ?? 'none'}`,
        `peers   ${status.peers.staked} staked, ${status.peers.mesh} in the mesh, ${status.peers.connected} connected`,
        `memory  ${(status.rssBytes / 1024 / 1024).toFixed(0)} MiB`,
        ...status.bundles
          .filter(({ state }) => state !== 'here')
          .map(({ cid, from, state }) =>
            state === 'failed'
              ? `bundle  ${cid}, from cycle ${from} on, cannot run: see the log`
              : `bundle  ${cid}, from cycle ${from} on, is being fetched from peers`
          ),
        ...status.notices.map((notice) => `NOTICE  ${notice}`),
        ...(status.cycles.length === 0 ? ['No cycle has been settled yet.'] : [table])
      ])
    })
}

async function findApi(dataDir: string | undefined): Promise<string> {
  const dir = dataDir ?? process.env.KOII_MESH_DATA_DIR ?? loadConfig({ flags: { k2: 'http://localhost', task: '1'.repeat(32) } }).dataDir
  try {
    const { url } = JSON.parse(await readFile(join(dir, API_FILE), 'utf8')) as { url: string }
    return url
  } catch {
    throw new StatusError(
      `no node runs with the data directory ${dir}: start one with koii-mesh start, or name its directory with --data-dir`
    )
  }
}

async function ask(url: string): Promise<Status> {
  try {
    const response = await fetch(`${url}/status`, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    if (!response.ok) {
      throw new Error(`status ${response.status}`)
    }
    return (await response.json()) as Status
  } catch (err) {
    throw new StatusError(
      `the node at ${url} does not answer (${err instanceof Error ? err.message : String(err)}): it may have been killed: start it again with koii-mesh start, or name the data directory of the node you mean with --data-dir`
    )
  }
}
