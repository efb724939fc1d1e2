/**
 * The arbitrary adversary: a list of actions, each saying anything that the wire allows, signed for any slot, sent when
 * and to whom it likes. Actions are plain numbers, so that fast-check shrinks a failure to the few that it takes, and a
 * seed makes them in bulk.
 */
import fc from 'fast-check'
import { type CycleSchedule, signedWindowOf } from '../../src/clock/index.ts'
import { type Body, type Finding, KINDS, kindOf, type Message } from '../../src/wire/index.ts'
import type { Adversary, Power } from './adversary.ts'
import type { Quality } from './proofs.ts'
import { type Dice, diceFrom } from './random.ts'
import { nobody, type Subject, subjectOf, words } from './words.ts'

export const DEEDS = [
  'accuse', // verdicts on some of the submissions
  'challenge',
  'respond',
  'submit', // with any proof, signed early and sent late if it likes
  'build', // a record of some of what it knows, to propose and approve
  'propose',
  'approve',
  'convict', // evidence of two messages that it has seen
  'replay' // anything it has heard, again, from itself
] as const
export type Deed = (typeof DEEDS)[number]

export interface Action {
  deed: Deed
  /** Which of its nodes. */
  by: number
  cycle: number
  /** When: thousandths of the time from the submission window to the end of the cycle. */
  at: number
  /** Or near which deadline, 0 for none; and how near, in tenths of a slot. */
  edge: number
  near: number
  /** Where in the window of its kind it is signed, in thousandths; outside for a few. */
  signed: number
  /** Bits: whom it is sent to, by node; 0 for everybody. */
  to: number
  /** Bits: which submissions or messages it is about, by their order. */
  about: number
  /** Finding, quality, attempt, or which record it takes. */
  choice: number
  /** Unknown bytes in the body. */
  pad: number
}

/** Of one of its nodes: what becomes of its program. */
export interface Manner {
  /** Chance in 100 that what the program would say is said. */
  says: number
  /** Chance in 100 that an audit is answered by the truth. */
  honestAudits: number
  /** 0: works well; 1: badly; 2: without a proof; 3: serves some; 4: not at all. */
  work: number
  /** Chance in 100 that it votes what it agreed to. */
  votes: number
}

export interface Plan {
  actions: Action[]
  manners: Manner[]
}

const FINDINGS: Finding[] = ['valid', 'invalid', 'unavailable']
const QUALITIES: Quality[] = ['good', 'bad', 'missing']
const OUTSIDE = 1_050

/** Where the races are. */
function edgesOf(schedule: CycleSchedule): number[] {
  const { deliverySlots, proposalSlot, attemptSlots, marginSlots, challengeSlot, lastCallSlot } = schedule
  const attempts = [0, 1, 2, 3].flatMap((attempt) => {
    const start = proposalSlot + attempt * attemptSlots
    return [start, start + marginSlots, start + attemptSlots - marginSlots]
  })
  const { submissionMustSlot, sampleSlot, lateSlot, finalSlot, verdictsEndSlot, verdictsMustSlot } = schedule
  const audit = [submissionMustSlot, sampleSlot, lateSlot, challengeSlot, challengeSlot + deliverySlots, finalSlot]
  return [...audit, verdictsEndSlot, verdictsMustSlot, ...attempts, lastCallSlot]
}
const EDGES = 21

export const planArbitrary = ({ cycles, maxActions = 40 }: { cycles: number; maxActions?: number }): fc.Arbitrary<Plan> =>
  fc.record({
    actions: fc.array(
      fc.record({
        deed: fc.constantFrom(...DEEDS),
        by: fc.nat(6),
        cycle: fc.nat(cycles - 1),
        at: fc.nat(1_000),
        edge: fc.nat(EDGES),
        near: fc.integer({ min: -10, max: 10 }),
        signed: fc.nat(OUTSIDE),
        to: fc.oneof(fc.constant(0), fc.nat(2 ** 19 - 1)),
        about: fc.nat(2 ** 19 - 1),
        choice: fc.nat(11),
        pad: fc.oneof({ weight: 19, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(1_700) })
      }),
      { maxLength: maxActions }
    ),
    manners: fc.array(
      fc.record({
        says: fc.constantFrom(100, 100, 50, 0),
        honestAudits: fc.constantFrom(100, 50, 0),
        work: fc.nat(4),
        votes: fc.constantFrom(100, 50, 0)
      }),
      { minLength: 7, maxLength: 7 }
    )
  })

/** The same kind of plan by a seed, without fast-check: for many runs. */
export function planFrom(seed: number, cycles: number, maxActions = 30): Plan {
  const dice = diceFrom(seed)
  // many plans are bursts around one deadline: the races are there
  const burst = dice.chance(0.4) ? 1 + dice.int(EDGES) : null
  // and some are about one thing only
  const deeds: readonly Deed[] = dice.pick([
    DEEDS,
    DEEDS,
    ['propose', 'approve', 'build'],
    ['submit', 'challenge', 'accuse'],
    ['submit', 'convict', 'replay']
  ])
  const audience = dice.int(2 ** 19)
  return {
    actions: Array.from({ length: dice.int(maxActions + 1) }, () => ({
      deed: dice.pick(deeds),
      by: dice.int(7),
      cycle: dice.int(cycles),
      at: dice.int(1_001),
      edge: burst ?? (dice.chance(0.7) ? 1 + dice.int(EDGES) : 0),
      near: dice.int(21) - 10,
      signed: dice.int(OUTSIDE + 1),
      to: audienceOf(dice, audience),
      about: dice.chance(0.3) ? 2 ** 19 - 1 : dice.int(2 ** 19),
      choice: dice.int(12),
      pad: dice.chance(0.03) ? 1_700 : 0
    })),
    manners: Array.from({ length: 7 }, () => ({
      says: dice.pick([100, 100, 50, 0]),
      honestAudits: dice.pick([100, 50, 0]),
      work: dice.int(5),
      votes: dice.pick([100, 50, 0])
    }))
  }
}

/** Everybody, one side, the other side, one node, or any. */
function audienceOf(dice: Dice, side: number): number {
  switch (dice.int(5)) {
    case 0:
      return 0
    case 1:
      return side
    case 2:
      return side ^ (2 ** 19 - 1)
    case 3:
      return 1 << dice.int(19)
    default:
      return dice.int(2 ** 19)
  }
}

export function arbitraryAdversary(plan: Plan): Adversary {
  const mannerOf = (power: Power, node: number) => plan.manners[power.own.indexOf(node) % plan.manners.length]!
  const percent = (power: Power, chance: number) => chance >= 100 || power.dice.int(100) < chance
  return {
    name: 'arbitrary',
    start(power) {
      if (power.own.length > 0) {
        for (const action of plan.actions) {
          planAction(power, action)
        }
      }
    },
    publish: (power, node, body) => (words.attemptOf(body) == null && !words.judges(body)) || percent(power, mannerOf(power, node).says),
    audit: (power, node, _submission, truth) =>
      percent(power, mannerOf(power, node).honestAudits) ? undefined : truth === 'valid' ? 'invalid' : 'valid',
    vote: (power, node) => percent(power, mannerOf(power, node).votes),
    work(power, node, cycle) {
      switch (mannerOf(power, node).work) {
        case 0:
          return { quality: 'good' }
        case 1:
          return { quality: 'bad', value: `garbage of ${cycle}` }
        case 2:
          return { quality: 'missing' }
        case 3:
          return { quality: 'bad', servedTo: (to) => (to + cycle) % 2 === 0 }
        default:
          return null
      }
    }
  }
}

function planAction(power: Power, action: Action): void {
  const schedule = power.schedule(action.cycle)
  const { submission, distribution } = schedule
  const edge = action.edge === 0 ? null : edgesOf(schedule)[(action.edge - 1) % EDGES]!
  const spread = submission.from + (action.at / 1_000) * (distribution.to - submission.from)
  const by = power.own[action.by % power.own.length]!
  power.at(edge == null ? spread : edge + action.near / 10, () => {
    for (const message of messagesOf(power, action, by)) {
      if (action.to === 0) {
        power.publish(message, by)
      } else {
        power.send(
          message,
          by,
          [...power.honest, ...power.own].filter((node) => node !== by && (action.to >> (node % 19)) & 1)
        )
      }
    }
  })
}

/** A slot in which words of the kind may be signed: nobody knows when it really was. */
function slotFor(power: Power, body: Body, signed: number): number {
  const { window } = KINDS[kindOf(body)!]
  const { from, to } = window === 'any' ? { from: power.slot(), to: power.slot() + 1 } : signedWindowOf(power.timing, body.cycle, window)
  return Math.min(from + Math.floor((signed / 1_000) * (to - from)), Math.max(from, power.slot() + 1))
}

function messagesOf(power: Power, action: Action, by: number): Message[] {
  const { cycle, deed, choice, pad, about } = action
  const when = { cycle, slot: 0 }
  const heard = power.heard(cycle)
  const others = heard.filter(({ kind, signer }) => kind === 'submission' && signer !== power.address(by))
  const chosen: Subject[] = others.filter((_, i) => (about >> (i % 19)) & 1).map(subjectOf)
  const subjects = chosen.length > 0 ? chosen : [nobody(`${cycle}/${about}`)]
  const sign = (body: Body | null) => {
    const message = body == null ? null : power.sign(by, { ...body, slot: slotFor(power, body, action.signed) }, { pad })
    return message == null ? [] : [message]
  }
  switch (deed) {
    case 'accuse':
      return sign(
        power.verdicts(
          when,
          subjects.map((subject) => ({ about: subject, finding: FINDINGS[choice % 3]! }))
        )
      )
    case 'challenge':
      return subjects.flatMap((subject) => sign(words.challenge(when, subject, choice % 2 === 0 ? 'invalid' : 'unavailable')))
    case 'respond':
      return sign(words.response(when, subjects[0]!))
    case 'submit': {
      const made = sign(words.submission(when, `work ${choice}`))
      const quality = QUALITIES[choice % 3]!
      for (const message of made) {
        power.offer(message, { quality, servedTo: choice < 6 ? undefined : (node) => ((about >> (node % 19)) & 1) === 1 })
      }
      return made
    }
    case 'build':
      power.buildOf(
        cycle,
        heard.filter((_, i) => choice === 0 || (about >> (i % 19)) & 1)
      )
      return []
    case 'propose':
    case 'approve': {
      const records = power.records(cycle)
      const record = records[choice % Math.max(1, records.length)]
      const attempt = about % 5
      return record == null ? [] : sign(deed === 'propose' ? words.proposal(when, record, attempt) : words.approval(when, record, attempt))
    }
    case 'convict': {
      const [first, second] = [heard[choice % Math.max(1, heard.length)], heard[about % Math.max(1, heard.length)]]
      const twice = heard.filter(({ kind, signer }) => kind === first?.kind && signer === first.signer)
      return first == null || second == null ? [] : sign(words.evidence(when, twice[0]!, twice[1] ?? second))
    }
    case 'replay': {
      const message = heard[about % Math.max(1, heard.length)]
      return message == null ? [] : [message]
    }
  }
}
