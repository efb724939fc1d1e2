/** An outsider that checks every record, from what the nodes serve, with the task's own distribution. */
import { join } from 'node:path'
import type { Timing } from '../clock/index.ts'
import { createAuditor, distributionOf, providerAt } from '../node/index.ts'
import { createTaskRunner } from '../tasks/index.ts'
import type { Chain } from './chain.ts'
import { createLedgerCheck } from './ledger-check.ts'
import type { TestnetLimits } from './limits.ts'
import type { Member } from './member.ts'

export interface OutsiderInit {
  chain: Chain
  /** Address of the task's account. */
  task: string
  /** The bundle's file. */
  path: string
  dir: string
  timing: Timing
  members: readonly Member[]
  limits: TestnetLimits
  /** Gets what is to be undone at the end. */
  cleanup: Array<() => Promise<unknown>>
}

export type LedgerCheck = ReturnType<typeof createLedgerCheck>

export async function createOutsider({ chain, task, path, dir, timing, members, limits, cleanup }: OutsiderInit): Promise<LedgerCheck> {
  const { client, wallet } = chain
  const auditor = await createAuditor()
  cleanup.push(() => auditor.stop())
  const unused = () => Promise.reject(new Error('a distribution reads nothing'))
  const runner = await createTaskRunner({
    taskId: task,
    staker: wallet.address,
    bundle: { path },
    folder: join(dir, 'checker'),
    store: { get: unused, put: unused, delete: unused, list: unused },
    proofs: { putNode: unused, putFiles: unused, getNode: unused, listFiles: unused, readFile: unused },
    k2: { slot: unused, block: unused, blocks: unused },
    startTimeoutMs: limits.fetchMs,
    log: () => {}
  })
  cleanup.push(() => runner.stop())
  const genesisHash = await client.genesisHash()
  return createLedgerCheck({
    k2: client,
    task,
    genesisHash,
    timing,
    auditor,
    providers: () => members.flatMap(({ hint }) => (hint == null ? [] : [providerAt(hint)])),
    distribution: (input) => distributionOf(runner, input),
    fetchMs: limits.fetchMs
  })
}
