import { sampleSubmissions } from '../audit/index.ts'
import { within } from '../clock/index.ts'
import { AUDITS_PER_CYCLE, FINDINGS, findingOf, LIMITS, type Message } from '../wire/index.ts'
import { type AuditState, type CycleState, staked, standing } from './cycle.ts'
import type { AuditPurpose, RoundsEffect, RoundsEvent, RoundsInit } from './types.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

export function onSubmission(init: RoundsInit, state: CycleState, message: Message): RoundsEffect[] {
  if (message.signer === init.self) {
    state.submitted = true // also after a restart, from the log
  }
  return []
}

/** Samples once the submissions are in, fills the sample up when late ones come, and closes what stayed open. */
export function tickAudit(init: RoundsInit, state: CycleState, slot: number): RoundsEffect[] {
  const { schedule } = state
  if (!staked(init, state) || slot < schedule.sampleSlot || slot >= schedule.audit.to) {
    return []
  }
  const effects: RoundsEffect[] = []
  const samples = [...state.audits.values()].filter((audit) => audit.purpose === 'sample').length
  if (samples < AUDITS_PER_CYCLE && slot < schedule.sampleDeadlineSlot) {
    const open = standing(state).filter((message) => message.signer !== init.self && !state.audits.has(message.id))
    // sorted, so that what the random numbers choose does not depend on the order of arrival
    const candidates = open.map((message) => message.id).sort()
    for (const id of sampleSubmissions({ candidates, count: AUDITS_PER_CYCLE - samples, random: init.random })) {
      effects.push(...audit(state, id, 'sample'))
    }
  }
  if (slot >= schedule.verdictSlot) {
    for (const id of state.challenged) {
      const { result } = state.audits.get(id) ?? { result: null }
      effects.push(...verdict(init, state, id, result?.finding === 'abstained' ? null : result, slot))
    }
  }
  return effects
}

/** Someone's word against a submission: everybody looks, the challenged one answers. */
export function onChallenge(init: RoundsInit, state: CycleState, message: Message, slot: number): RoundsEffect[] {
  const challenge = message.body.challenge!
  const id = hex(challenge.submission)
  const submission = state.messages.get(id)?.message
  const finding = findingOf(challenge.finding)
  if (submission?.kind !== 'submission' || finding == null || finding === 'valid' || state.equivocators.has(submission.signer)) {
    return []
  }
  const effects: RoundsEffect[] = []
  if (!state.challenged.has(id)) {
    state.challenged.add(id)
    effects.push({
      type: 'note',
      cycle: state.cycle,
      note: { event: 'challenged', subject: submission.signer, by: message.signer, finding, reason: challenge.reason }
    })
    if (submission.signer === init.self && within(state.schedule.audit, slot)) {
      effects.push({ type: 'respond', cycle: state.cycle, submission: id })
    }
  }
  if (submission.signer === init.self || !staked(init, state)) {
    return effects
  }
  const before = state.audits.get(id)
  if (before == null) {
    effects.push(...audit(state, id, 'challenge'))
  } else if (before.result != null && before.result.finding !== 'unavailable') {
    effects.push(...verdict(init, state, id, before.result.finding === 'abstained' ? null : before.result, slot))
  }
  return effects
}

/** The challenged node says where its proof is: who did not get it looks once more. */
export function onResponse(state: CycleState, message: Message, slot: number): RoundsEffect[] {
  const id = hex(message.body.response!.submission)
  if (state.messages.get(id)?.message.signer !== message.signer) {
    return []
  }
  state.responses.set(id, message)
  const before = state.audits.get(id)
  if (before?.result?.finding !== 'unavailable' || slot >= state.schedule.verdictSlot) {
    return []
  }
  return audit(state, id, 'challenge')
}

export function onAudited(
  init: RoundsInit,
  state: CycleState,
  event: Extract<RoundsEvent, { type: 'audited' }>,
  slot: number
): RoundsEffect[] {
  const { submission: id, finding } = event
  const reason = clip(event.reason)
  const audited = state.audits.get(id)
  const subject = state.messages.get(id)?.message
  if (audited == null || subject == null) {
    return []
  }
  audited.running = false
  audited.result = { finding, reason }
  const effects: RoundsEffect[] = [
    { type: 'note', cycle: state.cycle, note: { event: 'audited', subject: subject.signer, finding, reason, purpose: audited.purpose } }
  ]
  if (finding === 'abstained' || !within(state.schedule.audit, slot)) {
    return effects
  }
  if (finding !== 'valid' && !state.challenged.has(id)) {
    const challenge = {
      subject: new Uint8Array(subject.envelope.signer),
      submission: new Uint8Array(Buffer.from(id, 'hex')),
      finding: FINDINGS[finding],
      reason
    }
    effects.push({ type: 'publish', body: { cycle: state.cycle, slot, challenge } })
  }
  const response = state.responses.get(id)
  if (finding === 'unavailable' && response != null && audited.response !== response.id && slot < state.schedule.verdictSlot) {
    return [...effects, ...audit(state, id, 'challenge')]
  }
  if (finding !== 'unavailable' && (state.challenged.has(id) || finding === 'invalid')) {
    effects.push(...verdict(init, state, id, { finding, reason }, slot))
  }
  return effects
}

function audit(state: CycleState, id: string, purpose: AuditPurpose): RoundsEffect[] {
  const { sampleDeadlineSlot, verdictSlot, audit: window } = state.schedule
  const submission = state.messages.get(id)!.message
  const response = state.responses.get(id) ?? null
  const audited: AuditState = {
    running: true,
    purpose: state.audits.get(id)?.purpose ?? purpose,
    response: response?.id ?? null,
    result: null
  }
  state.audits.set(id, audited)
  const [fetchBySlot, deadlineSlot] = purpose === 'sample' ? [sampleDeadlineSlot, verdictSlot] : [verdictSlot, window.to]
  return [{ type: 'audit', cycle: state.cycle, submission, response, purpose, fetchBySlot, deadlineSlot }]
}

/** Says once what we found; nothing when we could not look. */
function verdict(init: RoundsInit, state: CycleState, id: string, result: AuditState['result'], slot: number): RoundsEffect[] {
  const subject = state.messages.get(id)!.message
  if (
    result == null ||
    result.finding === 'abstained' ||
    state.verdicts.has(id) ||
    subject.signer === init.self ||
    !within(state.schedule.audit, slot)
  ) {
    return []
  }
  state.verdicts.add(id)
  const verdict = {
    subject: new Uint8Array(subject.envelope.signer),
    submission: new Uint8Array(Buffer.from(id, 'hex')),
    finding: FINDINGS[result.finding],
    reason: result.reason
  }
  return [{ type: 'publish', body: { cycle: state.cycle, slot, verdict } }]
}

/** A reason is one line on the wire: cut at a character, not in the middle of one. */
function clip(reason: string): string {
  const bytes = Buffer.from(reason.replaceAll(/\s+/g, ' ').trim())
  return bytes.length <= LIMITS.reasonBytes
    ? bytes.toString()
    : bytes
        .subarray(0, LIMITS.reasonBytes - 3)
        .toString()
        .replace(/\uFFFD+$/, '')
}
