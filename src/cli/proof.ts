import { Command } from 'commander'
import { commandLine } from '../command/index.ts'
import { PROGRAM_ID } from '../k2/settlement/index.ts'
import {
  type Auditor,
  askInTurn,
  type CycleRange,
  createAuditor,
  type FetchedHistory,
  fetchHistoryTo,
  fetchRecordTo,
  hintsOf,
  type VerifyProgress,
  verifyCar
} from '../node/index.ts'
import { complain } from '../observe/output.ts'
import { untilStopped } from '../observe/process.ts'
import { counted } from '../observe/words.ts'
import { ProofUnavailableError, type ProviderHint, profileFault, type SaveAs, toCid } from '../proofs/index.ts'
import { dialsOf, k2Of, type PeerOptions, withPeers } from './chain.ts'
import { answer, example, UsageError, whole, withJson } from './common.ts'
import { onBadHints } from './hints.ts'

interface GetOptions extends PeerOptions {
  k2?: string
  task?: string
  out?: string
  car?: boolean
  history?: boolean
  fromCycle?: number
  timeout: number
  json?: boolean
}

/** What there is was written, and it is less than was asked for. */
const INCOMPLETE = 4

export function proofCommand(): Command {
  return new Command('proof')
    .description('look at proofs and records')
    .addHelpText('after', example('koii-mesh proof get bafy... --k2 http://127.0.0.1:8899 --task 9xQe...'))
    .addCommand(
      withPeers(withJson(new Command('get')), 'a peer that has it, with /p2p/ and its PeerId; may be given several times')
        .description('fetch a proof or a record straight from a peer, check every block against its hash, and write it out')
        .argument('<cid>', 'CID of the proof or record')
        .option('--k2 <url>', 'with --task: ask the stakers of that task, whose addresses K2 has')
        .option('--task <id>', 'see --k2')
        .option('--out <path>', 'where to write it; without it, a file or folder named after the CID')
        .option('--car', 'write the blocks with their hashes, as a CAR file, to hand on; so does a path in --out that ends with .car')
        .option(
          '--history',
          'of a record: all the records before it, too, as far as somebody has them; exit status 4 where that is not all'
        )
        .option('--from-cycle <n>', 'of a record: those before it down to this cycle', whole(0))
        .option('--timeout <s>', 'seconds until it gives up; what came by then is written', whole(1, 86_400), 30)
        .addHelpText(
          'after',
          example(
            'koii-mesh proof get bafy... --from /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW... --out ./proof',
            'koii-mesh proof get bafy... --k2 http://127.0.0.1:8899 --task 9xQe... --history --out ./payments.car --timeout 600'
          )
        )
        .action(get)
    )
    .addCommand(
      withJson(new Command('verify'))
        .description(
          'check a CAR file without a network: every hash, and that it holds a whole proof, or records that follow from each other'
        )
        .argument('<file>', 'what proof get --car wrote')
        .addHelpText('after', example('koii-mesh proof verify ./payments.car'))
        .action(verify)
    )
}

export class NobodyHasItError extends Error {
  override name = 'NobodyHasItError'
}

function nobodyHasIt({ message, facts }: ProofUnavailableError, timeout: number): NobodyHasItError {
  const longer = facts.refused === true ? '' : ', or give it longer with --timeout'
  return new NobodyHasItError(
    `${message.replace(/within \d+ ms/, `within ${timeout * 1000} ms`)}. Check the CID; a proof is kept for some rounds only, so ask a peer that has it with --from${longer}`
  )
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
  const { k2: url, task, out, fromCycle, timeout, json } = options
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
      url != null && task != null
        ? `nobody to ask: no staker of the task ${task} has an address on K2 that can be dialled. Name a peer with --from, or a node of this machine with --data-dir`
        : 'nobody to ask: name a peer with --from, a node of this machine with --data-dir, or the task whose stakers to ask with --k2 and --task'
    )
  }
  const auditor = await createAuditor(dials)
  const as: SaveAs = options.car === true || out?.endsWith('.car') === true ? 'car' : 'files'
  const target: Target = { auditor, hints, cid, path: out ?? (as === 'car' ? `${cid}.car` : cid), as, timeoutMs: timeout * 1000, json }
  const progress = { cycle: undefined as number | undefined, records: 0 }
  const timer =
    json === true
      ? undefined
      : setInterval(() => {
          const { receivedBlocks, receivedBytes } = auditor.proofs.stats()
          const chain = progress.cycle == null ? '' : `, ${counted(progress.records, 'record')}, back to cycle ${progress.cycle}`
          complain(`fetching: ${counted(receivedBlocks, 'block')}, ${counted(receivedBytes, 'byte')}${chain}`)
        }, 2000)
  try {
    if (options.history !== true && fromCycle == null) {
      await getOne(target)
      return
    }
    const stopping = new AbortController()
    void untilStopped().then(() => stopping.abort())
    const history = await fetchHistoryTo(auditor, cid, target.path, {
      hints,
      timeoutMs: target.timeoutMs,
      as,
      until: stopping.signal,
      ...(fromCycle == null ? {} : { fromCycle }),
      onRecord: (cycle, records) => Object.assign(progress, { cycle, records })
    })
    history == null ? await getOne(target) : tellHistory(target, history)
  } catch (err) {
    throw err instanceof ProofUnavailableError ? nobodyHasIt(err, timeout) : err
  } finally {
    clearInterval(timer)
    await auditor.stop()
  }
}

interface Target {
  auditor: Auditor
  hints: ProviderHint[]
  cid: string
  path: string
  as: SaveAs
  timeoutMs: number
  json: boolean | undefined
}

/** A proof, or one record and its ledger. */
async function getOne({ auditor, hints, cid, path, as, timeoutMs, json }: Target): Promise<void> {
  const given = new Map<string, number>()
  const { record, fetched } = await askInTurn(auditor, hints, timeoutMs, async (some, someMs) => {
    const deadline = performance.now() + someMs
    const left = () => ({ from: some, timeoutMs: Math.max(1, Math.round(deadline - performance.now())), as })
    const one = await fetchRecordTo(auditor.proofs, cid, path, left(), given)
    return { record: one, fetched: one ?? (await auditor.proofs.fetchTo(cid, path, left())) }
  })
  // nothing was here before: what this command has looked at already came from peers, too
  const fromPeers = [...new Set([...fetched.fromPeers, ...given.keys()])]
  const previous = record == null ? {} : { previous: record.previous?.toString() ?? null }
  answer(json, { cid, path, ...fetched, localBlocks: 0, fromPeers, ...previous }, [
    ...(record == null
      ? []
      : [
          `the record of cycle ${record.cycle} and its ledger${record.previous == null ? '' : `; the record before it is ${record.previous} (--history fetches all of them)`}`
        ]),
    `${counted(fetched.blocks, 'block')}, ${counted(fetched.sizeBytes, 'byte')}, all of them as their hashes say`,
    `from    ${fromPeers.join(', ')}`,
    `written ${path}`
  ])
}

function tellHistory({ cid, path, json }: Target, history: FetchedHistory): void {
  const { records, cycle, fromCycle, stopped, skipped, previous, blocks, sizeBytes, fromPeers } = history
  const first = previous == null ? ', the first of the task' : ''
  answer(json, { cid, path, ...history, complete: stopped == null, previous: previous?.toString() ?? null }, [
    `${counted(records, 'record')} with ledgers, from cycle ${cycle} back to cycle ${fromCycle}${first}: each follows from the one before it`,
    ...skippedLine(skipped),
    `${counted(blocks, 'block')}, ${counted(sizeBytes, 'byte')}, all of them as their hashes say`,
    `from    ${fromPeers.join(', ')}`,
    `written ${path}`,
    ...(stopped == null
      ? []
      : [
          `stops   before cycle ${fromCycle}: ${stopped}`,
          `rest    ${commandLine(['proof', 'get', String(previous)], { history: true })}, with more time or from others`
        ])
  ])
  if (stopped != null) {
    process.exitCode = INCOMPLETE
  }
}

const SHOWN_RANGES = 8

/** Cycles in which nobody was paid, as no record of theirs was agreed on; --json has all of them. */
function skippedLine(skipped: readonly CycleRange[]): string[] {
  const count = skipped.reduce((sum, { from, to }) => sum + to - from + 1, 0)
  const ranges = skipped.slice(0, SHOWN_RANGES).map(({ from, to }) => (from === to ? String(from) : `${from} to ${to}`))
  const more = skipped.length > SHOWN_RANGES ? ' and others' : ''
  return count === 0
    ? []
    : [`skipped ${counted(count, 'cycle')} between them without a record, in which nobody was paid: ${ranges.join(', ')}${more}`]
}

async function verify(file: string, { json }: { json?: boolean }): Promise<void> {
  let progress: VerifyProgress | undefined
  const onProgress = (now: VerifyProgress) => {
    progress = now
  }
  const timer = json === true ? undefined : setInterval(() => progress != null && complain(shownProgress(progress)), 2000)
  const verified = await verifyCar(file, { onProgress }).finally(() => clearInterval(timer))
  const { root, blocks, sizeBytes, others } = verified
  const whole =
    verified.kind === 'proof'
      ? [`the whole proof ${root}`]
      : [
          `${counted(verified.records, 'record')} with ledgers, from cycle ${verified.cycle} back to cycle ${verified.fromCycle}: each follows from the one before it`,
          ...skippedLine(verified.skipped),
          `newest  ${root}: compare it with that of the last finalized cycle, or follow that back to it: ${commandLine(['task', 'show', verified.task])}, with --k2 where its K2 is another one`,
          verified.previous == null
            ? 'first   the oldest one is the first of its task'
            : `before  ${verified.previous} comes before the oldest one, and is not in the file`
        ]
  answer(json, { file, ...verified }, [
    ...whole,
    `${counted(blocks, 'block')}, ${counted(sizeBytes, 'byte')}, all of them as their hashes say`,
    ...(others === 0 ? [] : [`beside  ${counted(others, 'block')} that do not belong to it`])
  ])
}

export function shownProgress({ checkedBytes, fileBytes, blocks, followed }: VerifyProgress): string {
  return followed === 0
    ? `checking: ${counted(blocks, 'block')}, ${checkedBytes} of ${counted(fileBytes, 'byte')}`
    : `following the links: ${followed} of ${counted(blocks, 'block')}`
}
