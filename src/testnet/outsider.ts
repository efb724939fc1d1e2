/** An outsider that checks every record of a task, from what the nodes serve, with the task's own distribution. */
import { join } from 'node:path'
import { type Auditor, createAuditor, distributionOf, providerAt } from '../node/index.ts'
import { createTaskRunner } from '../tasks/index.ts'
import type { Chain } from './chain.ts'
import { createLedgerCheck } from './ledger-check.ts'
import type { TestnetLimits } from './limits.ts'
import type { Member } from './member.ts'
import type { TaskRun } from './task-run.ts'

export interface OutsiderInit {
  chain: Chain
  runs: readonly TaskRun[]
  dir: string
  members: readonly Member[]
  limits: TestnetLimits
  /** Somebody stops the run. */
  signal: AbortSignal
  /** Gets what is to be undone at the end. */
  cleanup: Array<() => Promise<unknown>>
}

/** Ctrl+C reaches the nodes, too: from those that have ended nothing comes any more. */
const STOP_MS = 10_000

export type LedgerCheck = ReturnType<typeof createLedgerCheck>
/** By task. */
export type LedgerChecks = ReadonlyMap<TaskRun, LedgerCheck>

export async function createOutsider(init: OutsiderInit): Promise<LedgerChecks> {
  const { runs, dir, signal, cleanup } = init
  const auditor = await createAuditor()
  cleanup.push(() => auditor.stop())
  const ended = new AbortController()
  let timer: NodeJS.Timeout | undefined
  signal.addEventListener('abort', () => {
    timer = setTimeout(() => ended.abort(), STOP_MS)
  })
  cleanup.push(async () => clearTimeout(timer))
  const checks = new Map<TaskRun, LedgerCheck>()
  for (const [at, run] of runs.entries()) {
    checks.set(run, await checkOf(run, auditor, join(dir, at === 0 ? 'checker' : `checker-${at + 1}`), ended.signal, init))
  }
  return checks
}

async function checkOf(
  { task, chosen, timing }: TaskRun,
  auditor: Auditor,
  folder: string,
  until: AbortSignal,
  { chain, members, limits, cleanup }: OutsiderInit
): Promise<LedgerCheck> {
  const { client, wallet } = chain
  const unused = () => Promise.reject(new Error('a distribution reads nothing'))
  const runner = await createTaskRunner({
    taskId: task,
    staker: wallet.address,
    bundle: { path: chosen.path },
    folder,
    store: { get: unused, put: unused, delete: unused, list: unused },
    proofs: { putNode: unused, putFiles: unused, getNode: unused, listFiles: unused, readFile: unused },
    k2: { slot: unused, block: unused, blocks: unused },
    startTimeoutMs: limits.fetchMs,
    log: () => {}
  })
  cleanup.push(() => runner.stop())
  return createLedgerCheck({
    k2: client,
    task,
    genesisHash: await client.genesisHash(),
    timing,
    auditor,
    providers: () => members.flatMap(({ hint }) => (hint == null ? [] : [providerAt(hint)])),
    distribution: (input) => distributionOf(runner, input),
    fetchMs: limits.fetchMs,
    until
  })
}
