import { Command } from 'commander'
import { commandLine } from '../command/index.ts'
import { roeToKoii } from '../config/index.ts'
import type { Status } from '../control/schemas.ts'
import { shownText } from '../observe/shown-text.ts'
import { counted } from '../observe/words.ts'
import { answer, example, withJson } from './common.ts'
import { nextSteps } from './next.ts'
import { askStatus, type NodeOptions, nodeOf, withNode } from './own-node.ts'
import { tableOf } from './table.ts'

type Endpoint = Status['k2'][number]
type Entry = Status['cycles'][number]['entry']

/** Columns of a reason: the whole one is in --json. */
const MAX_REASON = 160

function submissionOf({ outcome, reason, missed, skipped, proofs }: Entry): string {
  if (skipped != null && outcome == null) {
    return shownText(`skipped: ${skipped}`, MAX_REASON)
  }
  if (missed != null && (outcome == null || outcome === 'no submission')) {
    return shownText(`missed: ${missed}`, MAX_REASON)
  }
  const soFar = proofs == null ? '-' : 'submitted'
  return shownText(`${outcome ?? soFar}${reason == null ? '' : `: ${reason}`}`, MAX_REASON)
}

function endpointInWords({ state, slot, lagSlots, away, silentMs, webSocket }: Endpoint): string {
  if (state === 'of another network') {
    return 'is of another network, and not asked: take it out of --k2'
  }
  if (away === true) {
    return `has not answered since ${slot == null ? 'the start' : `slot ${slot}`}, for ${Math.round((silentMs ?? 0) / 1000)} s`
  }
  const how = webSocket === false ? ', only when it is asked: its WebSocket tells no slots' : ''
  switch (state) {
    case 'good':
      return `answers${slot == null ? '' : `, slot ${slot}`}${how}`
    case 'behind':
      return `answers, ${counted(lagSlots, 'slot')} behind the others${how}`
    case 'paused':
      return `failed, and is left alone for a moment${how}`
    case 'suspect':
      return `contradicts the others, and is believed last${how}`
  }
}

function recordsInWords({ from, to, bytes, maxBytes, gaps }: Status['records']): string {
  const mib = (of: number) => (of / 1024 / 1024).toFixed(1)
  const lacks = gaps.length === 0 ? '' : `, without those right before ${gaps.length > 1 ? 'cycles' : 'cycle'} ${gaps.join(', ')}`
  return `of cycles ${from} to ${to}${lacks}; ${mib(bytes)} of ${mib(maxBytes)} MiB`
}

/** Proofs of earlier cycles are not kept. */
const CIDS_CYCLES = 3

/** By these anybody gets a proof or a record (`proof get`); each on a line of its own, to be copied whole. */
function cidLines(cycles: Status['cycles']): string[] {
  return cycles
    .slice(0, CIDS_CYCLES)
    .flatMap(({ cycle, entry: { proofs = [], record } }) => [
      ...proofs.map((cid) => `proof   of cycle ${cycle}: ${cid}`),
      ...(record == null ? [] : [`record  of cycle ${cycle}: ${record}`])
    ])
}

function firstStake({ k2, program, task, minStake, bundleNotice, keyFile }: Status, dataDir: string | undefined): string {
  const urls = k2.map(({ name }) => name)
  // what follows on the host of a provider's URL is its customer's secret, and not told
  if (urls.length === 0 || urls.some((url) => url.endsWith('/...'))) {
    return commandLine(['stake'], { help: true })
  }
  return nextSteps({ k2: urls, program, task, key: keyFile ?? undefined, dataDir: dataDir ?? '' }).stake(
    { minStake: BigInt(minStake), bundleNotice },
    undefined
  )
}

export function statusCommand(): Command {
  return withNode(withJson(new Command('status')))
    .description('ask the running node how it is: its peers, its rounds, what it was paid and why not')
    .addHelpText(
      'after',
      `
What it shows of peers: connected (all), staked (of those, the ones with stake that have shown their key), in the mesh (of those, the
ones that gossip of the task goes to and comes from directly). A row for each cycle: what became of the submission and of the final
vote, what the cycle paid, and the sum of all.
`
    )
    .addHelpText('after', example('koii-mesh status --data-dir ./alice'))
    .action(async ({ json, ...options }: NodeOptions & { json?: boolean }) => {
      const status = await askStatus(nodeOf(options))
      const table = tableOf(
        ['cycle', 'submission', 'vote', 'paid', 'in all'],
        status.cycles.map(({ cycle, entry }) => [
          cycle,
          submissionOf(entry),
          entry.voted == null ? (entry.voteLost ?? '-') : 'on K2',
          entry.paid == null ? '-' : `${roeToKoii(BigInt(entry.paid))} KOII`,
          entry.total == null ? '-' : `${roeToKoii(BigInt(entry.total))} KOII`
        ]),
        { prose: 1 }
      )
      answer(json, status, [
        `node    ${status.node}`,
        `task    ${status.taskName} ${status.task}`,
        `stake   ${status.staked === true ? `${roeToKoii(BigInt(status.stake))} KOII` : status.staked === false ? `none${status.keyReplaced === true ? ': another key signs for it' : `: ${firstStake(status, options.dataDir)}`}` : 'not known yet: K2 has not answered'}`,
        `time    slot ${status.slot ?? 'unknown'}, cycle ${status.cycle ?? 'unknown'}, last finalized ${status.finalizedCycle ?? 'none'}`,
        ...status.k2.map((endpoint, i) => `${i === 0 ? 'k2' : '  '}      ${endpoint.name} ${endpointInWords(endpoint)}`),
        `peers   ${status.peers.staked} staked, ${status.peers.mesh} in the mesh, ${status.peers.connected} connected`,
        ...(status.records.from == null ? [] : [`records ${recordsInWords(status.records)}`]),
        ...(status.signer == null ? [] : [`signer  ${status.signer}`]),
        `memory  ${(status.rssBytes / 1024 / 1024).toFixed(0)} MiB`,
        ...status.bundles
          .filter(({ state }) => state !== 'here')
          .map(({ cid, from, state }) =>
            state === 'failed'
              ? `bundle  ${cid}, from cycle ${from} on, cannot run: see the log`
              : `bundle  ${cid}, from cycle ${from} on, is being fetched from peers`
          ),
        ...status.notices.map((notice) => `NOTICE  ${notice}`),
        ...(status.cycles.length === 0 ? ['No cycle has been settled yet.'] : [table, ...cidLines(status.cycles)])
      ])
    })
}
