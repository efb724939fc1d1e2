import { Command } from 'commander'
import { PROGRAM_ID } from '../k2/settlement/index.ts'
import { askInTurn, createAuditor, fetchRecordTo, hintsOf, providerAt } from '../node/index.ts'
import { ProofUnavailableError, toCid } from '../proofs/index.ts'
import { k2Of } from './chain.ts'
import { answer, collect, example, UsageError, whole, withJson } from './common.ts'
import { onBadHints } from './hints.ts'
import { ASK_NODE_OPTION, ownNode } from './own-node.ts'

interface GetOptions {
  from?: string[]
  k2?: string
  task?: string
  dataDir?: string
  out?: string
  history?: boolean
  timeout: number
  json?: boolean
}

export function proofCommand(): Command {
  return new Command('proof').description('look at proofs').addCommand(
    withJson(new Command('get'))
      .description('fetch a proof straight from a peer, check every block against its hash, and write it out')
      .argument('<cid>', 'CID of the proof')
      .option('--from <multiaddr>', 'a peer that has it, with /p2p/ and its PeerId; may be given several times', collect)
      .option('--k2 <url>', 'with --task: ask the stakers of that task, whose addresses K2 has')
      .option('--task <id>', 'see --k2')
      .option(...ASK_NODE_OPTION)
      .option('--out <path>', 'where to write it; without it, a file or folder named after the CID')
      .option('--history', 'of a record: all the records before it, too, as far as somebody still has them all')
      .option('--timeout <s>', 'seconds until it gives up', whole(1, 86_400), 30)
      .addHelpText('after', example('koii-mesh proof get bafy... --from /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW... --out ./proof'))
      .action(get)
  )
}

export class NobodyHasItError extends Error {
  override name = 'NobodyHasItError'
}

async function get(cid: string, { from = [], k2: url, task, dataDir, out, history, timeout, json }: GetOptions): Promise<void> {
  try {
    toCid(cid)
  } catch (err) {
    throw new UsageError(err instanceof Error ? err.message : String(err))
  }
  const hints = [...(await ownNode(dataDir)), ...from.map(providerAt)]
  if (url != null && task != null) {
    const { from: stakers, bad } = hintsOf(await k2Of({ k2: url, program: PROGRAM_ID }).stakes(task))
    onBadHints(bad)
    hints.push(...stakers)
  }
  if (hints.length === 0) {
    throw new UsageError(
      'nobody to ask: name a peer with --from, a node of this machine with --data-dir, or the task whose stakers to ask with --k2 and --task'
    )
  }
  const auditor = await createAuditor()
  const path = out ?? cid
  const progress =
    json === true
      ? undefined
      : setInterval(
          () =>
            process.stderr.write(
              `fetching: ${auditor.proofs.stats().receivedBlocks} blocks, ${auditor.proofs.stats().receivedBytes} bytes\n`
            ),
          2000
        )
  try {
    const { record, fetched } = await askInTurn(auditor, hints, timeout * 1000, async (some, timeoutMs) => {
      const deadline = performance.now() + timeoutMs
      const left = () => ({ from: some, timeoutMs: Math.max(1, Math.round(deadline - performance.now())) })
      const one = history === true ? null : await fetchRecordTo(auditor.proofs, cid, path, left())
      return { record: one, fetched: one ?? (await auditor.proofs.fetchTo(cid, path, left())) }
    })
    answer(json, { cid, path, ...fetched, ...(record == null ? {} : { previous: record.previous?.toString() ?? null }) }, [
      ...(record == null
        ? []
        : [
            `the record of cycle ${record.cycle} and its ledger${record.previous == null ? '' : `; the record before it is ${record.previous} (--history fetches all of them)`}`
          ]),
      `${fetched.blocks} blocks, ${fetched.sizeBytes} bytes, all of them as their hashes say`,
      `from    ${fetched.fromPeers.join(', ')}`,
      `written ${path}`
    ])
  } catch (err) {
    throw err instanceof ProofUnavailableError
      ? new NobodyHasItError(
          `${err.message.replace(/within \d+ ms/, `within ${timeout * 1000} ms`)}. Check the CID; a proof is kept for some rounds only, so ask a peer that has it with --from, or give it longer with --timeout`
        )
      : err
  } finally {
    clearInterval(progress)
    await auditor.stop()
  }
}
