import { Command } from 'commander'
import { PROGRAM_ID } from '../k2/settlement/index.ts'
import { askInTurn, createAuditor, fetchRecordTo, hintsOf } from '../node/index.ts'
import { ProofUnavailableError, profileFault, toCid } from '../proofs/index.ts'
import { dialsOf, k2Of, type PeerOptions, withPeers } from './chain.ts'
import { answer, example, UsageError, whole, withJson } from './common.ts'
import { onBadHints } from './hints.ts'

interface GetOptions extends PeerOptions {
  k2?: string
  task?: string
  out?: string
  history?: boolean
  timeout: number
  json?: boolean
}

export function proofCommand(): Command {
  return new Command('proof')
    .description('look at proofs')
    .addHelpText('after', example('koii-mesh proof get bafy... --k2 http://127.0.0.1:8899 --task 9xQe...'))
    .addCommand(
      withPeers(withJson(new Command('get')), 'a peer that has it, with /p2p/ and its PeerId; may be given several times')
        .description('fetch a proof straight from a peer, check every block against its hash, and write it out')
        .argument('<cid>', 'CID of the proof')
        .option('--k2 <url>', 'with --task: ask the stakers of that task, whose addresses K2 has')
        .option('--task <id>', 'see --k2')
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

/** @throws UsageError on what names no proof, whoever may have it */
function checkCid(text: string): void {
  let cid: ReturnType<typeof toCid>
  try {
    cid = toCid(text)
  } catch (err) {
    throw new UsageError(err instanceof Error ? err.message : String(err))
  }
  if (cid.version === 0) {
    throw new UsageError(
      `${text} is a CID of version 0, and proofs have version 1: make it again with ipfs add --cid-version=1, and ask for the CID that this prints`
    )
  }
  const fault = profileFault(cid)
  if (fault != null) {
    throw new UsageError(`${text} is not the CID of a proof (${fault}): it should look like bafyrei... or bafybei...`)
  }
}

async function get(cid: string, options: GetOptions): Promise<void> {
  const { k2: url, task, out, history, timeout, json } = options
  checkCid(cid)
  const dials = await dialsOf(options, url)
  const hints = [...dials.named]
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
  const auditor = await createAuditor(dials)
  const path = out ?? cid
  const given = new Map<string, number>()
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
      const one = history === true ? null : await fetchRecordTo(auditor.proofs, cid, path, left(), given)
      return { record: one, fetched: one ?? (await auditor.proofs.fetchTo(cid, path, left())) }
    })
    // nothing was here before: what this command has looked at already came from peers, too
    const fromPeers = [...new Set([...fetched.fromPeers, ...given.keys()])]
    answer(
      json,
      { cid, path, ...fetched, localBlocks: 0, fromPeers, ...(record == null ? {} : { previous: record.previous?.toString() ?? null }) },
      [
        ...(record == null
          ? []
          : [
              `the record of cycle ${record.cycle} and its ledger${record.previous == null ? '' : `; the record before it is ${record.previous} (--history fetches all of them)`}`
            ]),
        `${fetched.blocks} blocks, ${fetched.sizeBytes} bytes, all of them as their hashes say`,
        `from    ${fromPeers.join(', ')}`,
        `written ${path}`
      ]
    )
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
