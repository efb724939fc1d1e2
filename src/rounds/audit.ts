import { sampleSubmissions } from '../audit/index.ts'
import { AUDITS_PER_CYCLE, FINDINGS, type Finding, findingOf, type Message } from '../wire/index.ts'
import { type AuditState, type Contest, type CycleState, heardBefore, staked, stakeIn, standing, submissionOf } from './cycle.ts'
import { triedInVain, tryAgain } from './not-yet.ts'
import { gotThrough, hasLook, isOwnFault, tickProbe } from './own-fault.ts'
import { clip } from './text.ts'
import type { AuditPurpose, RoundsEffect, RoundsEvent, RoundsInit } from './types.ts'

/** Submissions that others' challenges make a node look at in a cycle: work that a few with little stake can ask for is bounded. */
export const MAX_LOOKS = 64
/**
 * Of these at once: the order of the others is decided when it is their turn. A look counts among them for as long as a delivery takes
 * and no longer, or a few proofs that nobody serves would keep all others waiting.
 */
const LOOKS_AT_ONCE = 16

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

export function onSubmission(init: RoundsInit, state: CycleState, message: Message, slot: number): RoundsEffect[] {
  if (message.signer === init.self) {
    state.submitted = true // also after a restart, from the log
    return []
  }
  const { lateSlot, challengeSlot } = state.schedule
  if (!state.sampled || !heardBefore(state, message.id, lateSlot) || slot >= challengeSlot || !staked(init, state)) {
    return []
  }
  // the samples are drawn: this one is in each with the same probability as the others
  const chance = AUDITS_PER_CYCLE / Math.max(1, standing(state, lateSlot).length)
  return init.random() < chance ? audit(state, message.id, slot, 'sample') : []
}

/** Draws the samples, looks at what others challenge, and looks again at what did not come. */
export function tickAudit(init: RoundsInit, state: CycleState, slot: number): RoundsEffect[] {
  const { schedule } = state
  if (!staked(init, state) || slot < schedule.sampleSlot || slot >= schedule.finalSlot) {
    return []
  }
  const effects: RoundsEffect[] = []
  if (!state.sampled && slot < schedule.challengeSlot) {
    state.sampled = true
    // sorted, so that what the random numbers choose does not depend on the order of arrival
    const candidates = standing(state, schedule.lateSlot)
      .filter((message) => message.signer !== init.self && !state.audits.has(message.id))
      .map((message) => message.id)
      .sort()
    for (const id of sampleSubmissions({ candidates, count: AUDITS_PER_CYCLE, random: init.random })) {
      effects.push(...audit(state, id, slot, 'sample'))
    }
  }
  if (slot >= schedule.challengeSlot + schedule.deliverySlots) {
    // all challenges are in, and who got a proof meanwhile serves it: nothing is called unavailable after one look alone
    for (const [id, { result, thorough }] of state.audits) {
      if (!thorough && (state.contested.has(id) || result?.finding === 'unavailable')) {
        effects.push(...lookAgain(state, id, slot))
      }
    }
  }
  return [...effects, ...tickProbe(state, slot), ...accuse(init, state, slot), ...respond(init, state, slot), ...look(init, state, slot)]
}

/** Our own submission is challenged: we say once that its proof can be had from us. */
function respond(init: RoundsInit, state: CycleState, slot: number): RoundsEffect[] {
  const own = submissionOf(state, init.self)
  if (own == null || state.responded || !state.contested.has(own.id)) {
    return []
  }
  state.responded = true
  return [{ type: 'publish', body: { cycle: state.cycle, slot, response: { submission: new Uint8Array(Buffer.from(own.id, 'hex')) } } }]
}

/** Starts as many looks at challenged submissions as may run: everybody's first challenge comes before anybody's second, by stake. */
function look(init: RoundsInit, state: CycleState, slot: number): RoundsEffect[] {
  const looks = [...state.audits.values()].filter(({ purpose }) => purpose === 'challenge')
  const busy = looks.filter(({ running, since }) => running && slot < since + state.schedule.deliverySlots)
  let free = Math.min(LOOKS_AT_ONCE - busy.length, MAX_LOOKS - looks.length)
  const effects: RoundsEffect[] = []
  if (free <= 0) {
    return effects
  }
  const signerOf = ({ submission }: Contest) => state.messages.get(submission)?.message.signer
  state.contests = state.contests.filter((contest) => !state.audits.has(contest.submission) && signerOf(contest) !== init.self)
  const order = state.contests.sort((a, b) => a.nth - b.nth || compareStakes(stakeIn(state, b.challenger), stakeIn(state, a.challenger)))
  for (const { submission } of order) {
    if (free > 0 && !state.audits.has(submission)) {
      free--
      effects.push(...audit(state, submission, slot, 'challenge'))
    }
  }
  return effects
}

const compareStakes = (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0)

/**
 * Someone's word against a submission: everybody looks, the challenged one answers. It counts when its signer has work of its own
 * in the cycle, as it is that one's pay that a false word costs.
 *
 * @param allowance - challenges of its signer that we heed in this cycle
 */
export function onChallenge(state: CycleState, message: Message, allowance: number): RoundsEffect[] {
  const challenge = message.body.challenge!
  const id = hex(challenge.submission)
  const { schedule } = state
  const submission = state.messages.get(id)?.message
  const finding = findingOf(challenge.finding)
  const nth = state.challengesOf.get(message.signer) ?? 0
  if (
    submission == null ||
    submissionOf(state, submission.signer)?.id !== id ||
    submissionOf(state, message.signer) == null ||
    !heardBefore(state, message.id, schedule.challengeSlot + schedule.deliverySlots) ||
    finding == null ||
    nth >= allowance
  ) {
    return []
  }
  state.challengesOf.set(message.signer, nth + 1)
  state.contests.push({ submission: id, challenger: message.signer, nth })
  const effects: RoundsEffect[] = []
  if (!state.contested.has(id)) {
    state.contested.add(id)
    effects.push({
      type: 'note',
      cycle: state.cycle,
      note: { event: 'challenged', subject: submission.signer, by: message.signer, finding, reason: challenge.reason }
    })
  }
  return effects
}

/** The challenged node says that its proof can be had: who did not get it looks once more. */
export function onResponse(init: RoundsInit, state: CycleState, message: Message, slot: number): RoundsEffect[] {
  const id = hex(message.body.response!.submission)
  if (message.signer === init.self) {
    state.responded = true
  }
  if (state.messages.get(id)?.message.signer !== message.signer || slot >= state.schedule.finalSlot) {
    return []
  }
  return lookAgain(state, id, slot)
}

export function onAudited(state: CycleState, event: Extract<RoundsEvent, { type: 'audited' }>, slot: number): RoundsEffect[] {
  const { submission: id, finding } = event
  const reason = clip(event.reason)
  const audited = state.audits.get(id)
  const subject = state.messages.get(id)?.message
  if (audited == null || subject == null) {
    return []
  }
  if (event.notYet === true && slot < audited.deadlineSlot) {
    const isFirst = audited.retry == null
    audited.retry = tryAgain(audited.retry, slot, reason)
    return isFirst ? [{ type: 'note', cycle: state.cycle, note: { event: 'not-yet', what: 'audit', reason } }] : []
  }
  if (finding === 'unavailable' && audited.retry != null && audited.since > audited.untilSlot - state.schedule.deliverySlots) {
    // that it could not look any sooner was our own fault
    return ended(state, id, audited, 'abstained', triedInVain(audited.retry), slot)
  }
  return ended(state, id, audited, finding, reason, slot)
}

/** A look is over: what is bad is challenged as soon as it is known not to be our own fault, with the next step of the cycle. */
function ended(
  state: CycleState,
  id: string,
  audited: AuditState,
  finding: Finding | 'abstained',
  reason: string,
  slot: number
): RoundsEffect[] {
  const subject = state.messages.get(id)?.message.signer ?? ''
  audited.running = false
  audited.endedSlot = slot
  audited.result = { finding, reason }
  return [{ type: 'note', cycle: state.cycle, note: { event: 'audited', subject, finding, reason, purpose: audited.purpose } }]
}

/** Looks that could not be made yet are made as soon as they can, and given up at the end of their time. */
export function tickRetries(state: CycleState, slot: number): RoundsEffect[] {
  const effects: RoundsEffect[] = []
  for (const [id, audited] of state.audits) {
    if (!audited.running || audited.retry == null || audited.retry.slot === Number.POSITIVE_INFINITY) {
      continue
    }
    if (slot >= audited.deadlineSlot) {
      effects.push(...ended(state, id, audited, 'abstained', triedInVain(audited.retry), slot))
    } else if (slot >= audited.retry.slot) {
      audited.retry.slot = Number.POSITIVE_INFINITY
      audited.since = slot
      effects.push(...lookEffect(state, id, audited))
    }
  }
  return effects
}

/**
 * Challenges what is bad by our own draw, whoever else has: another's challenge may be one that the others do not heed. A proof that
 * did not come may be our own network's fault, so that is said when another look got through, or all are over, and we are not cut off.
 */
function accuse(init: RoundsInit, state: CycleState, slot: number): RoundsEffect[] {
  if (slot >= state.schedule.challengeSlot || !hasLook(state, isBad)) {
    return []
  }
  // of what we drew: what others challenge may keep us looking until it is too late to say anything
  const looks = [...state.audits].filter(([, { purpose }]) => purpose === 'sample')
  const sure = gotThrough(state) || looks.every(([, { running }]) => !running)
  return looks.flatMap(([id, look]) => {
    const { result } = look
    const finding = result?.finding
    const subject = state.messages.get(id)?.message
    if (subject == null || state.accused.has(id) || (finding !== 'invalid' && finding !== 'unavailable')) {
      return []
    }
    if (finding === 'unavailable' && (!sure || !look.confirmed || isOwnFault(init, state, look))) {
      return []
    }
    state.accused.add(id)
    const challenge = {
      subject: new Uint8Array(subject.envelope.signer),
      submission: new Uint8Array(Buffer.from(id, 'hex')),
      finding: FINDINGS[finding],
      reason: result!.reason
    }
    return [{ type: 'publish' as const, body: { cycle: state.cycle, slot, challenge } }]
  })
}

const isBad = ({ result }: AuditState) => result?.finding === 'invalid' || result?.finding === 'unavailable'

function lookAgain(state: CycleState, id: string, slot: number): RoundsEffect[] {
  const before = state.audits.get(id)
  const { challengeSlot, deliverySlots } = state.schedule
  // in the shortest window there is no more time than this; a look that was over late has no second one
  const hasTime = slot < lastFetchSlot(state) || slot === challengeSlot + deliverySlots
  if (
    !hasTime ||
    before == null ||
    before.running ||
    before.again ||
    (before.result?.finding !== 'unavailable' && before.result?.finding !== 'abstained')
  ) {
    return []
  }
  return audit(state, id, slot, 'challenge', true)
}

function audit(state: CycleState, id: string, slot: number, purpose: AuditPurpose, again = false): RoundsEffect[] {
  const { challengeSlot, finalSlot, verdictsEndSlot } = state.schedule
  const before = state.audits.get(id)
  const thorough = purpose === 'challenge'
  // a sampled proof that has not come while there is time to challenge counts as unavailable; whatever is found must be known in the
  // last slot in which it can be said
  const [fetchBySlot, deadlineSlot] = purpose === 'sample' ? [challengeSlot - 1, finalSlot] : [lastFetchSlot(state), verdictsEndSlot - 1]
  const audited: AuditState = {
    running: true,
    since: slot,
    untilSlot: fetchBySlot,
    endedSlot: Number.POSITIVE_INFINITY,
    confirmed: false,
    purpose: before?.purpose ?? purpose,
    again,
    thorough,
    result: before?.result ?? null,
    deadlineSlot,
    retry: null
  }
  state.audits.set(id, audited)
  return lookEffect(state, id, audited)
}

function lookEffect(state: CycleState, id: string, { thorough, untilSlot, deadlineSlot }: AuditState): RoundsEffect[] {
  const submission = state.messages.get(id)!.message
  const purpose = thorough ? 'challenge' : 'sample'
  return [{ type: 'audit', cycle: state.cycle, submission, purpose, fetchBySlot: untilSlot, deadlineSlot }]
}

/** When a look must have its proof, so that what it finds can be said in the last slot for that. */
function lastFetchSlot({ schedule: { finalSlot, verdictsEndSlot } }: CycleState): number {
  return Math.min(finalSlot, verdictsEndSlot - 2)
}
