/** A message costs the same however many stakers there are and whatever they have said before. */
import { createHash } from 'node:crypto'
import { expect } from 'chai'
import { scheduleFor } from '../../src/clock/index.ts'
import { createRounds, type RoundsEffect, type StakeSet } from '../../src/rounds/index.ts'
import { FINDINGS, type Message } from '../../src/wire/index.ts'
import { cpuMs } from '../cpu.ts'
import { cidBytes } from '../wire/people.ts'
import { BASE, NETWORK } from './machine.ts'

const TIMING = { startingSlot: 0, roundSlots: 150, submissionWindow: 50, auditWindow: 90 }
const S = scheduleFor(TIMING, 0)

/** A cycle among so many equal stakers; its looks, builds and checks end at once. */
function cycleOf(count: number) {
  const names = Array.from({ length: count }, (_, at) => `staker ${at}`)
  const stakes: StakeSet = { weights: new Map(names.map((name) => [name, 10n])), total: 10n * BigInt(count) }
  let said = 0
  let now = 0
  const rounds = createRounds({
    self: names[0]!,
    network: NETWORK,
    timing: TIMING,
    random: () => 0.5,
    proposer: ({ attempt }) => names[1 + attempt]!
  })
  const record = (cid: string) => ({ cid, root: new Uint8Array(32), totalRewards: 1n })
  const answer = (effects: RoundsEffect[]): void => {
    for (const effect of effects) {
      if (effect.type === 'need-stakes') answer(rounds.handle({ type: 'stakes', cycle: effect.cycle, stakes }))
      if (effect.type === 'need-base') answer(rounds.handle({ type: 'base', cycle: effect.cycle, base: BASE }))
      if (effect.type === 'audit') {
        answer(rounds.handle({ type: 'audited', cycle: effect.cycle, submission: effect.submission.id, finding: 'valid', reason: '' }))
      }
      if (effect.type === 'build') {
        answer(rounds.handle({ type: 'built', cycle: effect.cycle, key: effect.key, result: { ok: true, record: record('bafyown') } }))
      }
      if (effect.type === 'check') {
        const result = { verdict: 'right' as const, record: record(effect.cid) }
        answer(rounds.handle({ type: 'checked', cycle: effect.cycle, cid: effect.cid, result }))
      }
    }
  }
  const message = (kind: string, signer: string, part: object): Message =>
    ({
      id: createHash('sha256').update(`${said++}`).digest('hex'),
      kind,
      signer,
      body: { cycle: 0, slot: now, [kind]: part },
      envelope: { signer: new Uint8Array(32), signature: new Uint8Array(64), body: new Uint8Array() },
      bytes: new Uint8Array(300)
    }) as unknown as Message
  const hear = (messages: Message[]) => {
    for (const one of messages) {
      answer(rounds.handle({ type: 'message', message: one, slot: now }))
    }
  }
  return {
    names,
    message,
    hear,
    to(slot: number) {
      for (; now < slot; ) answer(rounds.handle({ type: 'slot', slot: ++now }))
    },
    /** ms of CPU for each */
    cost: async (messages: Message[]) => (await cpuMs(() => hear(messages))) / messages.length
  }
}

/** Of each kind of message whose number grows with that of stakers: what one costs. */
async function costs(count: number): Promise<Record<string, number>> {
  const { names, message, hear, to, cost } = cycleOf(count)
  to(S.submission.from)
  const submissions = names.map((name) => message('submission', name, { value: new Uint8Array(4), proofs: [] }))
  hear(submissions)
  to(S.sampleSlot)
  const about = (at: number) => new Uint8Array(Buffer.from(submissions[at % count]!.id, 'hex'))
  const challenges = names
    .slice(1)
    .flatMap((name) => [0, 5, 6].map((at) => message('challenge', name, { submission: about(at), finding: FINDINGS.invalid, reason: '' })))
  const challenge = await cost(challenges)
  to(S.proposalSlot)
  const cid = cidBytes('record')
  hear([message('record', names[1]!, { cid, root: new Uint8Array(32), totalRewards: 1n, attempt: 0 })])
  const approvals = names.map((name) => message('approval', name, { cid, root: new Uint8Array(32), attempt: 0 }))
  return { challenge, approval: await cost(approvals) }
}

describe('rounds: what a message costs', () => {
  it('does not grow with the number of stakers', async () => {
    // of some, as other work and the collector add to one
    let worst: Array<[kind: string, times: number]> = []
    for (let attempt = 0; attempt < 6; attempt++) {
      const few = await costs(400)
      const many = await costs(8_000)
      worst = Object.entries(many).map(([kind, ms]) => [kind, ms / few[kind]!])
      if (worst.every(([, times]) => times < 4)) {
        return
      }
    }
    expect.fail(`twenty times the stakers: ${worst.map(([kind, times]) => `a ${kind} costs ${times.toFixed(1)} times as much`).join(', ')}`)
  })
})
