import { shownText } from '../observe/index.ts'
import type { RunFacts } from './facts.ts'

export interface Invariant {
  name: string
  /** Null when it holds, else what was found. */
  broken: string | null
  /** Why there was nothing to look at, so that it neither holds nor is broken; null when there was. */
  unchecked: string | null
}

/**
 * Everything that a run must have kept of a task. Pure.
 *
 * @param orMore - more cycles than wanted are as good
 */
export function checkInvariants(facts: RunFacts, wantedCycles: number | null, { orMore = false } = {}): Invariant[] {
  const all = [
    { name: 'enough cycles are finalized', broken: enoughCycles(facts, wantedCycles, orMore) },
    { name: 'all nodes agree on every record', broken: agreement(facts) },
    { name: 'every record and its ledger recompute', broken: recompute(facts) },
    { name: 'nobody honest was rejected', broken: rejections(facts) },
    { name: 'one final vote from each node for each cycle', broken: votes(facts) },
    { name: 'nodes wrote nothing but final votes and slashes during rounds', broken: writes(facts) },
    { name: 'balances on K2 add up to the last lamport', broken: money(facts) },
    { name: SLASHES, broken: slashes(facts) },
    { name: 'no node crashed', broken: crashes(facts) }
  ]
  return all.map(({ name, broken }) => ({ name, broken, unchecked: broken == null ? whyUnchecked(name, facts) : null }))
}

const SLASHES = 'every slash of the ledger is taken on K2'

/** What holds of no cycle at all says nothing. */
function whyUnchecked(name: string, { records, slashes: all }: RunFacts): string | null {
  return records.length === 0 ? 'no cycle was finalized' : name === SLASHES && all == null ? 'no slash was to be taken any more' : null
}

/** Why a run has shown nothing, for who looks at it; null when it has. */
export function nothingChecked(invariants: readonly Invariant[], stopped: boolean): string | null {
  return invariants.every(({ unchecked, broken }) => unchecked != null || broken != null) &&
    invariants.some(({ unchecked }) => unchecked != null)
    ? `the run ${stopped ? 'was stopped' : 'ended'} before a cycle was finalized, and all that is checked is checked over finalized cycles`
    : null
}

/** How a run came out, as lines. */
export function invariantLines(invariants: readonly Invariant[], unchecked: string | null): string[] {
  const broken = invariants.flatMap(({ name, broken: found }) => (found == null ? [] : [`BROKEN ${name}: ${found}`]))
  return unchecked != null
    ? [...broken, `nothing${broken.length > 0 ? ' else' : ''} was checked: ${unchecked}`]
    : invariants.map(({ name, broken: found, unchecked: why }) =>
        found != null ? `BROKEN ${name}: ${found}` : why != null ? `-      ${name}: not checked, as ${why}` : `ok     ${name}`
      )
}

/** The same of several tasks: each invariant once, and a line for each task that is an exception. */
export function linesOfSeveral(
  tasks: ReadonlyArray<{ name: string; invariants: readonly Invariant[] }>,
  unchecked: string | null
): string[] {
  const names = [...new Set(tasks.flatMap(({ invariants }) => invariants.map(({ name }) => name)))]
  const found = names.map((name) => ({
    name,
    all: tasks.flatMap((task) =>
      task.invariants.filter((one) => one.name === name).map((one) => ({ ...one, label: shownText(task.name, 32) }))
    )
  }))
  const broken = ({ name, all }: (typeof found)[number]) =>
    all.flatMap((one) => (one.broken == null ? [] : [`BROKEN ${name}: ${one.label}: ${one.broken}`]))
  if (unchecked != null) {
    const lines = found.flatMap(broken)
    return [...lines, `nothing${lines.length > 0 ? ' else' : ''} was checked: ${unchecked}`]
  }
  return found.flatMap((one) => {
    const { name, all } = one
    const good = all.filter((each) => each.broken == null && each.unchecked == null).map(({ label }) => label)
    return [
      ...(good.length === 0 ? [] : [`ok     ${name}${good.length === all.length ? '' : `: ${good.join(', ')}`}`]),
      ...all.flatMap((each) =>
        each.broken == null && each.unchecked != null ? [`-      ${name}: ${each.label}: not checked, as ${each.unchecked}`] : []
      ),
      ...broken(one)
    ]
  })
}

function enoughCycles({ records }: RunFacts, wanted: number | null, orMore: boolean): string | null {
  return wanted != null && (orMore ? records.length < wanted : records.length !== wanted)
    ? `${records.length} of ${wanted} cycles are finalized`
    : null
}

function agreement({ nodes, records, openCycle }: RunFacts): string | null {
  for (const { cycle, cid } of records) {
    for (const node of nodes) {
      const held = node.records.get(cycle)
      if (held != null && held !== cid) {
        return `${node.name} holds ${held} for cycle ${cycle}, K2 has ${cid}`
      }
      if (held == null && cycle !== openCycle && node.fault == null && !node.interrupted && node.firstCycle <= cycle) {
        return `${node.name} holds no record of cycle ${cycle}`
      }
    }
  }
  return null
}

function recompute({ records }: RunFacts): string | null {
  let before = 0n
  for (const { cycle, recomputed, rewards, totalRewards } of records) {
    if (!recomputed.ok) {
      return `cycle ${cycle}: ${recomputed.reason}`
    }
    const sum = [...rewards.values()].reduce((all, reward) => all + reward, 0n)
    if (sum !== totalRewards || totalRewards < before) {
      return `cycle ${cycle}: the ledger's rewards come to ${sum}, the record says ${totalRewards}, the one before ${before}`
    }
    before = totalRewards
  }
  return null
}

/** Whatever the faulty do: below a third of the stake they take no honest node's pay. */
function rejections({ nodes, records }: RunFacts): string | null {
  const honest = new Map(nodes.filter(({ fault, interrupted }) => fault == null && !interrupted).map(({ staker, name }) => [staker, name]))
  for (const { cycle, rejected } of records) {
    const found = rejected.find(({ staker }) => honest.has(staker))
    if (found != null) {
      return `${honest.get(found.staker)} was rejected in cycle ${cycle}: ${found.reason}`
    }
  }
  return null
}

function votes({ nodes, records, transactions, openCycle }: RunFacts): string | null {
  for (const { cycle } of records) {
    for (const node of nodes) {
      const cast = transactions
        .filter(({ failed }) => !failed)
        .flatMap(({ votes: counted }) => counted)
        .filter((vote) => vote.staker === node.staker && vote.cycle === cycle).length
      if (cast > 1) {
        return `${node.name} voted ${cast} times for cycle ${cycle}`
      }
      if (cast === 0 && cycle !== openCycle && node.fault == null && !node.interrupted && node.firstCycle <= cycle) {
        return `${node.name} did not vote for cycle ${cycle}`
      }
    }
  }
  return null
}

/** One's own vote, others' in a batch, which the Ed25519 precompile vouches for, and what a finalized ledger takes. */
const WRITTEN = new Set(['vote', 'ed25519, voteBatch', 'applySlash'])

function writes({ nodes, transactions, startingSlot }: RunFacts): string | null {
  const stakers = new Map(nodes.map((node) => [node.staker, node.name]))
  const other = transactions.find(
    ({ feePayer, slot, kinds }) => slot >= startingSlot && stakers.has(feePayer) && !WRITTEN.has(kinds.join(', '))
  )
  return other == null ? null : `${stakers.get(other.feePayer)} wrote ${other.kinds.join(', ')} in slot ${other.slot}`
}

function money({ money: { genesis, now, fees }, pot, records, onK2 }: RunFacts): string | null {
  if (now + fees !== genesis) {
    return `genesis made ${genesis} ROE, there are ${now} and ${fees} went to fees: ${genesis - now - fees} are missing`
  }
  if (pot != null && pot.lamports - pot.rentReserve !== pot.funded - pot.claimed + pot.slashed) {
    return `the pot holds ${pot.lamports - pot.rentReserve} ROE, ${pot.funded} were put in, ${pot.claimed} claimed and ${pot.slashed} slashed`
  }
  const last = records.at(-1)
  if (last == null) {
    return null
  }
  // a cycle more may have been finalized on K2 since: it only adds to what the last one of the run owes
  if (onK2 == null || onK2.cycle < last.cycle || onK2.totalRewards < last.totalRewards) {
    return `the ledger of cycle ${last.cycle} owes ${last.totalRewards} ROE, K2 says ${onK2 == null ? 'nothing' : `${onK2.totalRewards} as of cycle ${onK2.cycle}`}`
  }
  if (onK2.cycle === last.cycle && onK2.totalRewards !== last.totalRewards) {
    return `the ledger of cycle ${last.cycle} owes ${last.totalRewards} ROE, K2 says ${onK2.totalRewards}`
  }
  if (pot != null && pot.claimed > onK2.totalRewards) {
    return `${pot.claimed} ROE were taken out of the pot, only ${onK2.totalRewards} were owed`
  }
  return null
}

function slashes({ slashes: all }: RunFacts): string | null {
  const [staker, odd] = [...(all ?? [])].find(([, { ledger, applied, left }]) => ledger !== applied && left > 0n) ?? []
  return odd == null ? null : `the ledger takes ${odd.ledger} ROE from ${staker}, on K2 ${odd.applied} were taken`
}

function crashes({ nodes }: RunFacts): string | null {
  const crashed = nodes.find((node) => node.crashed != null)
  return crashed == null ? null : `${crashed.name}: ${crashed.crashed}`
}
