/** Who says two things where one may be said: how the halves get about, and what comes of it. */
import { type Adversary, everyCycle, type Power } from './adversary.ts'
import { type Row, start, TIMING, withFaulty } from './row.ts'
import { words } from './words.ts'

const CYCLES = 4
/** What a hop takes, so that what leaves then is there in the last moment of a window. */
const ROAD_SLOTS = 0.25

/** Each half to some of the honest: to one, to a part, or to all that the other does not go to. */
function sides({ dice, honest }: Power): [number[], number[]] {
  const order = honest.map((node) => ({ node, at: dice.next() })).sort((a, b) => a.at - b.at)
  const nodes = order.map(({ node }) => node)
  const cut = dice.pick([1, Math.ceil(nodes.length / 2), nodes.length - 1])
  return [nodes.slice(0, cut), nodes.slice(cut)]
}

/** Whether the nodes of the adversary pass on what they hear. */
const shared = { answers: true } satisfies Partial<Adversary>

/** Two submissions, around the edges of their window. */
const submitsTwice = (): Adversary => ({
  ...shared,
  name: 'submits two things',
  work: () => null,
  start: (power) =>
    everyCycle(
      power,
      CYCLES,
      ({ submission }) => submission.from,
      (cycle) => {
        const { submission } = power.schedule(cycle)
        for (const by of power.own) {
          const [first, second] = sides(power)
          const times = [0, 1].map(() => power.dice.pick([submission.from + 0.1, submission.from + 2, submission.to - ROAD_SLOTS]))
          for (const [i, to] of [first, second].entries()) {
            power.at(times[i]!, () => {
              const message = power.sign(by, words.submission({ cycle, slot: power.slot() }, `half ${i}`))!
              power.offer(message, { quality: 'good' })
              power.send(message, by, to)
            })
          }
        }
      }
    )
})

/** Two verdicts, in their window's first moment or its last. */
const judgesTwice = (): Adversary => ({
  ...shared,
  name: 'says two verdicts',
  publish: (_power, _node, body) => body.verdicts == null,
  start: (power) =>
    everyCycle(
      power,
      CYCLES,
      ({ finalSlot }) => finalSlot,
      (cycle) => {
        const { finalSlot, verdictsEndSlot } = power.schedule(cycle)
        for (const by of power.own) {
          const about = power.submissions(cycle).filter(({ signer }) => signer !== power.address(by))
          // the same accusations in two bodies would weigh twice, if they weighed at all
          const isSame = power.dice.chance(0.5)
          for (const [i, to] of sides(power).entries()) {
            const at = power.dice.pick([finalSlot + 0.1, verdictsEndSlot - ROAD_SLOTS])
            power.at(at, () => {
              const body = power.verdicts(
                { cycle, slot: power.slot() },
                about.slice(isSame ? i : 0).map((one) => ({ about: one, finding: isSame || i > 0 ? 'invalid' : 'valid' }))
              )
              if (body != null) {
                power.send(power.sign(by, body)!, by, to)
              }
            })
          }
        }
      }
    )
})

/** Both at once: the one proof that a record holds of somebody is enough. */
const doesBoth = (): Adversary => {
  const [submits, judges] = [submitsTwice(), judgesTwice()]
  return {
    ...judges,
    ...submits,
    name: 'does both',
    start(power) {
      submits.start!(power)
      judges.start!(power)
    },
    publish: judges.publish!
  }
}

/** How long before the slot that it names a submission is sent to all, who refuse it then and do not hear of it by gossip again. */
const EARLY_SLOTS = 4

/** One submission, too early for all, and at the last moment to one. */
const speaksEarly = (): Adversary => ({
  ...shared,
  name: 'speaks before its time',
  work: () => null,
  start: (power) =>
    everyCycle(
      power,
      CYCLES,
      ({ submission }) => submission.to - 1 - EARLY_SLOTS,
      (cycle) => {
        const { submission } = power.schedule(cycle)
        for (const by of power.own) {
          const message = power.sign(by, words.submission({ cycle, slot: submission.to - 1 }, 'early'))!
          power.offer(message, { quality: 'good' })
          power.send(message, by, power.honest)
          power.at(submission.to - 2, () => power.send(message, by, [power.dice.pick(power.honest)]))
        }
      }
    )
})

/** What is not kept, and is written down as it is: docs/simulation.md, "What it shows". */
export const EARLY: Row = {
  name: 'early: speaks before its time',
  promise:
    'nobody honest is rejected, slashed or left out for it, and nothing wrong is finalized; that each cycle is finalized is not kept',
  cycles: CYCLES,
  seeds: 6,
  without: ['honest-refused', 'turn-lost', 'not-finalized'],
  world: (seed, count) => {
    const { dice, nodes } = start(seed, count)
    return { seed, nodes: withFaulty(dice, nodes), timing: TIMING, network: { jitterSlots: 0.3 }, adversary: speaksEarly() }
  }
}

export const TWO_FACED: Row[] = [submitsTwice, judgesTwice, doesBoth].map((adversary) => ({
  name: `two-faced: ${adversary().name}`,
  promise:
    'both halves are with all within a delivery of the window’s end and convict by the rule of the wire; the equivocator counts for nothing',
  cycles: CYCLES,
  seeds: 8,
  world: (seed, count) => {
    const { dice, nodes } = start(seed, count)
    return { seed, nodes: withFaulty(dice, nodes), timing: TIMING, network: { jitterSlots: 0.3 }, adversary: adversary() }
  },
  // nobody is here only to look on: each of them is found out
  also: (world) =>
    Array.from({ length: CYCLES }, (_, cycle) => world.history.cycle(cycle))
      .filter(({ record }) => record != null)
      .flatMap(({ cycle, record }) =>
        world.nodes
          .filter(
            ({ honest, key }) =>
              !honest && !record!.tally.rejected.some(({ staker, reason }) => staker === key.address && reason === 'equivocated')
          )
          .map(({ index }) => `n${index} is not found out in cycle ${cycle}`)
      )
}))
