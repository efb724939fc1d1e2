import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Timing } from '../../src/clock/index.ts'
import { generateKeyPair } from '../../src/identity/index.ts'
import { type K2Client, messageOf } from '../../src/k2/index.ts'
import type { TaskAccount } from '../../src/k2/settlement/index.ts'
import { bundleAt, createAuditor, distributionOf, providerAt } from '../../src/node/index.ts'
import { createTaskRunner } from '../../src/tasks/index.ts'
import type { RecordFacts as CheckedRecord } from '../../src/testnet/facts.ts'
import { createLedgerCheck } from '../../src/testnet/ledger-check.ts'
import type { RecordFacts } from './facts.ts'
import type { LabNode } from './lab-node.ts'

export interface OutsiderInit {
  dir: string
  client: K2Client
  task: string
  timing: Timing
  nodes: LabNode[]
}

export interface Outsider {
  /** Fetches the record that K2 has just finalized, and recomputes it, one after the other. */
  read(account: TaskAccount): void
  /** So far. */
  records(): RecordFacts[]
  /** When all that was asked for has been read, or could not be. */
  finish(): Promise<void>
}

/** The network loses packets, and the nodes that have a record may be the ones that are out. */
const TRIES = 5
const AGAIN_MS = 2_000
/** Nobody else waits for it. */
const FETCH_MS = 60_000

/** Someone without stake who reads each finalized record from the nodes and recomputes it: what it says, K2 pays by. */
export async function createOutsider({ dir, client, task, timing, nodes }: OutsiderInit): Promise<Outsider> {
  const auditor = await createAuditor()
  const unused = () => Promise.reject(new Error('a distribution reads nothing'))
  const runner = await createTaskRunner({
    taskId: task,
    staker: generateKeyPair().address,
    bundle: { path: bundleAt('k2-index') },
    folder: join(dir, 'outsider'),
    store: { get: unused, put: unused, delete: unused, list: unused },
    proofs: { putNode: unused, putFiles: unused, getNode: unused, listFiles: unused, readFile: unused },
    k2: { slot: unused, block: unused, blocks: unused },
    log: () => {}
  })
  const check = createLedgerCheck({
    k2: client,
    task,
    genesisHash: await client.genesisHash(),
    timing,
    auditor,
    fetchMs: FETCH_MS,
    providers: () => nodes.flatMap((node) => node.multiaddrs().slice(0, 1).map(providerAt)),
    distribution: (input) => distributionOf(runner, input)
  })
  const records: RecordFacts[] = []
  let before: ReadonlyMap<string, bigint> = new Map()
  let reading: Promise<void> = Promise.resolve()
  const nameOf = (staker: string) => nodes.find((node) => node.staker === staker)?.name ?? staker

  async function readOne(account: TaskAccount): Promise<void> {
    const { cycle } = account.finalized!
    let fault = ''
    for (let i = 0; i < TRIES; i++) {
      try {
        records.push(factsOf(await check.check(account)))
        return
      } catch (err) {
        fault = messageOf(err)
        await sleep(AGAIN_MS)
      }
    }
    records.push({ cycle, record: '', broken: `could not be read: ${fault}`, accepted: [], rejected: [], paid: {} })
  }

  function factsOf({ cycle, cid, recomputed, accepted, rejected, rewards }: CheckedRecord): RecordFacts {
    const paid = Object.fromEntries(
      [...rewards]
        .map(([staker, total]) => [nameOf(staker), String(total - (before.get(staker) ?? 0n))] as const)
        .filter(([, roe]) => roe !== '0')
    )
    before = rewards
    return {
      cycle,
      record: cid,
      broken: recomputed.ok ? null : recomputed.reason,
      accepted: accepted.map(nameOf),
      rejected: rejected.map(({ staker, reason }) => ({ node: nameOf(staker), reason })),
      paid
    }
  }

  return {
    records: () => records,
    read(account) {
      reading = reading.then(() => readOne(account))
    },
    async finish() {
      await reading
      await runner.stop()
      await auditor.stop()
    }
  }
}
