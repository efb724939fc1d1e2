import { isRefuted, placesOf, weigh } from '../record/index.ts'
import { FINDINGS, type Finding, LIMITS } from '../wire/index.ts'
import { type CycleState, staked, standing, submissionOf } from './cycle.ts'
import { isOwnFault } from './own-fault.ts'
import type { RoundsEffect, RoundsInit } from './types.ts'

/**
 * Says once, in one message, what we found of everything that somebody spoke against, *valid* too, and of what is bad by our own
 * look. Nothing contested and nothing found: nothing is said.
 */
export function tickVerdicts(init: RoundsInit, state: CycleState, slot: number): RoundsEffect[] {
  const { finalSlot, verdictsEndSlot, deliverySlots } = state.schedule
  // in the middle of the window: late enough to hear what others say first, early enough not to miss its end
  if (state.spoken || slot < finalSlot + Math.floor(deliverySlots / 2) || slot >= verdictsEndSlot || !staked(init, state)) {
    return []
  }
  // a look that is about to end is worth waiting for, as there is one message for all of them
  if (slot < verdictsEndSlot - 1 && [...state.audits.values()].some(({ running, result }) => running && result == null)) {
    return []
  }
  state.spoken = true
  const places = new Map(placesOf(state.stakes!.weights).map((staker, place) => [staker, place]))
  const against = spokenAgainst(state)
  const found: Array<{ place: number; finding: Finding; contested: boolean }> = []
  // late ones too: what came too late to us, others may have had in time and approve
  for (const submission of standing(state)) {
    const audited = state.audits.get(submission.id)
    const result = audited?.result
    const place = places.get(submission.signer)
    const contested = state.contested.has(submission.id) || against.has(submission.signer)
    if (audited == null || result == null || result.finding === 'abstained' || place == null || submission.signer === init.self) {
      continue
    }
    // missing is what had not come when its time was over, though a look that ends late still runs, and not for our own fault
    const missing = result.finding === 'unavailable' && audited.thorough && !isOwnFault(init, state, audited)
    if ((result.finding === 'unavailable' && !missing) || (result.finding === 'valid' && !contested)) {
      continue
    }
    found.push({ place, finding: result.finding, contested })
  }
  const findings = found
    .sort((a, b) => Number(b.contested) - Number(a.contested) || a.place - b.place)
    .slice(0, LIMITS.findings)
    .sort((a, b) => a.place - b.place)
    .map(({ place, finding }) => ({ place, finding: FINDINGS[finding] }))
  return findings.length === 0 ? [] : [{ type: 'publish', body: { cycle: state.cycle, slot, verdicts: { findings } } }]
}

/** The stakers whose work others' verdicts call bad. */
function spokenAgainst(state: CycleState): Set<string> {
  const { of } = weighed(state)
  return new Set([...of].filter(([, { invalid, unavailable }]) => invalid + unavailable > 0n).map(([subject]) => subject))
}

function weighed(state: CycleState) {
  const messages = [...state.first.values()].filter(({ signer }) => !state.equivocators.has(signer))
  return weigh({
    submissions: new Map(messages.filter(({ kind }) => kind === 'submission').map((message) => [message.signer, message])),
    verdicts: messages.filter(({ kind }) => kind === 'verdicts'),
    stakes: state.stakes?.weights ?? new Map(),
    total: state.stakes?.total
  })
}

/**
 * Who challenged work as *invalid* in this cycle that more than a third of all stake found valid, and did not take it back. Asked with
 * each challenge of the next cycle, when all verdicts have long been in, and weighed at the first: what is still said of this cycle
 * then, of which anybody may hold something back, would have it weighed with each of them.
 */
export function refutedIn(state: CycleState): ReadonlySet<string> {
  state.refuted ??= weighRefuted(state)
  return state.refuted
}

function weighRefuted(state: CycleState): Set<string> {
  const weights = weighed(state)
  const refuted = new Set<string>()
  for (const { message } of state.messages.values()) {
    const { challenge } = message.body
    if (challenge == null || challenge.finding !== FINDINGS.invalid) {
      continue
    }
    const subject = state.messages.get(Buffer.from(challenge.submission).toString('hex'))?.message.signer
    if (subject != null && submissionOf(state, subject) != null && isRefuted(weights, subject)) {
      if (weights.said.get(message.signer)?.get(subject) !== 'valid') {
        refuted.add(message.signer)
      }
    }
  }
  return refuted
}
