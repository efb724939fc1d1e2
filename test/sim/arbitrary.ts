/**
 * The arbitrary adversary: a list of actions, each saying anything that the wire allows, signed for any slot, sent when
 * and to whom it likes. Actions are plain numbers, so that fast-check shrinks a failure to the few that it takes, and a
 * seed makes them in bulk.
 */
import fc from 'fast-check'
import type { Finding, Message } from '../../src/wire/index.ts'
import type { Adversary, Power } from './adversary.ts'
import type { Quality } from './proofs.ts'
import { diceFrom } from './random.ts'
import { nobody, type Subject, subjectOf, words } from './words.ts'

export const DEEDS = [
  'accuse', // verdicts on some of the submissions
  'challenge',
  'respond',
  'submit', // with any proof, signed early and sent late if it likes
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
  /** When it is made and when it is sent: thousandths of the time from the submission window to the end of the cycle. */
  madeAt: number
  sentAt: number
  /** Slots that the signed one differs from the real one. */
  skew: number
  /** Bits: whom it is sent to, by node; 0 for everybody. */
  to: number
  /** Bits: which submissions it is about, by their order. */
  about: number
  /** Finding, quality, attempt, or which message it takes. */
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

export const planArbitrary = ({ cycles, maxActions = 40 }: { cycles: number; maxActions?: number }): fc.Arbitrary<Plan> =>
  fc.record({
    actions: fc.array(
      fc.record({
        deed: fc.constantFrom(...DEEDS),
        by: fc.nat(6),
        cycle: fc.nat(cycles - 1),
        madeAt: fc.nat(1_000),
        sentAt: fc.nat(1_000),
        skew: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: -8, max: 8 }) }),
        to: fc.oneof(fc.constant(0), fc.nat(2 ** 19 - 1)),
        about: fc.nat(2 ** 19 - 1),
        choice: fc.nat(11),
        pad: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(1_700) })
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
export function planFrom(seed: number, cycles: number, maxActions = 24): Plan {
  const dice = diceFrom(seed)
  // half of the plans are bursts around one moment: the races are there
  const burst = dice.chance(0.5) ? dice.int(1_000) : null
  const moment = () => (burst == null || dice.chance(0.3) ? dice.int(1_001) : Math.min(1_000, burst + dice.int(60)))
  return {
    actions: Array.from({ length: dice.int(maxActions + 1) }, () => {
      const madeAt = moment()
      return {
        deed: dice.pick(DEEDS),
        by: dice.int(7),
        cycle: dice.int(cycles),
        madeAt,
        sentAt: dice.chance(0.6) ? madeAt : moment(),
        skew: dice.chance(0.75) ? 0 : dice.int(17) - 8,
        to: dice.chance(0.4) ? 0 : dice.int(2 ** 19),
        about: dice.chance(0.3) ? 2 ** 19 - 1 : dice.int(2 ** 19),
        choice: dice.int(12),
        pad: dice.chance(0.05) ? 1_700 : 0
      }
    }),
    manners: Array.from({ length: 7 }, () => ({
      says: dice.pick([100, 100, 50, 0]),
      honestAudits: dice.pick([100, 50, 0]),
      work: dice.int(5),
      votes: dice.pick([100, 50, 0])
    }))
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

/** Plans one action: made at one time, sent at another. */
function planAction(power: Power, action: Action): void {
  const { submission, distribution } = power.schedule(action.cycle)
  const timeOf = (thousandths: number) => submission.from + (thousandths / 1_000) * (distribution.to - submission.from)
  const by = power.own[action.by % power.own.length]!
  power.at(timeOf(action.madeAt), () => {
    const made = messagesOf(power, action, by)
    power.at(timeOf(Math.max(action.madeAt, action.sentAt)), () => {
      for (const message of made) {
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
  })
}

function messagesOf(power: Power, action: Action, by: number): Message[] {
  const { cycle, deed, choice, pad, about } = action
  const when = { cycle, slot: Math.max(0, power.slot() + action.skew) }
  const heard = power.heard(cycle)
  const others = heard.filter(({ kind, signer }) => kind === 'submission' && signer !== power.address(by))
  const chosen: Subject[] = others.filter((_, i) => (about >> (i % 19)) & 1).map(subjectOf)
  const subjects = chosen.length > 0 ? chosen : [nobody(`${cycle}/${about}`)]
  const sign = (body: Parameters<Power['sign']>[1] | null) => {
    const message = body == null ? null : power.sign(by, body, { pad })
    return message == null ? [] : [message]
  }
  switch (deed) {
    case 'accuse': {
      const finding = FINDINGS[choice % 3]!
      return words
        .verdicts(
          when,
          subjects.map((subject) => ({ about: subject, finding }))
        )
        .flatMap(sign)
    }
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
    case 'propose':
    case 'approve': {
      const records = power.records(cycle)
      const record = records[choice % Math.max(1, records.length)]
      const attempt = choice % 4
      return record == null ? [] : sign(deed === 'propose' ? words.proposal(when, record, attempt) : words.approval(when, record, attempt))
    }
    case 'convict': {
      const [first, second] = [heard[choice % Math.max(1, heard.length)], heard[about % Math.max(1, heard.length)]]
      return first == null || second == null ? [] : sign(words.evidence(when, first, second))
    }
    case 'replay': {
      const message = heard[about % Math.max(1, heard.length)]
      return message == null ? [] : [message]
    }
  }
}
